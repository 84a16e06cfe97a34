"""A run as a Markdown page: its machine and software, tables, pictures and missing subjects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.results import Results
from benchmarks.subjects import absent
from benchmarks.table import Line, Section, details, sections

_HOW = """\
Every subject takes one raw image, uint8 28 x 28, or a batch of them, and returns float32
probabilities in the caller's own array, conversions included, on one thread. Subjects alternate in
rounds, so that other work on the machine affects all alike; ratios are taken within each round and
then summarized. Do not compare times of different machines or runs.
"""

_LONG = 400  # characters; longer values, such as the list of packages, are only for programs


def write(results: Results, path: Path) -> None:
    """Write the page, which shows the pictures that `benchmarks.plots` draws beside it.

    Args:
        results: the run.
        path: the .md file.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(results, path)) + "\n", encoding="utf-8")


def _lines(results: Results, path: Path) -> Iterator[str]:
    yield from ("# Benchmarks", "", "What they are true of:", "")
    for name, value in results.environment.items():
        said = _said(value)
        yield f"- {name}: {said if len(said) < _LONG else f'in {path.stem}.json'}"
    yield from ("", _HOW)
    for section in sections(results):
        yield from _table(section)
    for picture in plots.pictures(results):
        yield from (f"![{picture.alt}]({picture.name})", "")
    if results.ratios:
        yield from _table(details(results.ratios))
    missing = list(absent(results))
    if missing:
        yield from ("## Not here", "")
        yield from (f"- **{_plain(who)}**: {_plain(why)}" for who, why in missing)
        yield ""
    yield from (
        "## Again",
        "",
        "`make bench` measures and draws all of this again;",
        f"`python -m benchmarks.plots {path.stem}.json`, with the path of a result, only draws.",
    )


def _table(section: Section) -> Iterator[str]:
    yield from (f"## {section.title}", "")
    yield _row(section.columns)
    numbers = len(section.columns) - section.texts
    yield "|" + "---|" * section.texts + "--:|" * numbers
    yield from (_row(_bold(line)) for line in section.lines)
    yield from ("", section.note, "")


def _bold(line: Line) -> tuple[str, ...]:
    return (f"**{line.cells[0]}**", *line.cells[1:]) if line.is_strop else line.cells


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(map(_plain, cells)) + " |"


def _said(value: Any) -> str:
    """Write a value of the environment in one line, nested ones with their names."""
    if isinstance(value, dict):
        return "; ".join(f"{name} {_said(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value)) or "none"
    return _plain(str(value)) or "-"


def _plain(text: str) -> str:
    """Return a text without characters that end a table's cell or a line."""
    return " ".join(text.replace("|", "\\|").split())
