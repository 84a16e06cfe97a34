"""strop completion: print the script with which a shell completes strop's command line.

The scripts are made from the parser. bash, fish and zsh complete commands, options, their known
values, bundles (files that end in .strop) and other paths.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from shlex import quote
from typing import NamedTuple

from strop.commands.arguments import VALUES, Parser, parser
from strop.commands.terminal import show

BUNDLE, FILE, FOLDER = "bundle", "file", "folder"
# The kind of path that an argument takes, by what its help calls it.
_PATHS = {
    "BUNDLE": BUNDLE,
    "DIR": FOLDER,
    **dict.fromkeys(("COUNTS", "FILE", "KEY", "PATH", "NPY", "PNG"), FILE),
}

_BASH = r"""
_strop_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word"); }
_strop_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(
    {
      compgen -d -- "$word"
      case "$1" in
        bundle) compgen -f -X '!*.strop' -- "$word" ;;
        file) compgen -f -- "$word" ;;
      esac
    } | sort -u
  )
}
_strop() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
  local command="${COMP_WORDS[1]}"
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
""".strip("\n").splitlines()


class Argument(NamedTuple):
    """An option or a positional argument, as a shell completes it."""

    flags: tuple[str, ...]  # of an option: "-h", "--help"; () of a positional argument
    help: str
    takes_value: bool
    values: tuple[str, ...]  # the known ones
    path: str  # BUNDLE, FILE or FOLDER; "" where it takes no path
    repeated: bool


def main(arguments: argparse.Namespace) -> int:
    """Print the script for the shell that was asked for."""
    scripts = {"bash": _bash, "fish": _fish, "zsh": _zsh}
    show(*scripts[arguments.shell](parser()))
    return 0


def _arguments(command: argparse.ArgumentParser, root: Parser) -> list[Argument]:
    return [_argument(action, root) for action in command._actions]


def _argument(action: argparse.Action, root: Parser) -> Argument:
    values = tuple(root.commands) if action.dest == "topic" else VALUES.get(action.dest, ())
    return Argument(
        flags=tuple(action.option_strings),
        help=action.help or "",
        takes_value=action.nargs != 0,
        values=values,
        path=_PATHS.get(str(action.metavar), ""),
        repeated=action.nargs == "+",
    )


def _options(command: argparse.ArgumentParser, root: Parser) -> list[Argument]:
    return [one for one in _arguments(command, root) if one.flags]


def _positionals(command: argparse.ArgumentParser, root: Parser) -> list[Argument]:
    return [one for one in _arguments(command, root) if not one.flags]


def _bash(root: Parser) -> Iterator[str]:
    """Yield the lines of a function that fills COMPREPLY."""

    def answer(argument: Argument) -> str:
        if argument.values:
            return f"_strop_words {quote(' '.join(argument.values))}; "
        return f"_strop_paths {argument.path}; " if argument.path else ""

    yield from _BASH
    flags = [flag for option in _options(root, root) for flag in option.flags]
    yield f"    _strop_words {quote(' '.join([*root.commands, *flags]))}; return"
    yield "  fi"
    yield '  case "$command $before" in'
    for name, command in root.commands.items():
        for option in _options(command, root):
            if option.takes_value:
                pattern = "|".join(f"'{name} {flag}'" for flag in option.flags)
                yield f"    {pattern}) {answer(option)}return ;;"
    yield "  esac"
    yield '  case "$command $word" in'
    for name, command in root.commands.items():
        flags = [flag for option in _options(command, root) for flag in option.flags]
        yield f"    '{name} -'*) _strop_words {quote(' '.join(flags))}; return ;;"
    yield "  esac"
    # The second word is the first argument; where a command has one alone, any word may be it.
    yield '  case "$command $COMP_CWORD" in'
    for name, command in root.commands.items():
        arguments = _positionals(command, root)
        for place, argument in enumerate(arguments, 2):
            pattern = f"'{name} '*" if argument is arguments[-1] else f"'{name} {place}'"
            yield f"    {pattern}) {answer(argument)};;"
    yield "  esac"
    yield "}"
    yield "complete -F _strop strop"


def _fish(root: Parser) -> Iterator[str]:
    """Yield a `complete` command for each command and argument."""
    paths = {
        BUNDLE: r"(__fish_complete_path | string match -re '(/|\.strop)(\t|$)')",
        FILE: "(__fish_complete_path)",
        FOLDER: "(__fish_complete_directories)",
    }

    def answer(argument: Argument) -> str:
        values = " ".join(argument.values) or paths.get(argument.path, "")
        return f" -a {_fish_quoted(values)}" if values else ""

    yield "complete -c strop -f"
    for option in _options(root, root):
        yield f"complete -c strop -n __fish_use_subcommand{_fish_option(option)}"
    for name, command in root.commands.items():
        about = _fish_quoted(command.description or "")
        yield f"complete -c strop -n __fish_use_subcommand -a {name} -d {about}"
        seen = f"complete -c strop -n '__fish_seen_subcommand_from {name}'"
        for argument in _arguments(command, root):
            required = " -x" if argument.flags and argument.takes_value else ""
            yield f"{seen}{_fish_option(argument)}{required}{answer(argument)}"


def _fish_option(option: Argument) -> str:
    names = [
        f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}" for flag in option.flags
    ]
    return "".join(names) + (f" -d {_fish_quoted(option.help)}" if names else "")


def _zsh(root: Parser) -> Iterator[str]:
    """Yield the lines of a function for compsys, loaded from fpath or sourced."""
    paths = {BUNDLE: '_files -g "*.strop"', FILE: "_files", FOLDER: "_files -/"}

    def answer(argument: Argument) -> str:
        values = f"({' '.join(argument.values)})" if argument.values else ""
        return f":{argument.path or 'value'}:{values or paths.get(argument.path, ' ')}"

    def spec(argument: Argument) -> Iterator[str]:
        if not argument.flags:
            yield quote(("*" if argument.repeated else "") + answer(argument))
        for flag in argument.flags:
            others = f"({' '.join(argument.flags)})"
            about = _escaped(argument.help)
            value = answer(argument) if argument.takes_value else ""
            yield quote(f"{others}{flag}[{about}]{value}")

    yield "#compdef strop"
    yield "_strop() {"
    yield "  local -a commands=("
    for name, command in root.commands.items():
        yield f"    {quote(f'{name}:{_escaped(command.description or str())}')}"
    yield "  )"
    yield "  if (( CURRENT == 2 )); then"
    yield "    _describe command commands"
    flags = [one for option in _options(root, root) for one in spec(option)]
    yield f"    _arguments {' '.join(flags)}"
    yield "    return"
    yield "  fi"
    yield "  local command=$words[2]"
    yield "  shift words"
    yield "  (( CURRENT-- ))"
    yield "  case $command in"
    for name, command in root.commands.items():
        specs = " ".join(one for argument in _arguments(command, root) for one in spec(argument))
        yield f"    {name}) _arguments {specs} ;;"
    yield "  esac"
    yield "}"
    yield 'if [[ $funcstack[1] = _strop ]]; then _strop "$@"; else compdef _strop strop; fi'


def _fish_quoted(text: str) -> str:
    r"""Return a text as one word of fish's, which takes \\ and \' between quotes."""
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"


def _escaped(text: str) -> str:
    """Return a text with a backslash before what ends a part of zsh's descriptions."""
    return "".join(f"\\{char}" if char in ":[]\\" else char for char in text)
