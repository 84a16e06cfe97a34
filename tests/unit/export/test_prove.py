"""The judge: it must pass what is the same model, and name by figures what is not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from strop_export.errors import ProofError
from strop_export.proof.prove import Run, compare, golden_indices, prove
from strop_export.targets import Tolerance

STRICT = Tolerance(
    disagreements=0.0,
    max_abs_error=1e-5,
    accuracy_loss=0.0,
    engine_changes=0.0,
    golden=1e-5,
    gpu=1e-3,
)
LOOSE = Tolerance(
    disagreements=0.02,
    max_abs_error=2.0,
    accuracy_loss=0.02,
    engine_changes=0.01,
    golden=0.1,
    gpu=0.0,
)
GPU = "A GPU, Vulkan 1.3"


def answers(samples: int = 100, classes: int = 4, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    raw = random.random((samples, classes), np.float32)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True), np.float32)


def swapped(outputs: np.ndarray, count: int) -> np.ndarray:
    """Move the top class of the first `count` rows."""
    changed = outputs.copy()
    changed[:count] = np.roll(changed[:count], 1, axis=1)
    return changed


def test_the_same_outputs_are_the_same_model() -> None:
    keras = answers()
    labels = keras.argmax(axis=1)
    figures = compare(keras, keras, labels)
    assert (figures.disagreements, figures.max_abs_error, figures.accuracy) == (0, 0.0, 1.0)
    (proof,) = prove("x", [Run("litert", "1", keras)], keras, labels, STRICT)
    assert proof.top1_agreement == 1.0
    assert proof.samples == 100


def test_each_changed_class_counts_once() -> None:
    keras = answers()
    figures = compare(swapped(keras, 3), keras, keras.argmax(axis=1))
    assert figures.disagreements == 3
    assert figures.accuracy == pytest.approx(0.97)
    assert figures.top1_agreement == pytest.approx(0.97)


@pytest.mark.parametrize(("count", "passes"), [(2, True), (3, False)])
def test_the_bound_is_where_it_says(count: int, passes: bool) -> None:
    keras = answers()
    runs = [Run("litert", "2", swapped(keras, count))]
    if passes:
        prove("x", runs, keras, None, LOOSE)
        return
    with pytest.raises(ProofError, match="3 of 100 samples get another class.* at most 2 allowed"):
        prove("x", runs, keras, None, LOOSE)


def test_an_error_past_its_bound_is_named_with_the_engine() -> None:
    keras = answers()
    off = keras + np.float32(1e-4)
    with pytest.raises(ProofError, match=r"x on onnx 3: max abs error 0.0001, at most 1e-05"):
        prove("x", [Run("onnx", "3", off)], keras, None, STRICT)


def test_lost_accuracy_is_refused_even_where_classes_may_change() -> None:
    keras = answers()
    tolerance = Tolerance(0.5, 2.0, 0.01, 0.5, 0.1, 0.0)
    with pytest.raises(ProofError, match=r"accuracy 0.9800 against Keras's 1.0000"):
        prove("x", [Run("litert", "1", swapped(keras, 2))], keras, keras.argmax(axis=1), tolerance)


def test_engines_that_disagree_are_refused_though_each_is_within_its_bound() -> None:
    keras = answers()
    other = keras.copy()
    other[-2:] = np.roll(other[-2:], 1, axis=1)
    runs = [Run("litert", "1", swapped(keras, 2)), Run("tflite", "2", other)]
    with pytest.raises(ProofError, match="litert 1 and tflite 2 disagree on 4 of 100"):
        prove("x", runs, keras, None, LOOSE)


def test_a_gpu_is_held_to_its_own_bound_and_named() -> None:
    """It adds in another order: what is too far off for a CPU is not for a GPU."""
    keras = answers()
    off = keras + np.float32(1e-4)
    runs = [Run("onnx", "3", keras), Run("onnx", "3", off, "gpu", GPU)]
    cpu, gpu = prove("x", runs, keras, None, STRICT)
    assert (cpu.device, cpu.adapter, gpu.device, gpu.adapter) == ("cpu", "", "gpu", GPU)
    assert cpu.tolerance["max_abs_error"] == 1e-5
    assert gpu.tolerance["max_abs_error"] == 1e-3
    assert "gpu" not in cpu.tolerance.keys() | gpu.tolerance.keys()
    with pytest.raises(ProofError, match=r"x on onnx 3 gpu: max abs error 0.01, at most 0.001"):
        prove("x", [Run("onnx", "3", keras + np.float32(0.01), "gpu", GPU)], keras, None, STRICT)


def test_a_gpu_that_disagrees_with_the_cpu_is_refused() -> None:
    keras = answers()
    runs = [Run("onnx", "3", keras), Run("onnx", "3", swapped(keras, 2), "gpu", GPU)]
    with pytest.raises(ProofError, match="onnx 3 and onnx 3 gpu disagree on 2 of 100"):
        prove("x", runs, keras, None, LOOSE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_infinitely_wrong(bad: float) -> None:
    keras = answers()
    broken = keras.copy()
    broken[5, 1] = bad
    assert compare(broken, keras, None).max_abs_error == math.inf
    with pytest.raises(ProofError):
        prove("x", [Run("litert", "1", broken)], keras, None, LOOSE)


class TestWhatClassesCannotSee:
    """A distance of 0..95 and an angle of 0..6.28, as one Dense gives them."""

    random = np.random.default_rng(3)
    keras = np.stack([random.uniform(0, 95, 200), random.uniform(0, 6.28, 200)], 1).astype("f4")
    vast = replace(LOOSE, max_abs_error=10.0, disagreements=1.0)

    def prove(self, outputs: np.ndarray) -> None:
        prove("tflite int8", [Run("litert", "1", outputs)], self.keras, None, self.vast)

    def test_small_errors_pass(self) -> None:
        self.prove(self.keras + np.float32(0.3))

    def test_one_constant_for_all_samples(self) -> None:
        """It was certified once: every top class agrees, and no error is past its bound."""
        constant = np.tile(self.keras.mean(axis=0), (200, 1))
        with pytest.raises(
            ProofError, match="output 0, 1 is hardly nearer to Keras's than its mean"
        ):
            self.prove(constant)

    def test_one_ruined_output_beside_a_larger_one(self) -> None:
        ruined = self.keras.copy()
        ruined[:, 1] = 3.14
        with pytest.raises(ProofError, match="output 1 is hardly nearer to Keras's than its mean"):
            self.prove(ruined)

    def test_a_class_that_is_hardly_ever_likely_is_no_output_to_judge_by(self) -> None:
        keras = np.column_stack(
            [self.keras[:, 0] / 95, np.full(200, 1e-6), 1 - self.keras[:, 0] / 95]
        )
        keras[::2, 1] = 2e-6
        rounded = keras.copy()
        rounded[:, 1] = 0
        prove("int8", [Run("litert", "1", rounded)], keras, None, self.vast)


def test_outputs_of_another_shape_are_infinitely_wrong() -> None:
    keras = answers()
    assert compare(keras[:50], keras, None).disagreements == 100


def test_a_single_output_is_judged_by_which_side_of_a_half_it_is_on() -> None:
    keras = np.array([[0.2], [0.7], [0.9]], np.float32)
    flipped = np.array([[0.6], [0.7], [0.9]], np.float32)
    assert compare(flipped, keras, None).disagreements == 1


def test_bounds_grow_with_outputs_larger_than_one() -> None:
    keras = answers() * np.float32(1000)
    off = keras + np.float32(1e-3)
    prove("x", [Run("litert", "1", off)], keras, None, STRICT)


def test_golden_samples_are_half_the_hardest_and_the_same_every_time() -> None:
    keras = answers(1000)
    chosen = golden_indices(keras, {"v": [keras]}, {"v": 0.1})
    assert len(set(chosen.tolist())) == 128
    ordered = np.sort(keras, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    hardest = set(np.argsort(margins, kind="stable")[:64].tolist())
    assert hardest <= set(chosen.tolist())
    assert np.array_equal(chosen, golden_indices(keras, {"v": [keras]}, {"v": 0.1}))


def test_golden_samples_pass_over_what_healthy_engines_disagree_on() -> None:
    keras = answers(1000)
    ordered = np.sort(keras, axis=1)
    hardest = int(np.argmin(ordered[:, -1] - ordered[:, -2]))
    other = keras.copy()
    other[hardest] += np.float32(0.2)
    chosen = golden_indices(keras, {"v": [keras, other]}, {"v": 0.1})
    assert hardest not in chosen
    assert len(chosen) == 128


def test_the_golden_tolerance_grows_with_outputs_larger_than_one() -> None:
    keras = answers(1000) * np.float32(100)
    other = np.nextafter(keras, np.float32(np.inf))  # one unit in the last place: healthy
    assert len(golden_indices(keras, {"v": [keras, other]}, {"v": 1e-5})) == 128


def test_fewer_samples_than_wanted_are_all_golden() -> None:
    assert len(golden_indices(answers(10), {}, {})) == 10
