"""How far two binned distributions are apart, and how likely it is that chance alone did that.

A distribution is how often a figure fell into each bin: of the calibration samples (`expected`),
and of the samples that were counted since (`seen`). Bins have the same edges in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strop.errors import StropError
from strop.versions import install_line

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

_HALF = 0.5  # added to each bin: one that is empty in a sample would make the index infinite
_LEAST = 5.0  # samples that chi-square expects in each class (Cochran, 1954)
_ROUNDING = 1e-9


def stability_index(expected: Sequence[int], seen: Sequence[int]) -> float:
    """Return the Population Stability Index (PSI): sum of (q - p) x ln(q / p) over the bins.

    It is the symmetric divergence of Jeffreys (1946). Half a sample is added to each bin. Credit
    scoring reads less than 0.1 as stable and more than 0.25 as changed (Siddiqi, "Credit Risk
    Scorecards", 2006).

    Args:
        expected: samples in each bin.
        seen: samples in each bin.

    Returns:
        0 or more.
    """
    p, q = (_shares(sample, _HALF) for sample in (expected, seen))
    return float(((q - p) * np.log(q / p)).sum())


def index_by_chance(expected: Sequence[int], seen: Sequence[int]) -> float:
    """Return the index that two samples of one distribution have on average.

    It is (bins - 1) x (1 / n + 1 / m): the index divided by 1 / n + 1 / m has about a chi-square
    distribution with bins - 1 degrees of freedom (Yurdakul, "Statistical Properties of Population
    Stability Index", 2018). Bins that are empty in both samples do not count.
    """
    bins = sum(a + b > 0 for a, b in zip(expected, seen, strict=True))
    return float((bins - 1) * (1 / sum(expected) + 1 / sum(seen)))


def ordered(expected: Sequence[int], seen: Sequence[int]) -> tuple[float, float]:
    """Compare two distributions of a number: the test of Kolmogorov and Smirnov.

    The distance is the largest between the cumulative distributions at the edges. Between the
    edges it may be larger, so that the p-value is too large rather than too small.

    Returns:
        The distance, 0 to 1; and the p-value, of the asymptotic distribution.

    Raises:
        StropError: scipy is not installed.
    """
    p, q = (np.cumsum(_shares(sample)) for sample in (expected, seen))
    distance = float(abs(p - q).max())
    n, m = sum(expected), sum(seen)
    scaled = distance * float(np.sqrt(n / (n + m) * m))
    return distance, float(_scipy_stats().kstwobign.sf(scaled))


def unordered(expected: Sequence[int], seen: Sequence[int]) -> tuple[float, float]:
    """Compare how often two samples have each class: the chi-square test of homogeneity.

    Args:
        expected: samples of each class.
        seen: samples of each class.

    Returns:
        The distance, half the sum of the differences between the shares, 0 to 1; and the p-value.
        They are 0 and 1 if both samples have only one class, the same.

    Raises:
        StropError: scipy is not installed.
    """
    table = np.array([expected, seen], np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    p, q = (_shares(row) for row in table)
    p_value = _scipy_stats().chi2_contingency(table, correction=False)[1]
    return float(abs(p - q).sum() / 2), float(p_value)


def joined(expected: Sequence[int], seen: Sequence[int]) -> tuple[list[int], list[int]]:
    """Join neighbouring classes that are rare, so that chi-square can judge each group.

    A group is whole when the calibration samples let expect 5 of it in the smaller sample. What was
    seen has no part in that: otherwise the groups would separate classes that chance made rare.

    Returns:
        The samples of each group, in both samples.
    """
    smaller = min(sum(expected), sum(seen))
    groups: list[tuple[int, int]] = []
    before = now = 0
    share = 0.0
    for a, b, part in zip(expected, seen, _shares(expected), strict=True):
        before, now, share = before + a, now + b, share + float(part)
        if share * smaller >= _LEAST - _ROUNDING:
            groups.append((before, now))
            before = now = 0
            share = 0.0
    if (before or now) and groups:  # the rest goes with the last group
        last = groups.pop()
        before, now = before + last[0], now + last[1]
    if before or now:
        groups.append((before, now))
    return [a for a, _ in groups], [b for _, b in groups]


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number: among all that fall below 5 %, one is wrong in 5 %.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979. It holds however
    the figures depend on each other.

    Returns:
        The adjusted p-values, in the same order.
    """
    count, largest = len(p_values), 0.0
    found = [0.0] * count
    for rank, place in enumerate(sorted(range(count), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (count - rank) * p_values[place]))
        found[place] = largest
    return found


def tendency(expected: Sequence[int], seen: Sequence[int]) -> float:
    """Return how much more often a seen sample is in a higher bin than an expected one.

    It is P(seen above expected) - P(seen below expected), from -1 to 1 (Cliff's delta, 1993).
    """
    p, q = _shares(expected), _shares(seen)
    below = np.cumsum(p) - p
    return float((q * (2 * below + p - 1)).sum())


def _shares(sample: Any, more: float = 0.0) -> NDArray[np.float64]:
    counts = np.asarray(sample, np.float64) + more
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise StropError(f"drift is judged by scipy: {error}", install_line("drift")) from None
    return stats
