"""Throughput of batches: a panel per engine, a line per loop, at its best precision.

Strop's own engine has lines for dense images and for AVX2 too; the others are as fast on any image.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, MUTED, SMALL
from benchmarks.ratios import OWN
from benchmarks.results import Results
from benchmarks.subjects import OTHERS, Subject, groups, subjects

NAME, AXIS = "throughput.png", "throughput"
AXES = (AXIS,)
ALT = "Images a second by batch size, a panel for each engine"

_ACROSS = 2  # panels in a row
_PANEL, _NAME = 2.5, 0.165  # inches: a panel, and a line of its legend
_BELOW, _BESIDE = (-0.12, -0.2), (1.12, 1.0)  # a legend's upper left corner, as shares of the panel
_STYLES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))  # when the colours are used up
_FEW = 8  # batch sizes that an axis has room to name


def draw(results: Results) -> Figure:
    """Draw images per second by batch; each panel shows the others' lines in grey."""
    best = _best(subjects(results))
    panels = list(groups(best).items())
    rows = [panels[i : i + _ACROSS] for i in range(0, len(panels), _ACROSS)]
    # A panel with an empty space beside it has its legend there.
    heights = [
        _PANEL + (_NAME * max(len(members) for _, members in row) if len(row) == _ACROSS else 0)
        for row in rows
    ]
    figure = drawing.sheet(sum(heights))
    grid = figure.add_gridspec(len(rows), _ACROSS, height_ratios=heights)
    first: Axes | None = None
    for (row, column), (group, members) in zip(
        itertools.product(range(len(rows)), range(_ACROSS)), panels, strict=False
    ):
        axes = figure.add_subplot(grid[row, column], sharex=first, sharey=first)
        first = first or axes
        _panel(axes, group, members, best)
        _legend(axes, _BESIDE if len(rows[row]) < _ACROSS else _BELOW)
        if column == 0:
            axes.set_ylabel("images a second", fontsize=SMALL, color=MUTED)
    return figure


def _best(some: Sequence[Subject]) -> list[Subject]:
    """Return each loop, at the precision with the highest throughput."""
    best: dict[str, Subject] = {}
    for one in some:
        if not (one.is_usual or one.is_strop):
            continue
        if one.by_batch(AXIS) and (one.way not in best or _top(one) > _top(best[one.way])):
            best[one.way] = one
    return list(best.values())


def _panel(axes: Axes, group: str, members: Sequence[Subject], everyone: Sequence[Subject]) -> None:
    for one in everyone:
        rates = one.by_batch(AXIS)
        axes.plot(list(rates), list(rates.values()), color=GRID, linewidth=1, zorder=1)
    looks, ours = itertools.product(_STYLES, COLOURS[1:]), iter(_STYLES)
    for one in sorted(members, key=_top, reverse=True):
        rates = one.by_batch(AXIS)
        style, colour = (next(ours), COLOURS[0]) if one.is_strop else next(looks)
        # Strop is the broad line below the others: it is so close that it would hide them.
        is_broad = one.is_strop and one.is_usual
        axes.plot(
            list(rates),
            list(rates.values()),
            color=colour,
            linestyle=style,
            linewidth=6 if is_broad else 1.3,
            alpha=0.45 if is_broad else 1,
            solid_capstyle="round",
            marker="" if is_broad else "o",
            markersize=2.5,
            zorder=2 if is_broad else 3,
            label=f"{one.name}: {_three_digits(_top(one))} at best",
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    batches = sorted({batch for one in everyone for batch in one.by_batch(AXIS)})
    named = batches[:: -(-len(batches) // _FEW)]
    axes.set_xticks(named, [f"{batch:,}" for batch in named])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: drawing.short(value))
    axes.grid(which="major", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("images a call", fontsize=SMALL, color=MUTED)
    titles = {OTHERS: OTHERS, OWN: f"{OWN}: Strop's own engine"}
    title = titles.get(group, f"{group}: Strop and the engine's own API")
    axes.set_title(title, fontsize=SMALL, fontweight="bold", loc="left", color=INK)
    drawing.plain(axes)


def _legend(axes: Axes, place: tuple[float, float]) -> None:
    legend = axes.legend(
        loc="upper left",
        bbox_to_anchor=place,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderpad=0,
        labelspacing=0.25,
    )
    legend.set_in_layout(place == _BELOW)  # beside, there is room
    for text in legend.get_texts():
        if text.get_text().startswith("Strop"):
            text.set_fontweight("bold")


def _top(one: Subject) -> float:
    return max(one.by_batch(AXIS).values())


def _three_digits(rate: float) -> str:
    """Write a rate in three digits, such as "1.23M" for 1,234,567."""
    return drawing.short(float(f"{rate:.3g}"))
