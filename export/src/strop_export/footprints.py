"""The firmware's part of a report: the memory that a model needs on each CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from strop.errors import printable
from strop_export.columns import Column, laid_out
from strop_export.finishing import Finished, Refused
from strop_export.firmware.cpus import CPUS

Entry = dict[str, Any]  # of the report's `footprints`

_TITLES: Final = {cpu.name: cpu.title for cpu in CPUS}

EXPLAINED: Final = (
    "*flash*: weights, code and tables of the model, without start-up code and main; *RAM*: the "
    "arena, other variables and the deepest stack. Compiled by zig, not run."
)
COLUMNS: Final = (
    Column("CPU", lambda entry, _: _TITLES.get(entry["cpu"], entry["cpu"]), number=False),
    Column("flash", lambda entry, _: f"{entry['flash_bytes']:,}"),
    Column("RAM", lambda entry, _: f"{entry['ram_bytes']:,}"),
    Column("arena", lambda entry, _: f"{entry['arena_bytes']:,}"),
    Column("stack", lambda entry, _: f"{entry['stack_bytes']:,}"),
)


def entries(results: Iterable[Finished | Refused]) -> list[Entry]:
    """List the memory that the firmware of each finished target needs, as plain JSON values."""
    return [
        {"bundle": result.bundle, "target": result.target.name, "cpu": cpu, **sizes._asdict()}
        for result in results
        if isinstance(result, Finished) and result.folder
        for cpu, sizes in result.folder.sizes.items()
    ]


def by_bundle(found: Iterable[Entry]) -> dict[str, list[list[str]]]:
    """Return the rows of each bundle's table.

    Args:
        found: the report's `footprints`.
    """
    rows: dict[str, list[list[str]]] = {}
    for entry in found:
        cells = [column.cell(entry, {}) for column in COLUMNS]
        rows.setdefault(entry["bundle"], []).append(cells)
    return rows


def tables(found: Iterable[Entry], room: int | None) -> Iterator[str]:
    """Yield the lines of a table for each bundle with firmware.

    Args:
        found: the report's `footprints`.
        room: columns of the screen; None: any number.
    """
    for bundle, rows in by_bundle(found).items():
        yield f"{printable(bundle)}: bytes that the model needs on each CPU"
        yield ""
        yield from laid_out(rows, COLUMNS, room)
        yield ""
