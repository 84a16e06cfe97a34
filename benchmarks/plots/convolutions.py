"""Convolutional networks: the time of a call of each subject, by network and batch."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, MUTED, SMALL
from benchmarks.results import STROP, Results, Row

NAME, AXIS = "convolutions.png", "convolutions"
AXES = (AXIS,)
ALT = "Convolutional networks on one thread: the median call of every subject, by network and batch"

_STROP, _RAW = COLOURS[0], "#52606d"
_LINE = 0.19  # inches per subject
_ROOM = 1.5  # of the longest bar: for the figure beside it
_LONGEST = 8  # times the fastest: longer bars are cut, or the others could not be compared


def draw(results: Results) -> Figure:
    """Draw a panel for each network and batch, the fastest subject first."""
    panels: dict[str, dict[int, list[Row]]] = {}
    for row in results.rows:
        if row.axis == AXIS and row.value is not None:
            panels.setdefault(row.network, {}).setdefault(row.batch or 1, []).append(row)
    most = [max(map(len, batches.values())) for batches in panels.values()]
    figure = drawing.sheet(sum(count + 4 for count in most) * _LINE)
    across = max(map(len, panels.values()))
    grid = figure.add_gridspec(len(panels), across, height_ratios=[count + 2 for count in most])
    for down, (network, batches) in enumerate(panels.items()):
        for right, (batch, rows) in enumerate(sorted(batches.items())):
            axes = figure.add_subplot(grid[down, right])
            title = f"{network}, {batch:,} a call"
            axes.set_title(title, fontsize=SMALL, fontweight="bold", loc="left", color=INK)
            _bars(axes, sorted(rows, key=_us))
    return figure


def _bars(axes: Axes, rows: Sequence[Row]) -> None:
    longest = min(_us(rows[-1]), _LONGEST * _us(rows[0]))
    for place, row in enumerate(rows):
        ours = row.kind == STROP
        colour, weight = (_STROP, "bold") if ours else (_RAW, "normal")
        length = min(_us(row), longest)
        hatch = "////" if length < _us(row) else ""
        axes.barh(
            place, length, color=colour, height=0.6, hatch=hatch, edgecolor="white", linewidth=0
        )
        axes.annotate(
            f"{_us(row):,.0f}" if _us(row) >= 99.95 else f"{_us(row):.1f}",
            (length, place),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=SMALL,
            fontweight=weight,
            color=colour if ours else INK,
            va="center",
        )
    axes.set_xlim(0, longest * _ROOM)
    axes.locator_params(axis="x", nbins=3)
    axes.xaxis.set_major_formatter(lambda value, _: drawing.short(value))
    axes.grid(which="major", axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    drawing.plain(axes)
    axes.set_yticks(range(len(rows)), [row.subject for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        ours = row.kind == STROP
        label.set_color(_STROP if ours else INK)
        label.set_fontweight("bold" if ours else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("us a call, median; hatched: cut", fontsize=SMALL, color=MUTED, loc="right")


def _us(row: Row) -> float:
    return row.value or 0.0
