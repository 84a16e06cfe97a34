"""Latency of one image: one line per subject, with Strop beside raw loops of the same engine."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import drawing
from benchmarks.drawing import COLOURS, GRID, INK, MUTED, SMALL
from benchmarks.results import Results
from benchmarks.subjects import OTHERS, Subject, absent, groups, subjects

NAME, AXIS = "latency.png", "latency"
AXES = (AXIS,)
ALT = "One image, one thread: the median and the spread of every subject, by engine"

_STROP, _RAW = COLOURS[0], "#52606d"
_NAMES, _FIGURES = (0, -4), ((1, 44), (1, 92))  # the end of texts: an edge, and points from it
_LINE = 0.19  # inches per subject
_LETTERS = 118  # that fit across a picture


def draw(results: Results) -> Figure:
    """Draw the latency of every subject, the fastest engine first, and list those without one."""
    timed = [one for one in subjects(results) if one.value(AXIS) is not None]
    ordered = sorted(groups(timed).items(), key=lambda item: (item[0] == OTHERS, _best(item[1])))
    notes = [
        line
        for who, why in absent(results)
        for line in textwrap.wrap(f"Not here: {who}: {why}", _LETTERS, subsequent_indent="    ")
    ]
    lines = len(timed) + len(ordered) * 1.5
    figure = drawing.sheet((lines + 4 + len(notes)) * _LINE)
    axes = figure.add_subplot()
    place = 0.0
    for group, members in ordered:
        _write(axes, place, _NAMES, group, MUTED, "bold")
        for one in sorted(members, key=_us):
            place += 1
            _line(axes, place, one)
        place += 1.5
    axes.set_ylim(place - 0.5, -1.6)
    axes.set_xscale("log")
    low = min(_spread(one)[0] for one in timed)
    high = max(_spread(one)[3] for one in timed)
    axes.set_xlim(10 ** math.floor(math.log10(low)), high * 1.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_yticks([])
    axes.grid(which="major", axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    drawing.plain(axes)
    axes.set_xlabel(
        "us for one image, from uint8 pixels to float32 probabilities, one thread\n"
        "dot: median; line: 5th to 95th percentile; tick: 99th",
        fontsize=SMALL,
        color=MUTED,
    )
    for at, title in zip(_FIGURES, ("p50, us", "p99, us"), strict=True):
        _write(axes, -1, at, title, MUTED, "normal")
    if notes:
        figure.supxlabel("\n".join(notes), x=0.01, ha="left", fontsize=SMALL, color=INK)
    return figure


def _line(axes: Axes, place: float, one: Subject) -> None:
    """Draw a subject's name, its dot and whiskers, and its figures at the right."""
    low, p50, high, p99 = _spread(one)
    colour, weight = (_STROP, "bold") if one.is_strop else (_RAW, "normal")
    axes.axhline(place, color=GRID, linewidth=0.6, zorder=0)
    axes.hlines(place, low, high, color=colour, linewidth=2.6, alpha=0.5)
    axes.plot(p99, place, "|", color=colour, markersize=6, markeredgewidth=1.3)
    axes.plot(p50, place, "o", color=colour, markersize=4.6 if one.is_strop else 3.8)
    ink = colour if one.is_strop else INK
    _write(axes, place, _NAMES, one.name, ink, weight)
    for at, us in zip(_FIGURES, (p50, p99), strict=True):
        _write(axes, place, at, _digits(us), ink, weight)


def _write(
    axes: Axes, place: float, where: tuple[int, float], text: str, colour: str, weight: str
) -> None:
    """Write text on the line of a subject.

    Args:
        axes: the axes.
        place: the line.
        where: an edge, 0 left or 1 right, and the text's end in points to the right of it.
        text: the text.
        colour: its colour.
        weight: "bold" or "normal".
    """
    edge, points = where
    axes.annotate(
        text,
        (edge, place),
        xycoords=axes.get_yaxis_transform(),
        xytext=(points, 0),
        textcoords="offset points",
        fontsize=SMALL,
        fontweight=weight,
        color=colour,
        ha="right",
        va="center",
    )


def _digits(us: float) -> str:
    return f"{us:.2f}" if us < 9.995 else f"{us:.1f}" if us < 99.95 else f"{us:,.0f}"


def _best(some: Sequence[Subject]) -> float:
    return min(_us(one) for one in some)


def _us(one: Subject) -> float:
    return _spread(one)[1]


def _spread(one: Subject) -> tuple[float, float, float, float]:
    """Return the 5th, 50th, 95th and 99th percentile, in microseconds.

    Without single calls, the median stands for the 5th and for any missing percentile.
    """
    row = one.row(AXIS)
    if row is None:  # which is not drawn
        return 0.0, 0.0, 0.0, 0.0
    if row.samples_us:
        p5, p50, p95, p99 = np.percentile(row.samples_us, (5, 50, 95, 99))
        return float(p5), float(p50), float(p95), float(p99)
    p50 = row.value or 0.0
    return p50, p50, row.p95_us or p50, row.p99_us or p50
