"""The terminal: all that the commands print goes through here.

Text is made printable first: file names, labels and engines' messages are other people's. Lines and
tables fit the width of the terminal. This module does without numpy, which the doctor may miss.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import zip_longest
from typing import Any, TextIO

from strop.commands.quiet import settle
from strop.errors import printable

_INDENT = 4  # of text below its row
_LEAST = 24  # columns that text needs beside its row; with fewer it goes below
_NARROWEST = 20  # a terminal that says it is narrower than this is laid out for this


class OutputError(Exception):
    """Stdout cannot be written, for another reason than a reader that has gone."""


def show(*lines: str) -> None:
    """Print finished lines on stdout at once.

    Raises:
        BrokenPipeError: the reader has gone.
        OutputError: stdout cannot be written.
    """
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from error


def print_line(text: str = "") -> None:
    """Print a line on stdout, wrapped between words if the terminal is narrower."""
    show(*_wrapped(printable(text), width()))


def print_note(text: str) -> None:
    """Print a line on stderr."""
    _write_stderr(f"{printable(text)}\n")


def print_fact(name: str, *values: str, margin: int = 7, widest: int | None = None) -> None:
    """Print a name and its values, on stdout.

    Args:
        name: as long as the margin, or shorter.
        values: each on a separate line.
        margin: columns for the name.
        widest: columns to use at most.
    """
    show(_beside(f"{name:<{margin}}", [printable(value) for value in values], _room(widest)))


def print_table(
    rows: Sequence[Sequence[str]],
    header: Sequence[str] = (),
    notes: Sequence[Sequence[str]] = (),
    widest: int | None = None,
    least: Sequence[int] = (),
) -> None:
    """Print a table, or one of its rows, on stdout at once; see `lay_out`.

    Args:
        rows: cells.
        header: names of the cells, and then of the notes.
        notes: texts for each row.
        widest: columns to use at most.
        least: columns that the first cells take at least; the rows of a long table then line up.
    """
    show(*lay_out(rows, header, notes, _room(widest), least=least))


def print_json(content: Any) -> None:
    """Print a value on stdout as JSON in ASCII; it must hold no NaN or infinity."""
    show(json.dumps(content, indent=2, allow_nan=False))


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a step on stderr, in place of the previous step.

    It shows nothing if stderr is not a terminal. The last step is wiped at the end.
    """
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    room = (_columns_of(sys.stderr) or 80) - 1

    def step_to(step: str) -> None:
        _write_stderr(f"\r\033[K{_cut(printable(step), room)}")

    try:
        yield step_to
    finally:
        step_to("")


@contextlib.contextmanager
def telling(done: str) -> Iterator[None]:
    """Print, within a `with`, the result of a change that is made already.

    If that fails, a line on stderr says so, and the command goes on: its exit status tells that
    the change was made.

    Args:
        done: the change, for that line.
    """
    try:
        yield
    except (OutputError, BrokenPipeError) as error:
        forget(sys.stdout)
        print_note(f"strop: {done}; cannot write the output: {error}")


def width() -> int | None:
    """Return how many columns stdout has; None if it is not a terminal, which limits nothing.

    The environment variable COLUMNS overrules the terminal.
    """
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdecimal() and 0 < len(asked) < 6:
        columns: int | None = int(asked)
    else:
        columns = _columns_of(sys.stdout)
    return max(columns, _NARROWEST) if columns else None


