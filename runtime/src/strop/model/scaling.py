"""Scaling of pictures by a triangle filter, exact in integers; docs/bundle-format.md, Scaling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop.engines import blas

# These bound the memory.
_STRIPE = 2**18  # levels that are summed at once, as float64
_BETWEEN = 2**24  # levels of full height between the two passes
_LINES = 16  # of the result that are summed at once; more would sum more weights of 0

Levels = NDArray[np.uint8]


def fitting(levels: Levels, width: int, height: int) -> tuple[int, int]:
    """Return the largest (width, height) in the picture's proportions that fits into this one."""
    tall, wide = levels.shape[:2]
    if width * tall <= height * wide:
        return width, max(1, (2 * tall * width + wide) // (2 * wide))
    return max(1, (2 * wide * height + tall) // (2 * tall)), height


def scaled(levels: Levels, width: int, height: int) -> Levels:
    """Scale a picture, uint8 (H, W, channels), to (height, width, channels)."""
    made = np.empty((height, width, levels.shape[2]), np.uint8)
    step = max(1, _BETWEEN // (len(levels) * levels.shape[2]))
    for left in range(0, width, step):
        columns = slice(left, min(left + step, width))
        across = _down(levels.swapaxes(0, 1), width, columns).swapaxes(0, 1)
        made[:, columns] = _down(across, height, slice(0, height))
    return made


def _down(levels: Levels, height: int, wanted: slice) -> Levels:
    """Scale every column to this height, and return the wanted lines of the result."""
    whole, width, channels = levels.shape
    if whole == height:
        return levels[wanted]
    made = np.empty((wanted.stop - wanted.start, width, channels), np.uint8)
    for top in range(wanted.start, wanted.stop, _LINES):
        lines = np.arange(top, min(top + _LINES, wanted.stop))
        first, weights = _weights(whole, height, lines)
        totals = weights.sum(axis=1)[:, None, None]
        source = levels[first : first + weights.shape[1]]
        step = max(1, _STRIPE // (max(weights.shape) * channels))
        for left in range(0, width, step):
            some = source[:, left : left + step]
            # Whole numbers below 2**53: exact in any order, and the quotient has the right floor.
            if blas.forks:
                blas.wait()
            with blas.own.lock:
                sums = weights @ some.reshape(len(some), -1).astype(np.float64)
            sums = sums.reshape(len(lines), -1, channels)
            place = slice(top - wanted.start, top - wanted.start + len(lines))
            made[place, left : left + step] = (2 * sums + totals) / (2 * totals)
    return made


def _weights(whole: int, size: int, lines: NDArray[np.int64]) -> tuple[int, NDArray[np.float64]]:
    """Return the first level that counts for these lines, and the weights from there on.

    The level at j of W has the weight max(0, 2 max(w, W) - |(2j + 1) w - (2i + 1) W|) for the new
    one at i of w.
    """
    reach = 2 * max(size, whole)
    middle = (2 * lines + 1) * whole
    first = max(0, int(middle[0] - reach) // (2 * size))
    last = min(whole, int(middle[-1] + reach) // (2 * size) + 1)
    distance = abs((2 * np.arange(first, last) + 1) * size - middle[:, None])
    return first, (reach - distance).clip(0).astype(np.float64)
