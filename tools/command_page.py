"""The page docs/commands.md: every command with its arguments, from the parsers.

`make docs` writes it again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import strop_export.arguments
import strop_export.explain
from strop.commands import arguments
from strop_export.evaluation import command

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

_HEAD = """\
# Commands and options

<!-- `make docs` makes this page from the commands' own help. -->

`strop` runs on devices, and signs bundles; [On the command line](command-line.md) shows its use.
`strop-export` makes bundles on the workstation. Both exit with 0 if all is done, with 1 if a check
or a proof failed, and with 2 if the request cannot be met; one line on stderr then says why.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page, in Markdown."""
    parsers = [*arguments.parser().commands.values()]
    parsers += [
        module.parser() for module in (strop_export.arguments, strop_export.explain, command)
    ]
    sections = (part for parser in parsers for part in _section(parser))
    return "\n".join([_HEAD, *sections])


def _section(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a command's heading, its usage and its arguments."""
    description = parser.description or ""
    yield f"## {parser.prog}\n\n{description[0].upper()}{description[1:].rstrip('.')}.\n"
    yield f"```\nusage: {_usage(parser)}\n```\n"
    if given := [action for action in parser._actions if action.dest != "help"]:
        yield "".join(f"- `{_name(each)}`: {_meaning(parser, each)}\n" for each in given)


def _usage(parser: argparse.ArgumentParser) -> str:
    if parser.usage:
        return parser.usage % {"prog": parser.prog}
    forms = {"+": "{0} [{0} ...]", "*": "[{0} ...]", "?": "[{0}]"}
    named = [action for action in parser._actions if action.option_strings]
    placed = [action for action in parser._actions if not action.option_strings]
    needed = [_name(action) for action in named if action.required]
    options = ["[options]"] if len(named) > 1 + len(needed) else []  # one of them is --help
    names = (forms.get(str(each.nargs), "{0}").format(_name(each)) for each in placed)
    return " ".join((parser.prog, *options, *needed, *names))


def _name(action: argparse.Action) -> str:
    shown = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return shown
    return action.option_strings[-1] + (f" {shown}" if action.nargs != 0 else "")


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = (action.help or "") % {"prog": parser.prog, "default": action.default}
    return text.replace("<", "\\<")


if __name__ == "__main__":
    main()
