"""Scaling of pictures by a triangle filter, exact in integers; docs/bundle-format.md, Scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRIPE = 2**18  # levels that are summed at once, which bounds the memory

Levels = NDArray[np.uint8]
Whole = NDArray[np.int64]


def fitting(levels: Levels, width: int, height: int) -> tuple[int, int]:
    """Return the largest (width, height) in the picture's proportions that fits into this one."""
    tall, wide = levels.shape[:2]
    if width * tall <= height * wide:
        return width, max(1, (2 * tall * width + wide) // (2 * wide))
    return max(1, (2 * wide * height + tall) // (2 * tall)), height


def scaled(levels: Levels, width: int, height: int) -> Levels:
    """Scale a picture, uint8 (H, W, channels), to (height, width, channels)."""
    across = _across(levels, width)
    return _across(across.swapaxes(0, 1), height).swapaxes(0, 1)


def _across(levels: Levels, width: int) -> Levels:
    """Scale every row to this width, some rows at a time."""
    rows, whole, channels = levels.shape
    if whole == width:
        return levels
    made = np.empty((rows, width, channels), np.uint8)
    step = max(1, _STRIPE // (whole * channels))
    totals = _weighted(np.ones((1, whole, 1), np.uint8), width)
    for top in range(0, rows, step):
        sums = _weighted(levels[top : top + step], width)
        made[top : top + step] = (2 * sums + totals) // (2 * totals)
    return made


def _weighted(levels: Levels, width: int) -> Whole:
    """Sum weight x level for each new pixel; the weights rise and fall along straight lines.

    The level at j of W has the weight max(0, 2 max(w, W) - |(2j + 1) w - (2i + 1) W|) for the new
    one at i of w. Prefix sums of level and of (2j + 1) x level give the sum of each straight part.
    """
    whole = levels.shape[1]
    reach = 2 * max(width, whole)
    middle = (2 * np.arange(width, dtype=np.int64) + 1) * whole
    # So many levels j have (2j + 1) w at most at the start, the middle and the end of the weights.
    start, peak, end = (
        ((place // width + 1) // 2).clip(0, whole)
        for place in (middle - reach, middle, middle + reach)
    )
    plain, moment = _prefix(levels, 1), _prefix(levels, 2 * np.arange(whole, dtype=np.int64) + 1)
    rising, falling = (reach - middle)[:, None], (reach + middle)[:, None]
    return np.asarray(
        rising * (plain[:, peak] - plain[:, start])
        + width * (moment[:, peak] - moment[:, start])
        + falling * (plain[:, end] - plain[:, peak])
        - width * (moment[:, end] - moment[:, peak])
    )


def _prefix(levels: Levels, factors: Any) -> Whole:
    """Return the sums of factor x level before each place: int64 (rows, W + 1, channels)."""
    rows, whole, channels = levels.shape
    sums = np.zeros((rows, whole + 1, channels), np.int64)
    np.cumsum(levels * np.reshape(factors, (-1, 1)), axis=1, dtype=np.int64, out=sums[:, 1:])
    return sums
