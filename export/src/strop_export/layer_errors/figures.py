"""The figures of an error, over samples that come one by one."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_DB: Final = 150.0  # no float32 file is closer to its twin
_LEAST_SPREAD: Final = 0.01  # of the lower quartile's, or a channel hardly varies
_MOST_ERROR: Final = 1e39  # stands for infinity; values of float32 differ by less
_MASK: Final = -1e8  # attention adds this or less to hide a value; nothing else is so large
_HALF_MASK: Final = -6.5e4  # about the least that float16 holds, which turns _MASK into -infinity


class Figures(NamedTuple):
    """How far values are from those of the float twin.

    All ratios are in dB, from -`MOST_DB` to `MOST_DB`; None: nothing varies.

    Attributes:
        sqnr_db: signal to noise of the whole tensor.
        cosine: cosine of the angle between both; None if one is all zero.
        max_error: the largest difference of any value; at most `_MOST_ERROR`.
        channels_db: the channels' mean share of noise in their variance, at most 1 for each. It is
            near 0 where most channels are ruined, however small they are beside the others.
        median_db: the median of the channels' ratios of variance to noise.
        worst_db: the smallest of them.
    """

    sqnr_db: float | None
    cosine: float | None
    max_error: float
    channels_db: float | None
    median_db: float | None
    worst_db: float | None


class Comparison:
    """Sums over the values of a tensor and of its float twin, which `figures` turns into figures.

    Args:
        axis: the axis of the channels.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._count = 0
        self._max = 0.0
        self._sums: NDArray[np.float64] | None = None  # (5, channels)

    def add(self, real: NDArray[Any], found: NDArray[Any]) -> None:
        """Add the values of one sample.

        Args:
            real: the float twin's, of any shape; what is not finite there is left out, and so is
                what hides a value in both.
            found: the file's, of the same shape.
        """
        f, v = (
            np.moveaxis(np.atleast_1d(array).astype(np.float64), self._axis, -1)
            for array in (real, found)
        )
        f, v = f.reshape(-1, f.shape[-1]), v.reshape(-1, v.shape[-1])
        counts = np.isfinite(f) & ((f > _MASK) | (v > _HALF_MASK) | np.isnan(v))
        f, v = np.where(counts, f, 0.0), np.where(counts, v, 0.0)
        error = v - f
        with np.errstate(over="ignore", invalid="ignore"):
            sums = np.stack([part.sum(axis=0) for part in (f, f * f, error * error, v * v, f * v)])
        self._sums = sums if self._sums is None else self._sums + sums
        self._count += len(f)
        self._max = max(self._max, float(np.nan_to_num(np.abs(error), nan=np.inf).max(initial=0.0)))

    def figures(self) -> Figures | None:
        """Return the figures of all values so far; None if there are none."""
        if self._sums is None:
            return None
        total, squares, noise, found, both = self._sums
        variance = np.maximum(squares / self._count - (total / self._count) ** 2, 0.0)
        varied = variance > 1e-12 * squares / self._count  # else it is float32's own rounding
        if varied.any():
            least = _LEAST_SPREAD**2 * np.quantile(variance[varied], 0.25, method="lower")
            varied &= variance >= least
        shares = noise[varied] / self._count / variance[varied]
        ratios = [_decibels(1.0, share) for share in shares]
        lost = float(np.fmin(shares, 1.0).mean()) if ratios else 0.0
        norm = float(np.sqrt(squares.sum() * found.sum()))
        return Figures(
            _decibels(squares.sum(), noise.sum()) if squares.any() else None,
            _rounded(both.sum() / norm) if norm and np.isfinite(norm) else None,
            _rounded(min(self._max, _MOST_ERROR)),
            _decibels(1.0, lost) if ratios else None,
            _rounded(float(np.median(ratios))) if ratios else None,
            _rounded(min(ratios)) if ratios else None,
        )


def _decibels(signal: float, noise: float) -> float:
    """Return a ratio in dB, within `MOST_DB`; an infinite noise is the worst."""
    if not np.isfinite(noise):
        return -MOST_DB
    if not noise:
        return MOST_DB
    return _rounded(float(np.clip(10 * np.log10(signal / noise), -MOST_DB, MOST_DB)))


def _rounded(value: float) -> float:
    """Return a figure with six digits, which is more than anyone compares."""
    return float(f"{value:.6g}")
