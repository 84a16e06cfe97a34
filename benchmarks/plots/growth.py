"""The end of overhead: the time of a call against its multiply-accumulates, by engine."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import drawing
from benchmarks.drawing import GRID, INK, MUTED, SMALL
from benchmarks.results import Results, Row

NAME, AXIS = "growth.png", "growth"
AXES = (AXIS,)
ALT = "The time of a call against its multiply-accumulates, by layer width and batch"

_ACROSS, _PANEL, _LEGEND = 2, 3.0, 0.5  # panels in a row; inches


def draw(results: Results) -> Figure:
    """Draw one line per batch, with layer widths as points, and the two bounds of each engine."""
    rows = [row for row in results.rows if row.axis == AXIS and row.value is not None]
    panels: dict[str, list[Row]] = {}
    for row in rows:
        panels.setdefault(row.subject, []).append(row)
    down = -(-len(panels) // _ACROSS)
    figure = drawing.sheet(down * _PANEL + _LEGEND)
    grid = figure.add_gridspec(down, _ACROSS)
    first: Axes | None = None
    batches = sorted({row.batch or 1 for row in rows})
    shades = dict(zip(batches, colormaps["viridis_r"](_evenly(len(batches))), strict=True))
    for number, (subject, members) in enumerate(panels.items()):
        axes = figure.add_subplot(grid[divmod(number, _ACROSS)], sharex=first, sharey=first)
        first = first or axes
        for batch, shade in shades.items():
            line = sorted(_point(row) for row in members if row.batch == batch)
            x, y = [macs for macs, _ in line], [us for _, us in line]
            axes.plot(
                x, y, color=shade, marker="o", markersize=3.5, linewidth=1.4, label=f"{batch:,}"
            )
        _bounds(axes, [_point(row) for row in members])
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: drawing.short(value))
        axes.grid(which="major", color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_title(subject, fontsize=SMALL, fontweight="bold", loc="left", color=INK)
        axes.set_xlabel("multiply-accumulates a call", fontsize=SMALL, color=MUTED)
        if number % _ACROSS == 0:
            axes.set_ylabel("us a call", fontsize=SMALL, color=MUTED)
        drawing.plain(axes)
    axes.set_ylim(bottom=min(us for _, us in map(_point, rows)) / 6)  # room for the figures
    widths = ", ".join(f"{width:.0f}" for width in sorted({row.parts["width"] for row in rows}))
    figure.legend(
        *axes.get_legend_handles_labels(),
        title=f"784-W-W-10, along a line W = {widths}. Images a call:",
        title_fontsize=SMALL,
        loc="outside lower left",
        ncols=len(batches),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        alignment="left",
    )
    return figure


def _bounds(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Draw the shortest time of a call, the best time of its arithmetic, and their crossing.

    Args:
        axes: the panel.
        points: (multiply-accumulates, microseconds) of each call.
    """
    floor_us = min(us for _, us in points)
    rate = max(macs / us for macs, us in points)  # a us
    meet = floor_us * rate
    least, most = min(macs for macs, _ in points), max(macs for macs, _ in points)
    dashes = (0, (4, 2.5))
    axes.plot(
        [least, meet, most],
        [floor_us, floor_us, most / rate],
        color=MUTED,
        linewidth=1,
        linestyle=dashes,
        zorder=1,
    )
    axes.plot(meet, floor_us, "o", markersize=9, mfc="none", mec=INK, mew=1.4)
    axes.annotate(
        f"{floor_us:.1f} us a call, whatever it is;\n"
        f"{rate / 1000:.0f} multiply-accumulates a ns at best;\n"
        f"they meet at {drawing.short(float(f'{meet:.1g}'))} (ring)",
        (0.98, 0.03),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        fontsize=SMALL,
        color=INK,
    )


def _point(row: Row) -> tuple[float, float]:
    return row.parts["macs"], row.value or 0.0


def _evenly(count: int) -> list[float]:
    """Return positions on a colour map, without its palest end."""
    return [0.12 + 0.88 * i / max(count - 1, 1) for i in range(count)]
