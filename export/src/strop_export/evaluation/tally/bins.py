"""Fixed bins of probabilities, and the figures that come from their counts.

All counts are integers, so the figures are the same for any order and grouping of the samples.

A probability is counted twice. Its reliability bin is one of 15 of equal width, as in Guo et al.,
"On Calibration of Modern Neural Networks" (ICML 2017); each also has the sum of its probabilities,
in fixed point: whole multiples of 2**-24, float32's own resolution from 1/2 to 1. Its rank bin is
one of 1,000 that are narrow near 0 and 1, where a sure model's probabilities are: of equal width in
sqrt(p / 2) up to 1/2, and mirrored above. Bins of equal width in p would put nearly all of them
into the first and the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RELIABILITY: Final = 15
RANKS: Final = 1000
ONE: Final = 2**24  # the number that stands for a probability of 1

NO_ANSWER: Final = RELIABILITY  # the bin of answers that are not finite; figures leave it out
NO_RANK: Final = RANKS


def reliability_bins(
    probabilities: NDArray[Any],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the reliability bin of each probability, and the probability in fixed point.

    Bin i holds those above i/15 and up to (i+1)/15; 0 is in the first.

    Args:
        probabilities: (rows,); what rounding left below 0 or above 1 counts as 0 or 1.

    Returns:
        Bins of 0..14; whole numbers of 0..`ONE`, as float64.
    """
    sound = np.clip(probabilities, 0, 1).astype(np.float64)
    bins = np.maximum(np.ceil(sound * RELIABILITY).astype(np.intp) - 1, 0)
    return bins, np.rint(sound * ONE)


def rank_bins(probabilities: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rank bin of each probability, 0..999: a higher one never has a lower bin.

    Near 0 and 1 a bin is 2e-6 wide, at 1/2 it is 0.002 wide.

    Args:
        probabilities: (..., ); what rounding left below 0 or above 1 counts as 0 or 1.
    """
    tail = np.minimum(probabilities, 1 - probabilities)
    np.maximum(tail, 0, out=tail)
    tail *= RANKS * RANKS / 2
    np.sqrt(tail, out=tail)  # 0..500
    bins = tail.astype(np.intp)
    return np.asarray(np.where(probabilities <= 0.5, bins, RANKS - 1 - bins))


class Reliability(NamedTuple):
    """What the 15 bins say.

    Attributes:
        samples: how many each has.
        confidence: the mean probability in each; None if it is empty.
        share: the share of each that is true; None if it is empty.
        ece: the expected calibration error: the mean distance of the two, weighted by samples;
            None without samples.
    """

    samples: list[int]
    confidence: list[float | None]
    share: list[float | None]
    ece: float | None


def reliability(false: Sequence[int], true: Sequence[int], sums: Sequence[int]) -> Reliability:
    """Return how the probabilities of samples with labels compare with what is true.

    Args:
        false: by bin, how many are not as predicted.
        true: by bin, how many are.
        sums: by bin, the sum of their probabilities in fixed point.
    """
    samples = [no + yes for no, yes in zip(false, true, strict=True)]
    distance = sum(abs(yes * ONE - total) for yes, total in zip(true, sums, strict=True))
    total = sum(samples)
    return Reliability(
        samples,
        [ratio(each, count * ONE) for each, count in zip(sums, samples, strict=True)],
        [ratio(each, count) for each, count in zip(true, samples, strict=True)],
        ratio(distance, total * ONE),
    )


class Ranked(NamedTuple):
    """A figure from the rank bins, and how far it can be from the one without bins."""

    value: float
    error: float


def auc(no: Sequence[int], yes: Sequence[int]) -> Ranked | None:
    """Return the area under the ROC curve: the share of pairs in the right order.

    A pair is a positive and a negative. Pairs inside a bin count half, as ties do; so the figure
    is off by at most half of their share, which is `error`. It is computed from the counts, so the
    bound is of these samples, not of the worst ones.

    Args:
        no: the negatives in each bin.
        yes: the positives in each bin.

    Returns:
        None without positives or without negatives.
    """
    pairs = sum(no) * sum(yes)
    if not pairs:
        return None
    ties = sum(a * b for a, b in zip(no, yes, strict=True))
    below = [0, *accumulate(no)]
    twice = sum(b * 2 * under for b, under in zip(yes, below, strict=False)) + ties
    return Ranked(twice / (2 * pairs), ties / (2 * pairs))


def ks(no: Sequence[int], yes: Sequence[int]) -> Ranked | None:
    """Return the largest distance of the cumulated shares of positives and negatives.

    It is the statistic of Kolmogorov and Smirnov. Within a bin the distance may be larger than at
    its ends: `error` says by how much at most.

    Args:
        no: the negatives in each bin.
        yes: the positives in each bin.

    Returns:
        None without positives or without negatives.
    """
    negatives, positives = sum(no), sum(yes)
    if not negatives * positives:
        return None
    known = most = under_no = under_yes = 0  # shares times both numbers, which are integers
    for a, b in zip(no, yes, strict=True):
        low, high = under_no * positives, under_yes * negatives
        under_no, under_yes = under_no + a, under_yes + b
        most = max(most, under_no * positives - high, under_yes * negatives - low)
        known = max(known, abs(under_no * positives - under_yes * negatives))
    whole = negatives * positives
    return Ranked(known / whole, (most - known) / whole)


def ratio(part: int, whole: int) -> float | None:
    """Return a share, rounded once; None of nothing."""
    return part / whole if whole else None


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that there are, rounded once; None if there are none."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
