"""The sums and bins behind an evaluation's figures."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from strop_export.evaluation.tally import bins, exact
from strop_export.evaluation.tally.groups import ALL, Groups

TERMS = st.floats(-(2.0**800), 2.0**800, allow_nan=False)
USUAL = st.floats(-1e3, 1e3, allow_nan=False)


class TestExact:
    @given(st.lists(st.tuples(TERMS | USUAL, st.integers(0, 3)), min_size=1, max_size=40))
    def test_sums_are_those_of_fractions(self, given_terms: list[tuple[float, int]]) -> None:
        terms = np.array([[term] for term, _ in given_terms])
        owners = [owner for _, owner in given_terms]
        groups = Groups.of(np.array(owners, np.intp))
        for place, (total,) in zip(groups.places, exact.sums(terms, groups), strict=True):
            own = [Fraction(term) for term, owner in given_terms if owner == place]
            assert exact.fraction(total) == sum(own)

    def test_many_rows_are_summed_in_chunks(self) -> None:
        random = np.random.default_rng(1)
        terms = random.normal(size=(300_000, 2)) * 10.0 ** random.integers(-30, 30, (300_000, 1))
        found = exact.sums(terms, ALL)[0]
        for column, total in enumerate(found):
            assert float(exact.fraction(total)) == math.fsum(terms[:, column])

    @given(st.floats(-exact.LARGEST, exact.LARGEST, allow_subnormal=False))
    def test_squares_are_exact(self, value: float) -> None:
        if 0 < abs(value) < 1e-140:  # the lower half underflows
            return
        high, low = exact.squares(np.array([value]))
        assert Fraction(float(high[0])) + Fraction(float(low[0])) == Fraction(value) ** 2

    @given(st.integers(-(2**2000), 2**2000))
    def test_a_sum_is_read_as_it_was_written(self, total: int) -> None:
        assert exact.read(exact.written(total)) == total

    @pytest.mark.parametrize(
        "text",
        ["", "1", "2p0", "0p1", "01p0", "1p01", "1p-1", "-0", "Ap1", " 1p0", "1p0\n", "1p10000"],
    )
    def test_what_is_no_sum(self, text: str) -> None:
        assert exact.read(text) is None

    def test_a_sum_is_a_short_text(self) -> None:
        assert exact.read("1" * 800 + "p0") is exact.read(5) is exact.read(None) is None


class TestBins:
    CHANCES = st.floats(0, 1, width=32)

    @given(st.lists(CHANCES, min_size=2))
    def test_a_higher_probability_never_has_a_lower_rank(self, chances: list[float]) -> None:
        for dtype in (np.float32, np.float64):
            found = bins.rank_bins(np.array(sorted(chances), dtype))
            assert (np.diff(found) >= 0).all()
            assert (found >= 0).all()
            assert (found < bins.RANKS).all()

    def test_every_rank_is_used(self) -> None:
        half = np.square(np.arange(501) / 1000 + 1e-5) * 2
        chances = np.concatenate([half[:500], 1 - half[:500]])
        assert set(bins.rank_bins(chances).tolist()) == set(range(1000))

    def test_what_rounding_left_outside_counts_as_0_or_1(self) -> None:
        outside = np.array([-0.1, 1.1], np.float32)
        assert bins.rank_bins(outside).tolist() == [0, 999]
        found, sums = bins.reliability_bins(outside)
        assert (found.tolist(), sums.tolist()) == ([0, 14], [0, bins.ONE])

    @given(CHANCES)
    def test_reliability_bins_are_closed_above(self, chance: float) -> None:
        (found,), (whole,) = bins.reliability_bins(np.array([chance], np.float32))
        assert found == max(math.ceil(chance * 15) - 1, 0)
        assert abs(whole / bins.ONE - chance) <= 2**-25

    @given(st.lists(st.tuples(CHANCES, st.booleans()), min_size=1))
    def test_auc_and_ks_are_within_their_bounds(
        self, given_scores: list[tuple[float, bool]]
    ) -> None:
        scores = np.array([score for score, _ in given_scores], np.float32)
        labels = np.array([label for _, label in given_scores])
        ranks = bins.rank_bins(scores)
        no, yes = (np.bincount(ranks[labels == own], None, 1000).tolist() for own in (0, 1))
        area, distance = bins.auc(no, yes), bins.ks(no, yes)
        if labels.all() or not labels.any():
            assert area is distance is None
            return
        assert area is not None
        assert distance is not None
        pairs = labels.sum() * (~labels).sum()
        exactly = stats.mannwhitneyu(scores[labels], scores[~labels]).statistic / pairs
        assert abs(area.value - exactly) <= area.error + 1e-12
        exactly = stats.ks_2samp(scores[labels], scores[~labels]).statistic
        assert distance.value - 1e-12 <= exactly <= distance.value + distance.error + 1e-12

    def test_a_sure_model_has_a_precise_auc(self) -> None:
        """Of 1,000 bins of equal width, the first and last would hold nearly all samples."""
        random = np.random.default_rng(1)
        logits = random.normal(size=20_000) * 4
        labels = random.random(20_000) < 1 / (1 + np.exp(-logits - random.normal(size=20_000)))
        scores = 1 / (1 + np.exp(-2 * logits))

        def error(ranks: np.ndarray) -> float:
            no, yes = (np.bincount(ranks[labels == own], None, 1000).tolist() for own in (0, 1))
            found = bins.auc(no, yes)
            assert found is not None
            return found.error

        even = np.minimum((scores * 1000).astype(int), 999)
        assert error(bins.rank_bins(scores)) < error(even) / 5


def test_groups_count_by_place() -> None:
    groups = Groups.of(np.array([5, 2, 5, 5]))
    assert groups.places.tolist() == [2, 5]
    cells = np.array([0, 1, 1, 1])
    assert groups.count(cells, 2).tolist() == [[0, 1], [1, 2]]
    assert groups.count(cells, 2, np.array([1.0, 2, 4, 8])).tolist() == [[0, 2], [1, 12]]
    assert ALL.count(cells, 2).tolist() == [[1, 3]]
    values = np.array([[1.0], [2], [3], [-4]])
    assert groups.largest(values).tolist() == [[2], [3]]
