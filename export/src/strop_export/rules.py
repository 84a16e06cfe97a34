"""The decision rules of a proof: when a share exceeds its bound, and when that is undecided.

A share of n samples is an estimate. It fails its bound only if chance does not explain it: if the
lower limit of its 95 % interval is above the bound.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_CONFIDENCE = 0.95
_FEW_KERNELS = 4  # that the bounds of rounding are for
_MOST_SAMPLES = 10**9  # more are of no practical use


class Interval(NamedTuple):
    """A measured share, 0..1 (a loss may be negative), and the limits of its 95 % interval."""

    share: float
    low: float
    high: float


def rounding_factor(kernels: int) -> float:
    """Return by how much more a deep model may be off by rounding in float32 than a shallow one.

    Two computations that sum in another order differ by rounding errors, which add up from layer to
    layer as a random walk does: with the square root of the depth (Higham and Mary, "A New Approach
    to Probabilistic Rounding Error Analysis", 2019).

    Args:
        kernels: weight arrays of two axes or more, in the whole model.

    Returns:
        1 or more; 1 for up to four kernels.
    """
    return math.sqrt(max(1.0, kernels / _FEW_KERNELS))


def proportion(count: int, total: int) -> Interval:
    """Return a share and its exact interval (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        count: the number of samples in the share, 0 to `total`.
        total: the number of samples, 1 or more.
    """
    from scipy.special import betaincinv

    tail, rest = (1 - _CONFIDENCE) / 2, total - count
    low = float(betaincinv(count, rest + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, rest, 1 - tail)) if rest else 1.0
    return Interval(count / total, low, high)


def paired_loss(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Interval:
    """Return how much accuracy fell from one run to another over the same samples, 0..1.

    The interval is Wald's for matched pairs, with half a sample added to each of the four cells
    (Agresti and Min, Statistics in Medicine 24, 2005).

    Args:
        before: whether each answer was right in the first run.
        after: the same for the second run.
    """
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    total = before.size
    n, b, c = total + 2.0, lost + 0.5, gained + 0.5
    middle = (b - c) / n
    error = math.sqrt(max(b + c - (b - c) ** 2 / n, 0.0)) / n
    reach = 1.959964 * error
    return Interval((lost - gained) / total, middle - reach, middle + reach)


def is_past(found: Interval, bound: float) -> bool:
    """Tell whether a share exceeds its bound, and not by chance."""
    return found.low > bound and found.share > bound


def is_open(found: Interval, bound: float) -> bool:
    """Tell whether more samples could still show that a share exceeds its bound."""
    return not is_past(found, bound) and found.high > bound


def settling_samples(count: int, total: int, bound: float) -> int | None:
    """Return how many samples would decide whether a share meets its bound, if it does not change.

    Args:
        count: the number of samples in the share so far.
        total: the number of samples so far.
        bound: the share that is allowed, 0..1.

    Returns:
        An approximate number; `total` if it is decided already; None if no number of samples
        decides it, because the share equals the bound.
    """
    share = count / total

    def tells(samples: int) -> bool:
        found = proportion(round(share * samples), samples)
        return found.high <= bound or found.low > bound

    samples = total
    while not tells(samples):
        samples *= 2
        if samples > _MOST_SAMPLES:
            return None
    low = samples // 2
    while samples - low > max(1, samples // 50):  # two digits are enough
        middle = (low + samples) // 2
        low, samples = (low, middle) if tells(middle) else (middle, samples)
    return max(samples, total)


def allowed_count(share: float, total: int) -> int:
    """Return a share as a count; a share above zero allows at least one sample."""
    return math.ceil(share * total - 1e-9)


def allowed_of_few(share: float, total: int) -> int:
    """Return a share as a count of few samples: at least two, which may be unlucky ones."""
    return max(2, math.floor(share * total + 1e-9))
