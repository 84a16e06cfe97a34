"""The choice of the calibration samples that are held out, to select how a file is quantized."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_ONE_OF = 4
_MOST = 1000  # more make every trial slower, and settle little
_LEAST, _LEAST_CALIBRATING = 16, 8
_SEED = 29


def held_out(count: int) -> NDArray[np.bool_]:
    """Choose the samples to hold out: one of every four, and at most 1,000.

    A fixed random sequence tells which one of four, since samples may be sorted or in turns.

    Args:
        count: the number of calibration samples.

    Returns:
        bool (count,); all False if too few samples would be held out, or left to calibrate.
    """
    block = max(_ONE_OF, math.ceil(count / _MOST))
    blocks = count // block
    offsets = np.random.Generator(np.random.PCG64(_SEED)).integers(0, block, blocks)
    chosen = np.zeros(count, bool)
    chosen[np.arange(blocks) * block + offsets] = True
    if blocks < _LEAST or count - blocks < _LEAST_CALIBRATING:
        chosen[:] = False
    return chosen


def too_few(count: int) -> str:
    """Say that no samples are held out of a number of calibration samples."""
    return (
        f"{count} calibration samples are too few to hold some out: the proof alone judges int8 "
        f"files, and nothing mends them; give {_ONE_OF * _LEAST} or more"
    )
