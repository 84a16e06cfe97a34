"""The time from the start of a process to its first answer, and its parts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, MUTED, SMALL
from benchmarks.results import STROP, Results, Row
from benchmarks.subjects import subjects

NAME, AXIS = "cold-start.png", "cold_start"
AXES = (AXIS,)
ALT = "The time from the start of a process to its first answer, and its parts"

_LINE, _AROUND = 0.2, 1.0  # inches: a subject, and the margins
_WHOLE = "all of it"  # if the parts were not measured
_PARTS = ("#334e68", "#829ab1", "#bcccdc", "#2f6fde", "#b7791f", "#1b7f4b", "#d64545")
_LONGEST = 2  # times the upper quartile: a longer bar is cut there, with a mark


def draw(results: Results) -> Figure:
    """Draw one bar for each subject, the fastest first."""
    rows = [row for one in subjects(results) if (row := one.row(AXIS)) is not None]
    rows.sort(key=_ms)
    edge = min(_ms(rows[-1]), _LONGEST * _ms(rows[3 * len(rows) // 4]))
    names = dict.fromkeys(name for row in rows for name, _ in _parts(row))
    colours = dict(zip(names, itertools.cycle(_PARTS), strict=False))
    figure = drawing.sheet(len(rows) * _LINE + _AROUND)
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        start = 0.0
        for name, ms in _parts(row):
            axes.barh(place, max(min(ms, edge - start), 0.0), 0.72, start, color=colours[name])
            start += ms
        axes.annotate(
            f"{_ms(row):,.0f}" + (", cut" if _ms(row) > edge else ""),
            (min(_ms(row), edge), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
        )
    axes.set_yticks(range(len(rows)), [row.subject for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, edge * 1.13)
    axes.grid(which="major", axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(
        "ms from the start of a process to its first answer", fontsize=SMALL, color=MUTED
    )
    drawing.plain(axes)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        ours = row.kind == STROP
        label.set(color=COLOURS[0] if ours else INK, fontweight="bold" if ours else "normal")
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in colours.items()],
        loc="outside upper left",
        ncols=4,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )
    return figure


def _parts(row: Row) -> Iterator[tuple[str, float]]:
    """Return (name, ms) of each part in order, scaled to add up to the whole.

    Each part is a median, so the measured parts add up only approximately.
    """
    parts = row.parts or {_WHOLE: 1.0}
    for name, ms in parts.items():
        yield name, ms * _ms(row) / sum(parts.values())


def _ms(row: Row) -> float:
    return row.value or 0.0
