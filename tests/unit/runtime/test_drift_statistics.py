"""The statistics of drift, by other ways to compute them and by what must hold for all samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from strop.diagnostics.drift_statistics import (
    adjusted,
    index_by_chance,
    joined,
    ordered,
    stability_index,
    tendency,
    unordered,
)

BIN = st.integers(0, 5000)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two samples over the same bins, none of them empty."""
    bins = draw(st.integers(2, 12))
    one = st.lists(BIN, min_size=bins, max_size=bins).filter(any)
    return draw(one), draw(one)


def test_the_index_of_a_sample_worked_by_hand() -> None:
    p, q = (10.5 / 101, 90.5 / 101), (40.5 / 101, 60.5 / 101)
    wanted = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert stability_index([10, 90], [40, 60]) == pytest.approx(wanted)
    assert wanted == pytest.approx(0.52, abs=0.01)


@given(pairs())
def test_the_index_is_finite_symmetric_and_zero_only_for_equal_shares(
    pair: tuple[list[int], list[int]],
) -> None:
    a, b = pair
    assert 0 <= stability_index(a, b) < math.inf
    assert stability_index(a, b) == pytest.approx(stability_index(b, a))
    assert stability_index(a, a) == 0


def test_the_index_by_chance_is_its_mean_over_samples_of_one_distribution() -> None:
    random = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    found = [
        stability_index(
            random.multinomial(1000, shares).tolist(), random.multinomial(400, shares).tolist()
        )
        for _ in range(2000)
    ]
    by_chance = index_by_chance([100] * 10, [40] * 10)
    assert by_chance == pytest.approx(9 * (1 / 1000 + 1 / 400))
    assert np.mean(found) == pytest.approx(by_chance, rel=0.05)


def test_bins_that_are_empty_in_both_samples_have_no_chance() -> None:
    assert index_by_chance([5, 5, 0, 0], [3, 7, 0, 0]) == pytest.approx(1 / 10 + 1 / 10)
    assert index_by_chance([5, 5, 0, 0], [3, 6, 1, 0]) == pytest.approx(2 / 10 + 2 / 10)


def test_the_distance_is_scipys_of_samples_that_lie_on_the_bins() -> None:
    random = np.random.default_rng(2)
    a, b = random.integers(0, 8, 700), random.integers(0, 8, 300) ** 2 // 8
    distance, p_value = ordered(np.bincount(a, minlength=8).tolist(), _binned(b))
    wanted = stats.ks_2samp(a, b, method="asymp")
    assert distance == pytest.approx(wanted.statistic)
    # scipy takes the one-sample distribution for as many samples: near 0 it is a little smaller.
    assert p_value == pytest.approx(wanted.pvalue, rel=0.6)
    assert p_value >= wanted.pvalue


def _binned(values: np.ndarray) -> list[int]:
    found: list[int] = np.bincount(values, minlength=8).tolist()
    return found


def test_binning_makes_the_p_value_too_large_rather_than_too_small() -> None:
    random = np.random.default_rng(3)
    edges = np.quantile(random.normal(size=1000), np.arange(1, 10) / 10)
    found = []
    for _ in range(2000):
        a, b = (
            np.bincount(np.searchsorted(edges, random.normal(size=n)), minlength=10).tolist()
            for n in (1000, 200)
        )
        found.append(ordered(a, b)[1])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(found) < level) < level


def test_classes_are_compared_by_chi_square() -> None:
    distance, p_value = unordered([50, 30, 20, 0], [20, 20, 60, 0])
    wanted = stats.chisquare([20, 20, 60, 50, 30, 20], [35, 25, 40, 35, 25, 40], ddof=3).pvalue
    assert distance == pytest.approx(0.4)
    assert p_value == pytest.approx(wanted)


def test_one_class_in_both_samples_is_no_difference() -> None:
    assert unordered([90, 0], [60, 0]) == (0.0, 1.0)


@given(pairs())
def test_joined_classes_lose_no_sample_and_expect_enough(pair: tuple[list[int], list[int]]) -> None:
    a, b = joined(*pair)
    assert (sum(a), sum(b)) == (sum(pair[0]), sum(pair[1]))
    n, m = sum(a), sum(b)
    if len(a) > 1:
        assert all(x / n * min(n, m) > 4.999 for x in a)


def test_many_rare_classes_are_judged_in_groups() -> None:
    a, b = joined([1] * 1000, [0] * 990 + [20] * 10)
    assert 2 < len(a) < 100
    assert unordered(a, b)[1] < 1e-6


def test_rare_classes_give_no_false_alarms() -> None:
    """Not even if the calibration samples have one of each, which no chance does."""
    random = np.random.default_rng(4)
    found = [
        unordered(*joined([1] * 1000, random.multinomial(200, [0.001] * 1000).tolist()))[1]
        for _ in range(400)
    ]
    assert np.mean(np.array(found) < 0.01) < 0.02


def test_holm_by_hand() -> None:
    assert adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_adjusted_p_values_keep_their_order_and_lie_between_none_and_bonferroni(
    p_values: list[float],
) -> None:
    found = adjusted(p_values)
    for i, (one, after) in enumerate(zip(p_values, found, strict=True)):
        assert one <= after <= min(1.0, len(p_values) * one) + 1e-12
        assert all(after <= b for j, b in enumerate(found) if p_values[j] > p_values[i])


def test_tendency_is_how_often_one_is_above_the_other() -> None:
    assert tendency([1, 0], [0, 1]) == 1
    assert tendency([0, 1], [1, 0]) == -1
    assert tendency([1, 2, 1], [2, 0, 2]) == pytest.approx(0)
    a, b = np.repeat([0, 1, 2], [3, 5, 2]), np.repeat([0, 1, 2], [1, 4, 9])
    wanted = np.sign(b[:, None] - a[None, :]).mean()
    assert tendency([3, 5, 2], [1, 4, 9]) == pytest.approx(wanted)
