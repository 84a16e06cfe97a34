"""Accuracy against latency of every subject; the size of a dot is that of the file it opens."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, MUTED, SMALL
from benchmarks.plots import labels
from benchmarks.results import Results
from benchmarks.subjects import OTHERS, Subject, groups, subjects

NAME, AXIS = "front.png", "accuracy"
AXES = ("latency", AXIS)
ALT = "Accuracy against latency; a dot's size is that of the file it opens; the best are joined"

_HEIGHT = 6.5  # inches
_AREA = 0.35  # square points a kB
_DASHES = (0, (4, 2.5))


class Choice(NamedTuple):
    """A subject, with its latency, accuracy and file size."""

    subject: Subject
    us: float
    accuracy: float  # per cent
    kilobytes: float  # of the file that it opens; 0 if it was not measured


def draw(results: Results) -> Figure:
    """Draw every subject with an accuracy; Strop's are filled.

    Strop, other packages and the best are named. The other raw loops run the same file as Strop,
    and have the engine's colour.
    """
    choices = list(_choices(results))
    best = front(choices)
    engines = list(groups(choice.subject for choice in choices))
    colours = dict(zip(engines, itertools.cycle(COLOURS), strict=False)) | {OTHERS: MUTED}
    figure = drawing.sheet(_HEIGHT)
    axes = figure.add_subplot()
    for choice in sorted(choices, key=lambda choice: -choice.kilobytes):
        _dot(axes, choice, colours[choice.subject.group])
    axes.step(
        [*(choice.us for choice in best), max(choice.us for choice in choices)],
        [*(choice.accuracy for choice in best), best[-1].accuracy],
        where="post",
        color=INK,
        linewidth=1,
        linestyle=_DASHES,
        zorder=1,
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.margins(0.1, 0.3)
    axes.set_xlabel("us for one image, median", fontsize=SMALL, color=MUTED)
    axes.set_ylabel("accuracy over the test set, %", fontsize=SMALL, color=MUTED)
    axes.grid(which="major", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    drawing.plain(axes)
    _legend(figure, colours, engines, choices)
    labels.write(axes, [_label(choice, best, colours) for choice in choices])
    return figure


def front(choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices that no faster one matches in accuracy, fastest first."""
    best: list[Choice] = []
    for choice in sorted(choices, key=lambda choice: (choice.us, -choice.accuracy)):
        if not best or choice.accuracy > best[-1].accuracy:
            best.append(choice)
    return best


def _choices(results: Results) -> Iterator[Choice]:
    everyone = subjects(results)
    for one in everyone:
        us, share = one.value("latency"), one.value(AXIS)
        if us is not None and share is not None:
            yield Choice(one, us, 100 * share, _kilobytes(one, everyone))


def _kilobytes(one: Subject, everyone: Sequence[Subject]) -> float:
    """Return the kB of the file that a subject opens; 0 if it was not measured.

    A file has one row in the results, although several cases open it. Strop's bundle has all
    precisions.
    """
    for other in sorted(everyone, key=lambda other: other is not one):
        same_file = one.is_strop or other.precision == one.precision
        size = other.value("model_size")
        if size is not None and other.package == one.package and same_file:
            return size
    return 0.0


def _dot(axes: Axes, choice: Choice, colour: str) -> None:
    ours = choice.subject.is_strop
    axes.plot(
        choice.us,
        choice.accuracy,
        "o",
        markersize=2 * _radius(choice.kilobytes),
        markerfacecolor=(colour, 0.4) if ours else "none",
        markeredgecolor=colour,
        markeredgewidth=1.6 if ours else 0.9,
    )


def _label(choice: Choice, best: Sequence[Choice], colours: Mapping[str, str]) -> labels.Dot:
    one = choice.subject
    named = one.is_strop or one.group == OTHERS or choice in best
    return labels.Dot(
        x=choice.us,
        y=choice.accuracy,
        radius=_radius(choice.kilobytes),
        name=one.name if named else "",
        colour=INK if one.group == OTHERS else colours[one.group],
        bold=one.is_strop,
    )


def _legend(
    figure: Figure, colours: Mapping[str, str], engines: Sequence[str], choices: Sequence[Choice]
) -> None:
    handles = [_mark(colours[name], name) for name in engines]
    handles += [
        _mark((INK, 0.4), "filled: Strop; hollow: others", filled=True),
        Line2D([], [], color=INK, linestyle=_DASHES, label="nothing quicker is as accurate"),
    ]
    sizes = {choice.kilobytes for choice in choices if choice.kilobytes}
    handles += [
        _mark(MUTED, f"opens {size:,.0f} kB", size=2 * _radius(size))
        for size in sorted({min(sizes), max(sizes)} if sizes else ())
    ]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=4,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )


def _mark(
    colour: str | tuple[str, float], label: str, *, size: float = 8, filled: bool = False
) -> Line2D:
    mark = Line2D([], [], linestyle="", marker="o", markersize=size, label=label)
    mark.set(markeredgecolor=colour, markerfacecolor=colour if filled else "none")
    return mark


def _radius(kilobytes: float) -> float:
    """Return the radius in points of a dot with that area; 1.5 if the size is unknown or small."""
    return max(math.sqrt(_AREA * kilobytes / math.pi), 1.5)
