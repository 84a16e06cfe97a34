"""The steps from a picture to an input; docs/bundle-format.md has the arithmetic.

Each step takes uint8 (height, width, channels) and its options from the manifest, whose rules
`strop.bundle.pictures` has checked, and returns such an array; only `normalise`, the last one,
returns float32. All others compute in integers, so that every reader gets the same levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.model.drawing import find, ink
from strop.model.scaling import fitting, scaled

Levels = NDArray[np.uint8]

_STRIPE = 2**18  # pixels that are computed at once, which bounds the memory
_CONTRAST = "contrast"


def flatten(levels: Levels, level: int | str) -> Levels:
    """Lay transparent pixels over paper of this level, or of one that contrasts with the ink."""
    if levels.shape[2] != 4:
        return levels
    if level == _CONTRAST:
        level = 0 if _is_light(levels) else 255
    made = np.empty((*levels.shape[:2], 3), np.uint8)
    for rows in _stripes(levels):
        colour, alpha = levels[rows, :, :3].astype(np.int32), levels[rows, :, 3:].astype(np.int32)
        made[rows] = (alpha * colour + (255 - alpha) * int(level) + 127) // 255
    return made


def to_mode(levels: Levels, mode: str) -> Levels:
    """Bring 1, 3 or 4 channels to those of a mode, "L" or "RGB"; transparency is ignored."""
    if mode == "RGB":
        return np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels[..., :3]
    if levels.shape[2] == 1:
        return levels
    made = np.empty((*levels.shape[:2], 1), np.uint8)
    for rows in _stripes(levels):
        made[rows, :, 0] = _grey(levels[rows])
    return made


def invert(levels: Levels, when: str) -> Levels:
    """Invert a picture whose border is light; `when` has one value, "light-border"."""
    return 255 - levels if _border(levels).mean() > 127 else levels


def shrink(levels: Levels, side: int) -> Levels:
    """Scale a picture with a longer side than this down to it, in proportion."""
    if max(levels.shape[:2]) <= side:
        return levels
    return scaled(levels, *fitting(levels, side, side))


def stretch(levels: Levels, low: float, high: float) -> Levels:
    """Stretch the levels so that these percentiles become 0 and 255."""
    counts = (np.bincount(levels[rows].reshape(-1), minlength=256) for rows in _stripes(levels))
    upto = sum(counts, np.zeros(256, np.int64)).cumsum()
    last = int(upto[-1]) - 1  # the place of the largest level, were all of them sorted
    bottom = int(np.searchsorted(upto, math.floor(last * low / 100), "right"))
    top = int(np.searchsorted(upto, math.ceil(last * high / 100), "right"))
    if bottom == top:
        return levels
    span = top - bottom
    table = ((np.arange(256) - bottom) * 510 + span) // (2 * span)
    table = table.clip(0, 255).astype(np.uint8)
    made = np.empty(levels.shape, np.uint8)
    for rows in _stripes(levels):
        made[rows] = table[levels[rows]]
    return made


def fit(levels: Levels, width: int, height: int, fill: int | str) -> Levels:
    """Scale as large as fits, in proportion, and put it in the middle of its border or a level."""
    if levels.shape[:2] == (height, width):
        return levels
    colour = _paper(levels) if fill == "border" else fill
    return _in_the_middle(scaled(levels, *fitting(levels, width, height)), width, height, colour)


def centre(levels: Levels, width: int, height: int, fill: int) -> Levels:
    """Put the centre of mass in the middle of a canvas of this level, which has no mass."""
    across = np.zeros(levels.shape[1], np.int64)
    down = np.zeros(len(levels), np.int64)
    for rows in _stripes(levels):
        mass = abs(levels[rows].astype(np.int16) - fill)
        across += mass.sum(axis=(0, 2), dtype=np.int64)
        down[rows] = mass.sum(axis=(1, 2), dtype=np.int64)
    if not across.any():
        return _in_the_middle(levels, width, height, fill)
    x, y = width // 2 - _centre_of(across), height // 2 - _centre_of(down)
    return _pasted(levels, width, height, x, y, fill)


def resize(levels: Levels, width: int, height: int) -> Levels:
    """Scale to this size, whatever the proportions."""
    return scaled(levels, width, height)


def crop(levels: Levels, width: int, height: int) -> Levels:
    """Cut out the middle; pad a smaller picture with the level of its border."""
    return _in_the_middle(levels, width, height, _paper(levels))


def normalise(levels: Levels, scale: float, offset: float) -> NDArray[np.float32]:
    """Turn levels into float32: scale x level + offset."""
    return levels.astype(np.float32) * np.float32(scale) + np.float32(offset)


STEPS: dict[str, Callable[..., Any]] = {
    step.__name__: step
    for step in (
        *(flatten, invert, shrink, stretch, ink, find),
        *(fit, centre, resize, crop, normalise),
    )
}


def _stripes(levels: Levels) -> list[slice]:
    rows = max(1, _STRIPE // levels.shape[1])
    return [slice(top, top + rows) for top in range(0, len(levels), rows)]


def _grey(levels: Levels) -> NDArray[np.int32]:
    """Return the levels of grey of colours, (height, width)."""
    red, green, blue = (levels[..., channel].astype(np.int32) for channel in range(3))
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def _is_light(levels: Levels) -> bool:
    """Tell whether the opaque pixels are light: by their mean, weighted by alpha."""
    light = weight = 0
    for rows in _stripes(levels):
        alpha = levels[rows, :, 3].astype(np.int64)
        light += int((_grey(levels[rows]) * alpha).sum())
        weight += int(alpha.sum())
    return light > 127 * weight


def _border(levels: Levels) -> NDArray[np.float64]:
    """Return the median of the outermost pixels per channel, float64 (channels,), 0..255."""
    edges = (levels[0], levels[-1], levels[:, 0], levels[:, -1])
    return np.asarray(np.median(np.concatenate(edges), axis=0))


def _paper(levels: Levels) -> Levels:
    return _border(levels).astype(np.uint8)


def _centre_of(mass: NDArray[np.int64]) -> int:
    """Return the place nearest to the centre of mass of a line, the larger of two."""
    whole, moment = int(mass.sum()), int(mass @ np.arange(len(mass)))
    return (2 * moment + whole) // (2 * whole)


def _in_the_middle(levels: Levels, width: int, height: int, fill: Any) -> Levels:
    x, y = (width - levels.shape[1]) // 2, (height - levels.shape[0]) // 2
    return _pasted(levels, width, height, x, y, fill)


def _pasted(levels: Levels, width: int, height: int, x: int, y: int, fill: Any) -> Levels:
    """Put a picture on a canvas of this colour; the part outside the canvas is cut off."""
    canvas = np.empty((height, width, levels.shape[2]), np.uint8)
    canvas[...] = fill
    inside = levels[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    top, left = max(0, y), max(0, x)
    canvas[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return canvas