def lay_out(
    rows: Sequence[Sequence[str]],
    header: Sequence[str] = (),
    notes: Sequence[Sequence[str]] = (),
    room: int | None = None,
    numbers: Container[str] = (),
    least: Sequence[int] = (),
) -> list[str]:
    """Lay out a table in columns; or, if they do not fit, each row as "name: value" pairs.

    Words wrap, figures are never cut, and no column is left out.

    Args:
        rows: cells, of any text.
        header: names of the cells, and one more for the notes if they have one; empty: no header.
        notes: texts for each row, beside it or below.
        room: columns to use; None: any number.
        numbers: names of the columns that end at the right.
        least: columns that the first cells take at least.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    texts = [[printable(text) for text in note if text] for note in notes] or [[] for _ in rows]
    if not cells:
        return []
    size = len(cells[0])
    names, note_name = header[:size], list(header[size:])
    lines = [list(names), *cells] if names else cells
    needed = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    widths = [max(pair) for pair in zip_longest(needed, least, fillvalue=0)]
    gap = 2 if room is None or sum(widths) + 2 * (size - 1) <= room else 1
    if room is not None and sum(widths) + gap * (size - 1) > room:
        blocks = zip(cells, texts, strict=True)
        return [line for row, note in blocks for line in _block(names, row, note, room)]
    right = [name in numbers for name in names] or [False] * size
    margins = [
        (" " * gap).join(
            _padded(cell, columns, at_right=at_right)
            for cell, columns, at_right in zip(line, widths, right, strict=True)
        )
        for line in lines
    ]
    beside = [note_name, *texts] if names else texts
    return [
        line
        for margin, note in zip(margins, beside, strict=True)
        for line in _beside(margin, note, room).split("\n")
    ]


def prepare_streams() -> None:
    """Make the streams of this process ready for whatever a command prints.

    A closed stream (`strop check x >&-`) leads nowhere: the exit status tells. Python has None in
    its place, and prints to stdout what is meant for a stderr of None. The new descriptor takes the
    number of the closed one. Otherwise a file of ours would take it, and native libraries would
    print into that file. What stdout's alphabet lacks is escaped.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            stream = open(nowhere, mode, errors="backslashreplace", closefd=False)  # noqa: SIM115  it stays open
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def forget(stream: TextIO) -> None:
    """Drop what a stream could not write, so that Python does not try again at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write_stderr(text: str) -> None:
    """Write on stderr. If that fails, nothing else does: the exit status tells."""
    settle()
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        forget(sys.stderr)


def width_of(text: str) -> int:
    """Count the columns that a text takes once it is printable."""
    return _width(printable(text))


def _columns_of(stream: TextIO) -> int | None:
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def _room(widest: int | None) -> int | None:
    return min(filter(None, (width(), widest)), default=None)


def _width(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def _cut(text: str, room: int) -> str:
    """Return the start of a text that fits into so many columns."""
    while _width(text) > room:
        text = text[: room - _width(text)]
    return text


def _padded(text: str, columns: int, *, at_right: bool) -> str:
    blanks = " " * (columns - _width(text))
    return f"{blanks}{text}" if at_right else f"{text}{blanks}"


def _beside(margin: str, texts: Sequence[str], room: int | None) -> str:
    """Put texts beside a margin, or below it where little room is left."""
    indent = _width(margin) + 2
    first = f"{margin}  "
    if room is not None:
        left = room - indent
        if left < _LEAST and any(_width(text) > left for text in texts):
            indent, first = _INDENT, f"{margin.rstrip()}{_below(_INDENT)}"
        room -= indent
    lines = [line for text in texts for line in _wrapped(text, room)]
    return f"{first}{_below(indent).join(lines)}".rstrip()


def _below(indent: int) -> str:
    return "\n" + " " * indent


def _block(
    names: Sequence[str], cells: Sequence[str], texts: Sequence[str], room: int
) -> Iterator[str]:
    """Yield the lines of a row that is too wide: as many cells on each as it has room for."""
    named = zip(names, cells, strict=True) if names else (("", cell) for cell in cells)
    pairs = [f"{name}: {cell}" if name else cell for name, cell in named if cell]
    parts = [line for pair in (*pairs, *texts) for line in _wrapped(pair, room - 2)]
    first, *others = _packed(parts, room - 2, "  ")
    yield first
    yield from (f"  {line}" for line in others)


def _wrapped(text: str, room: int | None) -> list[str]:
    """Wrap a text between words; a command that goes on after && breaks only there."""
    if room is None or _width(text) <= room:
        return [text]
    *steps, last = text.split(" && ")
    parts = [*(f"{step} &&" for step in steps), last] if steps else text.split(" ")
    return _packed(parts, room, " ")


def _packed(parts: Sequence[str], room: int, gap: str) -> list[str]:
    """Join parts into lines, as many on each as it has room for; no part is cut."""
    first, *rest = parts
    lines = [first]
    for part in rest:
        longer = f"{lines[-1]}{gap}{part}"
        if _width(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
