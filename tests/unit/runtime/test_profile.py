"""The figures of samples and answers."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, OutputSpec
from strop.model import profile
from strop.model.profile import (
    bins,
    figures_of_inputs,
    figures_of_outputs,
    measure_inputs,
    measure_outputs,
)

GRID = tuple(f"cell {r} {c}" for r in range(4) for c in range(4))
VALUES, PARTS = (tuple(f"{word} {i}" for i in range(16)) for word in ("value", "part"))


def taking(*sample: int, dtype: str = "float32") -> InputSpec:
    return InputSpec("x", (None, *sample), dtype, None, ())


def giving(kind: str, *sample: int, logits: bool = False, threshold: float | None = None) -> Any:
    return OutputSpec("y", (None, *sample), "float32", None, (), kind, logits, threshold)


class TestInputs:
    @pytest.mark.parametrize(
        ("sample", "inputs", "wanted"),
        [
            ((), 1, ("value",)),
            ((1,), 1, ("value",)),
            ((1, 1, 1), 1, ("value",)),
            ((3,), 1, ("mean", "spread", *VALUES[:3])),
            ((16,), 1, ("mean", "spread", *VALUES)),
            ((17,), 1, ("mean", "spread", *PARTS)),
            ((16,), 4, ("mean", "spread", *PARTS[:14])),
            ((1, 9), 1, ("mean", "spread", *GRID[:4])),
            ((9, 1), 1, ("mean", "spread", "cell 0 0", "cell 1 0", "cell 2 0", "cell 3 0")),
            ((1, 1, 9), 1, ("mean", "spread")),
            ((28, 28), 1, ("mean", "spread", *GRID)),
            ((28, 28, 3), 1, ("mean", "spread", *GRID)),
            ((2, 2), 16, ("mean", "spread")),
            ((9,), 21, ("mean", "spread")),
            ((28, 28), 33, ("mean",)),
            ((), 64, ("value",)),
        ],
    )
    def test_the_figures_of_a_shape(
        self, sample: tuple[int, ...], inputs: int, wanted: tuple[str, ...]
    ) -> None:
        spec = taking(*sample)
        assert figures_of_inputs(spec, inputs) == wanted
        measured = measure_inputs(np.ones((5, *sample), np.float32), spec, inputs)
        assert measured.shape == (5, len(wanted))

    @given(st.lists(st.integers(1, 40), max_size=4), st.integers(1, 64))
    def test_their_number_is_bounded(self, sample: list[int], inputs: int) -> None:
        figures = figures_of_inputs(taking(*sample), inputs)
        assert len({*figures}) == len(figures) <= 18
        assert len(figures) * inputs <= 64

    def test_mean_spread_and_values(self) -> None:
        samples = np.array([[1, 2, 6], [4, 4, 4]], np.float32)
        found = measure_inputs(samples, taking(3))
        assert found == pytest.approx(np.array([[3, math.sqrt(14 / 3), 1, 2, 6], [4, 0, 4, 4, 4]]))

    def test_each_cell_is_the_mean_of_its_place(self) -> None:
        sample = np.arange(6 * 5 * 2, dtype=np.float32).reshape(6, 5, 2)
        found = measure_inputs(sample[np.newaxis], taking(6, 5, 2))[0]
        rows, columns = (0, 1, 3, 4, 6), (0, 1, 2, 3, 5)  # floor(i n / 4)
        wanted = [
            sample[rows[r] : rows[r + 1], columns[c] : columns[c + 1]].mean()
            for r in range(4)
            for c in range(4)
        ]
        assert found[2:] == pytest.approx(wanted)

    def test_each_part_is_the_mean_of_its_place(self) -> None:
        sample = np.arange(20, dtype=np.float32) ** 2
        found = measure_inputs(sample[np.newaxis], taking(20))[0]
        starts = [i * 20 // 16 for i in range(17)]
        wanted = [float(sample[a:b].mean()) for a, b in itertools.pairwise(starts)]
        assert found[2:] == pytest.approx(wanted)

    def test_samples_are_measured_as_the_model_sees_them(self) -> None:
        samples = np.array([[0.1, 0.2]])  # float64
        assert (
            measure_inputs(samples, taking(2)).tolist()
            == measure_inputs(samples.astype(np.float32), taking(2)).tolist()
        )

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.integers(1, 30), min_size=1, max_size=3),
        st.integers(0, 2**32 - 1),
        st.sampled_from(["float32", "uint8", "int64", "bool"]),
    )
    def test_a_sample_has_the_same_figures_alone_and_among_others(
        self, sample: list[int], seed: int, dtype: str
    ) -> None:
        random = np.random.default_rng(seed)
        samples = (random.standard_normal((9, *sample)) * 100).astype(dtype)
        spec = taking(*sample, dtype=dtype)
        together = measure_inputs(samples, spec)
        turned = measure_inputs(np.asfortranarray(samples), spec)
        alone = np.vstack([measure_inputs(samples[i : i + 1], spec) for i in range(9)])
        assert together.tolist() == alone.tolist() == turned.tolist()

    def test_values_as_large_as_they_come_have_finite_figures(self) -> None:
        largest = np.full((1, 30), np.finfo(np.float32).max)
        largest[0, ::2] *= -1
        assert np.isfinite(measure_inputs(largest, taking(30))).all()
        most = np.full((1, 30), np.iinfo(np.int64).max)
        assert np.isfinite(measure_inputs(most, taking(30, dtype="int64"))).all()

    def test_of_a_large_sample_a_part_is_measured(self) -> None:
        spec = taking(2048, 2048, dtype="uint8")
        samples = np.zeros((32, 2048, 2048), np.uint8)
        samples[:, :512, :512] = 100
        measure_inputs(samples[:1], spec)
        tracemalloc.start()
        found = measure_inputs(samples, spec)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found[31, :4].tolist() == [100 / 16, 25 * math.sqrt(15) / 4, 100, 0]
        assert peak < 8e6

    def test_the_longest_axes_are_thinned(self) -> None:
        assert figures_of_inputs(taking(3, 2**20)) == (
            *("mean", "spread"),
            *(f"cell {r} {c}" for r in range(3) for c in range(4)),
        )


class TestOutputs:
    ROWS = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)

    @pytest.mark.parametrize(
        ("spec", "outputs", "wanted"),
        [
            (giving("class", 3), 1, ("confidence", "class")),
            (giving("class", 1000), 1, ("confidence", "class")),
            (giving("class", 1001), 1, ("confidence",)),
            (giving("class", 501), 2, ("confidence",)),
            (giving("binary", 1, threshold=0.5), 64, ("confidence", "class")),
            (giving("multilabel", 3, threshold=0.5), 1, ("confidence",)),
            (giving("segmentation", 4, 4, 2), 1, ("confidence",)),
            (giving("regression", 5), 1, ("mean", "spread")),
            (giving("regression", 1), 1, ("value",)),
            (giving("raw", 4, 4), 1, ("mean", "spread")),
        ],
    )
    def test_the_figures_of_a_kind(
        self, spec: OutputSpec, outputs: int, wanted: tuple[str, ...]
    ) -> None:
        assert figures_of_outputs(spec, outputs) == wanted
        answers = np.ones((5, *(size or 0 for size in spec.shape[1:])), np.float32)
        assert measure_outputs(answers, spec, outputs).shape == (5, len(wanted))

    def test_the_confidence_in_a_class(self) -> None:
        found = measure_outputs(self.ROWS, giving("class", 3))
        assert found == pytest.approx(np.array([[0.7, 0], [0.8, 2]]))

    def test_logits_become_probabilities(self) -> None:
        logits = np.log(self.ROWS) + 90
        found = measure_outputs(logits, giving("class", 3, logits=True))
        assert found == pytest.approx(np.array([[0.7, 0], [0.8, 2]]), rel=1e-4)

    @pytest.mark.parametrize("shape", [(), (1,)])
    def test_the_confidence_in_yes_or_no(self, shape: tuple[int, ...]) -> None:
        answers = np.array([0.9, 0.2, 0.4], np.float32).reshape(3, *shape)
        found = measure_outputs(answers, giving("binary", *shape, threshold=0.3))
        assert found == pytest.approx(np.array([[0.9, 1], [0.8, 0], [0.6, 1]]))

    def test_the_confidence_in_labels_is_their_mean(self) -> None:
        found = measure_outputs(self.ROWS, giving("multilabel", 3, threshold=0.5))
        assert found[:, 0] == pytest.approx([(0.7 + 0.8 + 0.9) / 3, (0.9 + 0.9 + 0.8) / 3])
        logits = np.log(self.ROWS / (1 - self.ROWS))
        spec = giving("multilabel", 3, logits=True, threshold=0.0)
        assert measure_outputs(logits, spec) == pytest.approx(found)

    def test_the_confidence_in_pixels_is_their_mean(self) -> None:
        pixels = self.ROWS.reshape(1, 2, 1, 3)
        found = measure_outputs(pixels, giving("segmentation", 2, 1, 3))
        assert found == pytest.approx(np.array([[0.75]]))
        one = np.array([0.9, 0.2], np.float32).reshape(1, 2, 1, 1)
        spec = giving("segmentation", 2, 1, 1, threshold=0.5)
        assert measure_outputs(one, spec) == pytest.approx(np.array([[0.85]]))

    def test_nothing_is_raised_or_warned_for_what_is_not_finite(self) -> None:
        answers = np.array([[np.inf, -np.inf, 1], [np.nan, 0, 1]], np.float32)
        for kind in ("class", "raw"):
            found = measure_outputs(answers, giving(kind, 3, logits=kind == "class"))
            assert all(0 <= place <= 2 for place in bins(found[:, 0], (0.5, 0.6)))

    def test_few_of_many_pixels_are_measured(self) -> None:
        pixels = np.full((2, 2000, 2000, 2), 0.5, np.float32)
        tracemalloc.start()
        found = measure_outputs(pixels, giving("segmentation", 2000, 2000, 2))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.tolist() == [[0.5], [0.5]]
        assert peak < 8e6


def test_a_bin_holds_its_lower_edge() -> None:
    values: NDArray[np.float64] = np.array([-1, 0, 0.5, 1, 2, np.inf, -np.inf, np.nan])
    assert bins(values, (0.0, 1.0)).tolist() == [0, 1, 1, 2, 2, 2, 0, 2]
    assert bins(np.array([3.0, 0.0]), ()).tolist() == [3, 0]


def test_a_layout_is_decided_once() -> None:
    profile._layout.cache_clear()
    for _ in range(3):
        measure_inputs(np.ones((1, 5), np.float32), taking(5))
    assert profile._layout.cache_info().misses == 1
