"""The rules for when a share exceeds its bound, and when samples are too few to decide."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strop_export import rules
from strop_export.rules import Interval, proportion

INT8 = 0.0025  # share of decisions that may differ, such as an int8 file's


def tail(low: int, high: int, total: int, share: float) -> float:
    """The probability of counting low..high of the samples, for a true share."""
    terms = (math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(low, high))
    return math.fsum(terms)


@pytest.mark.parametrize(("count", "total"), [(2, 500), (40, 500), (1, 10), (9, 10), (3, 50)])
def test_the_interval_is_clopper_and_pearson_s(count: int, total: int) -> None:
    """At its limits, a count this extreme has a probability of 2.5 % on either side."""
    found = proportion(count, total)
    assert found.share == count / total
    assert tail(count, total + 1, total, found.low) == pytest.approx(0.025, abs=1e-6)
    assert tail(0, count + 1, total, found.high) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (1, 10, 0.0025, 0.4450),  # from published tables
        (8, 10, 0.4439, 0.9748),
        (0, 100, 0.0, 0.0362),
        (100, 100, 0.9638, 1.0),
    ],
)
def test_as_tables_have_it(count: int, total: int, low: float, high: float) -> None:
    found = proportion(count, total)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_two_of_500_are_not_held_against_a_quarter_of_a_percent_and_40_are() -> None:
    few, many = proportion(2, 500), proportion(40, 500)
    assert few.share > INT8
    assert not rules.is_past(few, INT8)
    assert rules.is_open(few, INT8)  # and reported as undecided
    assert rules.is_past(many, INT8)
    assert not rules.is_open(many, INT8)


def test_a_bound_of_nothing_is_past_with_one() -> None:
    assert not rules.is_past(proportion(0, 60), 0.0)
    assert rules.is_past(proportion(1, 60), 0.0)


def test_what_is_surely_within_is_settled() -> None:
    found = proportion(1, 100_000)
    assert not rules.is_past(found, INT8)
    assert not rules.is_open(found, INT8)


class TestLoss:
    def answers(self, lost: int, gained: int, total: int = 100) -> tuple[np.ndarray, np.ndarray]:
        before, after = np.ones(total, bool), np.ones(total, bool)
        after[:lost] = False
        before[lost : lost + gained] = False
        return before, after

    def test_by_hand(self) -> None:
        found = rules.paired_loss(*self.answers(6, 1))
        assert found.share == pytest.approx(0.05)
        # (6.5 - 1.5) / 102 -+ 1.96 sqrt(8 - 25 / 102) / 102
        assert found.low == pytest.approx(0.04902 - 0.05351, abs=1e-5)
        assert found.high == pytest.approx(0.04902 + 0.05351, abs=1e-5)

    def test_few_losses_are_chance_and_many_are_not(self) -> None:
        assert not rules.is_past(rules.paired_loss(*self.answers(3, 1)), 0.0)
        assert rules.is_past(rules.paired_loss(*self.answers(20, 2)), 0.0)

    def test_a_gain_is_a_negative_loss(self) -> None:
        found = rules.paired_loss(*self.answers(1, 30))
        assert found.share == pytest.approx(-0.29)
        assert found.high < 0

    def test_the_same_answers_lose_nothing(self) -> None:
        found = rules.paired_loss(*self.answers(0, 0))
        assert found.share == 0.0
        assert found.low < 0 < found.high


class TestSettling:
    @pytest.mark.parametrize(
        ("count", "total", "bound"), [(2, 500, INT8), (1, 500, INT8), (3, 200, 0.02)]
    )
    def test_so_many_tell_and_far_fewer_do_not(self, count: int, total: int, bound: float) -> None:
        def tells(samples: int) -> bool:
            found = proportion(round(count / total * samples), samples)
            return found.high <= bound or found.low > bound

        samples = rules.settling_samples(count, total, bound)
        assert samples is not None
        assert samples > total
        assert tells(samples)
        assert not tells(samples // 2)

    def test_none_are_needed_where_it_is_settled(self) -> None:
        assert rules.settling_samples(0, 10_000, INT8) == 10_000
        assert rules.settling_samples(40, 500, INT8) == 500

    def test_a_share_that_is_the_bound_is_never_settled(self) -> None:
        assert rules.settling_samples(5, 2000, INT8) is None


@pytest.mark.parametrize(
    ("share", "total", "count"),
    [(0.0, 10_000, 0), (0.0012, 10_000, 12), (0.0002, 10_000, 2), (0.0002, 100, 1), (0.02, 100, 2)],
)
def test_plain_counts(share: float, total: int, count: int) -> None:
    assert rules.allowed_count(share, total) == count


def test_an_interval_says_what_it_holds() -> None:
    assert Interval(0.5, 0.4, 0.6)._asdict() == {"share": 0.5, "low": 0.4, "high": 0.6}
