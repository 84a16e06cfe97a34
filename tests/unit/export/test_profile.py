"""The profile in the manifest: histograms of the calibration samples' figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, OutputSpec
from strop.model.profile import bins
from strop_export.source.profile import edges, of_inputs, of_outputs

RANDOM = np.random.default_rng(3)


def counts(values: NDArray[np.float64], bounds: tuple[float, ...]) -> list[int]:
    places = bins(values, bounds).tolist()
    return [places.count(place) for place in range(len(bounds) + 1)]


def zeros_and(zeros: int, others: int) -> NDArray[np.float64]:
    """So many zeros, and 1, 2, 3, ..."""
    return np.concatenate((np.zeros(zeros), np.arange(1.0, others + 1)))


class TestEdges:
    def test_values_that_all_differ_are_cut_into_tenths(self) -> None:
        values = RANDOM.standard_normal(1000)
        found = edges(values, 1.0)
        assert counts(values, found) == [100] * 10

    def test_they_have_few_digits(self) -> None:
        found = edges(RANDOM.standard_normal(1000), 1.0)
        assert max(len(f"{edge!r}") for edge in found) <= 9

    @pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e-30, 1e30, 255.0])
    def test_a_value_that_never_changes_is_alone_in_its_bin(self, value: float) -> None:
        values = np.full(50, value)
        found = edges(values, 1.0)
        assert counts(values, found) == [0, 50, 0]
        nearby = np.array([value - (abs(value) or 1) * 1e-5, value + (abs(value) or 1) * 1e-5])
        assert counts(nearby, found) == [1, 0, 1]

    def test_a_zero_that_never_changes_is_compared_with_what_is_beside_it(self) -> None:
        found = edges(np.zeros(50), 1e-9)
        assert counts(np.array([-1e-12, 0, 1e-12]), found) == [1, 1, 1]

    def test_a_value_that_many_share_has_a_bin_of_its_own(self) -> None:
        values = zeros_and(600, 400)
        found = edges(values, 1.0)
        assert counts(values, found) == [0, 600, 100, 100, 100, 100]

    def test_a_bin_of_few_is_joined_with_the_next(self) -> None:
        values = zeros_and(590, 410)
        assert counts(values, edges(values, 1.0)) == [0, 590, 110, 100, 100, 100]

    def test_few_that_differ_from_all_others_are_not_joined_with_them(self) -> None:
        values = zeros_and(960, 40)
        assert counts(values, edges(values, 1.0)) == [0, 960, 40]

    def test_rounding_moves_no_sample_into_another_bin(self) -> None:
        values = np.round(RANDOM.random(500), 2)
        found = edges(values, 1.0)
        assert counts(np.nextafter(values, 2), found) == counts(values, found)
        assert counts(np.nextafter(values, -2), found) == counts(values, found)

    @given(
        arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e30, 1e30))
        | arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0, 1e-9, 1, 2, 1e9]))
    )
    def test_there_are_at_most_nine_in_order(self, values: NDArray[np.float64]) -> None:
        found = edges(values, 1.0)
        assert 1 <= len(found) <= 9
        assert [*found] == sorted({*found})
        assert all(type(edge) is float and np.isfinite(edge) for edge in found)


def test_an_input_has_a_histogram_of_each_figure() -> None:
    samples = RANDOM.integers(0, 256, (200, 8, 8)).astype(np.uint8)
    (spec,) = of_inputs([InputSpec("image", (None, 8, 8), "uint8", None, ())], [samples])
    assert [h.figure for h in spec.profile][:4] == ["mean", "spread", "cell 0 0", "cell 0 1"]
    assert len(spec.profile) == 18
    assert all(sum(h.counts) == 200 for h in spec.profile)
    cell = spec.profile[3]
    wanted = counts(samples[:, :2, 2:4].mean(axis=(1, 2)), cell.edges)
    assert list(cell.counts) == wanted


def test_many_inputs_share_the_histograms() -> None:
    specs = [InputSpec(f"x{i}", (None, 8, 8), "float32", None, ()) for i in range(10)]
    samples = [RANDOM.random((50, 8, 8)).astype(np.float32)] * 10
    assert [len(spec.profile) for spec in of_inputs(specs, samples)] == [6] * 10


def test_an_output_counts_its_classes() -> None:
    answers = np.eye(4, dtype=np.float32)[[0, 2, 2, 1, 2]] * 0.75
    spec = OutputSpec("y", (None, 4), "float32", None, (), "class", False, None)
    (found,) = of_outputs([spec], [answers])
    confidence, classes = found.profile
    assert confidence.figure == "confidence"
    assert confidence.counts == (0, 5, 0)
    assert (classes.figure, classes.edges, classes.counts) == ("class", (), (1, 1, 3, 0))
