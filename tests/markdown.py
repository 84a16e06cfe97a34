"""Pages of documentation: their marked blocks are saved and typed, and their samples compared.

A comment on the line before a block says what to do with it:

    <!-- save as NAME -->   save the block as a file
    <!-- run -->            type the block; of a block with `$ ` lines, those are typed, and the
                            lines below each are what it prints
    <!-- printed -->        compare the block with what the last block printed
    <!-- not run: WHY -->   leave it

Of a sample, lines and words must come in this order. A line `...` stands for any others. Timings,
errors by rounding, dates, digests and the name of the CPU are not compared. Numbers may differ a
little, since training gives other weights on another machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.environments import run

# What changes the machine, needs another, or takes minutes and has a test of its own.
EXEMPT = re.compile(r"(make|git|cd|scp|ssh|sudo|pip|python3 -m venv|\. \S+/bin/activate)\b")

_BLOCK = re.compile(r"^(?:<!-- ([^\n]+) -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
_COMMAND = re.compile(r"(?:\$ )?strop(?:-export)? ")
_NUMBER = re.compile(r"-?[\d,]*\d(\.\d+)?(e[-+]\d+)?%?")
# How far two numbers may differ: fractions, and others by count or by share.
_LEVEL, _COUNT, _SHARE = 0.02, 3, 0.05

_MASKS = (
    (re.compile(r"^on .+"), "on THIS CPU"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "DIGEST"),
    # A row of `strop check`: the largest error, agreement with Keras, and a timing.
    (re.compile(r" passed +\S+ +(\S+) +[\d.]+ "), r" passed \1 "),
    # A row of export: the largest error is its last word.
    (re.compile(r"^( *\S+ +(?:plan|tflite|onnx|weights) .*) \S+ *$"), r"\1"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comment on the line before it."""

    mark: str
    language: str
    text: str

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self.text.splitlines())

    @property
    def saved_as(self) -> str:
        """The name of the file that it is, or ""."""
        return self.mark.removeprefix("save as ") if self.mark.startswith("save as ") else ""


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    return [Block(mark or "", language, body) for mark, language, body in _BLOCK.findall(text)]


def unmarked(text: str) -> list[str]:
    """The lines that people would type to run strop, in blocks that nothing says anything of."""
    return [
        line
        for block in blocks(text)
        if not block.mark
        for line in block.lines
        if _COMMAND.match(line)
    ]


def follow(text: str, folder: Path, programs: Path, variables: Mapping[str, str]) -> None:
    """Do what the marked blocks say, in a folder; fail where a sample is not what is printed.

    Args:
        text: the page, or a part of it.
        folder: where to be.
        programs: the folder with the `strop` and `python` to use.
        variables: of the environment, besides this process's.
    """
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, **variables}
    printed = ""
    for block in blocks(text):
        if block.saved_as:
            (folder / block.saved_as).write_text(block.text, encoding="utf-8")
        elif block.mark == "run":
            printed = ""
            commands = _commands(block)
            assert not all(EXEMPT.match(command) for command, _ in commands), "nothing here is run"
            for command, sample in commands:
                if EXEMPT.match(command):
                    assert not sample, f"{command!r} is not run, and has a sample"
                else:
                    done = run("sh", "-c", command, cwd=folder, env=environment)
                    printed += f"{done.stdout}\n{done.stderr}\n"
                    require_sample(sample, f"{done.stdout}\n{done.stderr}")
        elif block.mark == "printed":
            require_sample(block.lines, printed)


def _commands(block: Block) -> list[tuple[str, list[str]]]:
    """Each command of a block, and the lines that it prints."""
    if not block.text.startswith("$ "):
        return [(line, []) for line in block.lines if line]
    found: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def require_sample(sample: tuple[str, ...] | list[str], printed: str) -> None:
    """Fail unless the lines of a sample are printed, in this order."""
    rest = iter(printed.splitlines())
    for line in sample:
        if line.strip() not in ("", "..."):
            assert any(_agree(line, other) for other in rest), f"{line!r} is not in:\n{printed}"


def _agree(sample: str, printed: str) -> bool:
    ours, theirs = (_masked(line).split() for line in (sample, printed))
    return len(ours) == len(theirs) and all(map(_agree_in_a_word, ours, theirs))


def _masked(line: str) -> str:
    for pattern, instead in _MASKS:
        line = pattern.sub(instead, line)
    return line


def _agree_in_a_word(sample: str, printed: str) -> bool:
    plain = [word.strip("();,") for word in (sample, printed)]
    if sample == printed or not all(map(_NUMBER.fullmatch, plain)):
        return sample == printed
    ours, theirs = (float(word.replace(",", "").rstrip("%")) for word in plain)
    if "." in plain[0] and abs(theirs) <= 1:
        return abs(ours - theirs) <= _LEVEL
    return abs(ours - theirs) <= max(_COUNT, _SHARE * abs(theirs))
