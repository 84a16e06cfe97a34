"""The panels of an evaluation's picture: a confusion, a reliability diagram, rows of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.evaluation.summary import Figures
from strop_export.pictures import BLACK, BLUE, GREY, ORANGE, RED, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_COUNTS: Final = 14  # classes whose counts fit into the cells of a confusion
_LEAST_ROWS: Final = 8  # fewer stand at the top
_LETTERS: Final = 18  # of a name
_PALE: Final = "#e3e7ea"


def confusion(axes: Axes, title: str, counts: Sequence[Sequence[int]], names: list[str]) -> None:
    """Draw how often each class is decided for each label: right ones blue, wrong ones orange.

    The colour is the logarithm of the count, so that rare confusions are seen beside a full
    diagonal.

    Args:
        axes: where to draw.
        title: of the panel.
        counts: rows of labels, columns of decisions.
        names: of the classes.
    """
    from matplotlib.colors import LogNorm

    cells = np.array(counts)
    size = len(cells)
    diagonal = np.eye(size, dtype=bool)
    most = max(int(cells.max()), 2)
    norm = LogNorm(vmin=most**-0.2, vmax=most**1.1)  # a single sample is seen, a full cell read
    for shown, colours in ((diagonal, "Blues"), (~diagonal, "Oranges")):
        axes.imshow(np.ma.masked_where(~shown | (cells == 0), cells), cmap=colours, norm=norm)
    if size <= _MOST_COUNTS:
        for row, column in np.argwhere(cells > 0):
            count = int(cells[row, column])
            axes.text(
                column,
                row,
                _short(count),
                ha="center",
                va="center",
                color="white" if float(norm(count)) > 0.6 else BLACK,
                fontsize=9 if size <= 10 else 7,
            )
    step = -(-size // 30)
    places = range(0, size, step)
    ticks = [cut(names[place], _LETTERS) for place in places]
    small = 9 if size <= _MOST_COUNTS else 7
    turned = 90 if max(map(len, ticks)) > 3 else 0
    axes.set_xticks(places, ticks, rotation=turned, fontsize=small)
    axes.set_yticks(places, ticks, fontsize=small)
    axes.set_xlabel("decided")
    axes.set_ylabel("label")
    axes.spines[:].set_color(GREY)
    _title(axes, title)


def reliability(axes: Axes, title: str, found: Figures, ece: float, words: tuple[str, str]) -> None:
    """Draw the share that is true by predicted probability, above the histogram of both.

    Args:
        axes: where to draw.
        title: of the panel.
        found: `samples`, `confidence` and `share` of each bin.
        ece: the expected calibration error.
        words: what the probability and the share are of.
    """
    samples = np.array(found["samples"])
    edges = np.linspace(0, 1, len(samples) + 1)
    beside = axes.twinx()
    beside.bar(edges[:-1], samples, width=edges[1], align="edge", color=_PALE, zorder=0)
    beside.set_yscale("log")
    beside.set_ylim(0.7, max(samples.max(), 1) ** 2.2)  # the lower half
    beside.set_yticks([])
    beside.yaxis.minorticks_off()
    beside.spines[:].set_visible(False)
    axes.set_zorder(beside.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)))
    known = [i for i, share in enumerate(found["share"]) if share is not None]
    confidence = [found["confidence"][i] for i in known]
    share = [found["share"][i] for i in known]
    sizes = 18 + 90 * np.sqrt(samples[known] / max(samples.max(), 1))
    axes.vlines(confidence, confidence, share, color=RED, lw=3, alpha=0.5)
    axes.plot(confidence, share, color=BLUE, lw=1.2, alpha=0.5)
    axes.scatter(confidence, share, s=sizes, color=BLUE, zorder=3, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=words[0], ylabel=words[1])
    axes.spines["top"].set_visible(False)
    axes.text(
        0.03, 0.97, f"ECE {ece:.4f}", transform=axes.transAxes, va="top", weight="bold", color=RED
    )
    axes.text(0.03, 0.9, "grey: samples, log scale", transform=axes.transAxes, va="top", color=GREY)
    _title(axes, title)


class Row(NamedTuple):
    """A point in a panel of rows, with the ends of its interval."""

    name: str
    value: float
    limits: tuple[float, float] | None = None
    note: str = ""


def rows(
    axes: Axes,
    title: str,
    points: Sequence[Row],
    label: str,
    of_all: float | None = None,
    count_of: str = "samples",
) -> None:
    """Draw a row for each point, the first at the top.

    A point stands on its interval, or else on a line from 0, so that its axis starts there. One
    whose interval is below the value of all samples is red.

    Args:
        axes: where to draw.
        title: of the panel.
        points: at least one.
        label: what the values are.
        of_all: the value of all samples, a line.
        count_of: what the notes count.
    """
    places = range(len(points))
    if of_all is not None:
        axes.axvline(of_all, color=GREY, lw=1, ls=(0, (4, 3)))
        axes.text(
            of_all, 1.0, " all", color=GREY, transform=axes.get_xaxis_transform(), va="bottom"
        )
    for place, point in zip(places, points, strict=True):
        low, high = point.limits or (0.0, point.value)
        bad = of_all is not None and point.limits is not None and high < of_all
        colour = RED if bad else BLUE
        axes.plot([low, high], [place, place], color=colour, lw=2.2, alpha=0.6)
        axes.plot([point.value], [place], color=colour, marker="o", ms=6)
    names = [cut(point.name, _LETTERS) or "(none)" for point in points]
    axes.set_yticks(places, names, fontsize=9 if len(points) <= 15 else 7.5)
    axes.set_ylim(max(len(points), _LEAST_ROWS) - 0.4, -0.6)
    if any(point.note for point in points):
        beside = axes.secondary_yaxis("right")
        beside.set_yticks(places, [point.note for point in points], fontsize=7.5, color=GREY)
        beside.tick_params(length=0)
        beside.spines["right"].set_visible(False)
        axes.text(1.02, 1.0, count_of, color=GREY, transform=axes.transAxes, fontsize=7.5)
    axes.set_xlabel(label)
    axes.grid(axis="x", color=_PALE)
    axes.grid(axis="y", color=_PALE, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _title(axes, title)


def bars(axes: Axes, title: str, counts: Sequence[int], label: str) -> None:
    """Draw the number of samples in bins of 0 to 1.

    Args:
        axes: where to draw.
        title: of the panel.
        counts: of each bin.
        label: what is in the bins.
    """
    edges: NDArray[Any] = np.linspace(0, 1, len(counts) + 1)
    axes.bar(edges[:-1], counts, width=edges[1] * 0.94, align="edge", color=ORANGE)
    axes.set(xlim=(0, 1), xlabel=label, ylabel="samples")
    axes.spines[["top", "right"]].set_visible(False)
    _title(axes, title)


def nothing(axes: Axes) -> None:
    """Say that there is nothing to draw."""
    axes.text(0.5, 0.5, "no finite answers", ha="center", va="center", color=GREY)
    axes.set_axis_off()


def _title(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", weight="bold", pad=14)


def _short(count: int) -> str:
    """Write a count in at most five letters."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            whole = count / (1000 if unit == "k" else size)
            return f"{whole:.3g}{unit}" if whole < 1000 else f"{whole:.0f}{unit}"
    return str(count)
