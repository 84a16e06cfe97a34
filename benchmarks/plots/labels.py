"""Names for crowded dots: each at the nearest free place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from benchmarks.drawing import MUTED, SMALL

Pair = NDArray[np.float64]  # (2,), pixels right and up

_AWAY, _TURNS = range(6, 500, 8), 24  # pixels from a dot, and directions, to try for a name
_NEAR = 16  # pixels; a name farther from its dot gets a line to it
_AIR = np.array([4, 2])  # pixels around a name
_LINE = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
_HALO = withStroke(linewidth=3, foreground="white")  # lines end where letters are


class Dot(NamedTuple):
    """A dot and its name, if it has one."""

    x: float
    y: float
    radius: float  # points
    name: str
    colour: str
    bold: bool


def write(axes: Axes, dots: Sequence[Dot]) -> None:
    """Name dots that are already drawn. Call it last: names go into free space."""
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()  # all positions are known only now
    room = axes.get_window_extent()
    at = [axes.transData.transform((dot.x, dot.y)) for dot in dots]
    radii = [dot.radius * figure.dpi / 72 for dot in dots]
    taken = [
        Bbox.from_extents(*(middle - radius), *(middle + radius))
        for middle, radius in zip(at, radii, strict=True)
    ]
    for dot, middle, radius in zip(dots, at, radii, strict=True):
        if not dot.name:
            continue
        weight = "bold" if dot.bold else "normal"
        trial = axes.text(dot.x, dot.y, dot.name, fontsize=SMALL, fontweight=weight)
        half = np.array(trial.get_window_extent().size) / 2 + _AIR
        trial.remove()
        away, offset = _place(middle, radius, half, room, taken)
        taken.append(Bbox.from_extents(*(middle + offset - half), *(middle + offset + half)))
        axes.annotate(
            dot.name,
            (dot.x, dot.y),
            xytext=tuple(offset),
            textcoords="offset pixels",
            ha="center",
            va="center",
            fontsize=SMALL,
            fontweight=weight,
            color=dot.colour,
            arrowprops=_LINE if away > _NEAR else None,
            path_effects=[_HALO],
            zorder=4,
        ).set_in_layout(False)


def _place(
    middle: Pair, radius: float, half: Pair, room: Bbox, taken: Sequence[Bbox]
) -> tuple[int, Pair]:
    """Find the nearest free place for a name.

    If none is free, the name goes beside the dot: it may be hard to read, but is never lost.

    Args:
        middle: the dot's middle, in pixels, (2,).
        radius: the dot's radius, in pixels.
        half: half the size of the name, in pixels, (2,).
        room: the area for names.
        taken: the areas of dots and names.

    Returns:
        The distance from the dot in pixels, and the name's middle from the dot's, (2,).
    """
    for away in _AWAY:
        for turn in range(_TURNS):
            angle = 2 * math.pi * turn / _TURNS
            offset = np.array([math.cos(angle), math.sin(angle)]) * (radius + away + half)
            box = Bbox.from_extents(*(middle + offset - half), *(middle + offset + half))
            within = room.x0 < box.x0 < box.x1 < room.x1 and room.y0 < box.y0 < box.y1 < room.y1
            if within and not any(map(box.overlaps, taken)):
                return away, offset
    return 0, np.array([radius, 0.0]) + half * (1, 0)
