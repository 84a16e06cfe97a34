"""The judge: it must pass the same model, and refuse any other with figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strop.bundle.manifest import OutputSpec, Proof
from strop_export.errors import ProofError
from strop_export.formats import VariantSpec
from strop_export.proof import judge
from strop_export.proof.golden import golden_indices, golden_tolerance
from strop_export.proof.prove import prove
from tests.unit.export.outputs import MNIST, OWN, probabilities, run, spec, swapped, truth

FLOAT, INT8 = OWN["float32"], OWN["int8"]
LOOSE = replace(INT8, disagreements=1.0, accuracy_loss=1.0, max_abs_error=10.0, engine_changes=1.0)
GPU = "A GPU, Vulkan 1.3"
CLASS = spec("class")
RANDOM = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return np.asarray(RANDOM.normal(size=shape), np.float32)


def proven(*arguments: Any) -> dict[str, Any]:
    """The figures of the only run's only output."""
    (proof,) = prove("x", *arguments)
    (judged,) = proof.outputs
    return judged.figures


class TestClasses:
    def test_the_same_outputs_are_the_same_model(self) -> None:
        keras = probabilities()
        (proof,) = prove("x", [run(keras)], truth(CLASS, keras, keras.argmax(axis=1)), FLOAT)
        assert isinstance(proof, Proof)
        assert (proof.samples, proof.engine, proof.device) == (100, "litert", "cpu")
        assert proof.outputs[0].figures["top1_agreement"] == 1.0
        assert proof.outputs[0].bounds["max_abs_error"] == 1e-5

    @pytest.mark.parametrize(("count", "passes"), [(2, True), (4, True), (5, False), (40, False)])
    def test_a_share_is_held_to_its_bound_by_its_interval(self, count: int, passes: bool) -> None:
        """With a bound of 0.25 %, 2 of 500 prove nothing; 40 do."""
        keras = probabilities(500)
        tolerance = replace(LOOSE, disagreements=0.0025)
        arguments = ([run(swapped(keras, count))], truth(CLASS, keras), tolerance)
        if passes:
            figures = proven(*arguments)
            assert figures["disagreements"] == count
            low, high = figures["disagreements_limits"]
            assert low < 0.0025 < high
            assert figures["settled_by"] is None or figures["settled_by"] > 500
            return
        said = rf"{count} of 500 samples get another .*with 95 % confidence \d\.\d+% to .*, at"
        with pytest.raises(ProofError, match=said):
            prove("x", *arguments)

    @pytest.mark.parametrize(("count", "passes"), [(2, True), (3, False)])
    def test_or_as_counted_where_that_is_asked_for(self, count: int, passes: bool) -> None:
        keras = probabilities()
        tolerance = replace(LOOSE, disagreements=0.02, plain=True)
        runs = [run(swapped(keras, count))]
        if passes:
            assert "disagreements_limits" not in proven(runs, truth(CLASS, keras), tolerance)
            return
        with pytest.raises(ProofError, match="3 of 100 samples get another.* at most 2 allowed"):
            prove("x", runs, truth(CLASS, keras), tolerance)

    def test_the_trained_model_is_held_to_plain_counts(self) -> None:
        """The project guarantees at most 12 of 10,000 for its int8 file, not 13."""
        keras = probabilities(10_000, classes=10)
        tolerance = replace(MNIST["int8"], max_abs_error=10.0)
        prove("x", [run(swapped(keras, 12))], truth(CLASS, keras), tolerance)
        with pytest.raises(ProofError, match="13 of 10000 .* at most 12 allowed"):
            prove("x", [run(swapped(keras, 13))], truth(CLASS, keras), tolerance)

    def test_an_error_past_its_bound_is_named_with_the_engine(self) -> None:
        keras = probabilities()
        off = keras + np.float32(1e-4)
        with pytest.raises(ProofError, match=r"x on onnx 3: max abs error 0.0001, at most 1e-05"):
            prove("x", [run(off, engine="onnx", version="3")], truth(CLASS, keras), FLOAT)

    @pytest.mark.parametrize("plain", [True, False])
    def test_lost_accuracy_is_refused_even_where_classes_may_change(self, plain: bool) -> None:
        keras = probabilities()
        tolerance = replace(LOOSE, accuracy_loss=0.01, plain=plain)
        known = truth(CLASS, keras, keras.argmax(axis=1))
        with pytest.raises(ProofError, match=r"accuracy 0.8000 against Keras's 1.0000, a loss of"):
            prove("x", [run(swapped(keras, 20))], known, tolerance)
        few = [run(swapped(keras, 2))]
        if plain:
            with pytest.raises(ProofError, match=r"accuracy 0.9800 against"):
                prove("x", few, known, tolerance)
            return
        assert proven(few, known, tolerance)["accuracy_loss_limits"][0] < 0.01

    def test_bounds_grow_with_outputs_larger_than_one(self) -> None:
        keras = probabilities() * np.float32(1000)
        prove("x", [run(keras + np.float32(1e-3))], truth(CLASS, keras), FLOAT)


class TestEachKind:
    """A good file of each kind meets the default bounds, and has its kind's figures."""

    def test_regression(self) -> None:
        keras = np.stack([RANDOM.uniform(0, 95, 200), RANDOM.uniform(0, 6.28, 200)], 1)
        ours = keras + normal(200, 2) * np.array([0.5, 0.03])
        figures = proven([run(ours)], truth(spec("regression", (2,)), keras), INT8)
        assert all(0 < share < 0.05 for share in figures["rmse_share"])

    def test_binary(self) -> None:
        keras = 1 / (1 + np.exp(-3 * normal(400, 1)))
        labels = (keras[:, 0] > 0.5).astype(int)
        ours = keras + np.float32(0.005)
        figures = proven([run(ours)], truth(spec("binary", (1,)), keras, labels), INT8)
        assert figures["auc"] == 1.0
        assert figures["f1"] > 0.98

    def test_multilabel(self) -> None:
        keras = 1 / (1 + np.exp(-3 * normal(300, 4)))
        figures = proven([run(keras)], truth(spec("multilabel"), keras, keras > 0.5), INT8)
        assert figures["f1"] == 1.0
        with pytest.raises(ProofError, match="of 1200 labels get another class"):
            prove("x", [run(1 - keras)], truth(spec("multilabel"), keras), INT8)

    def test_segmentation(self) -> None:
        keras = probabilities(50 * 36, 3).reshape(50, 6, 6, 3)
        of = spec("segmentation", (6, 6, 3))
        figures = proven([run(keras)], truth(of, keras, keras.argmax(axis=-1)), INT8)
        assert (figures["mean_iou"], figures["label_iou"]) == (1.0, 1.0)
        ruined = keras.copy()
        ruined[:, :2] = np.roll(ruined[:, :2], 1, axis=-1)
        with pytest.raises(ProofError, match="600 of 1800 pixels or steps get another class"):
            prove("x", [run(ruined)], truth(of, keras), INT8)

    def test_raw(self) -> None:
        keras = normal(60, 8, 3)
        of = spec("raw", (8, 3))
        assert (
            proven([run(keras + 0.01 * normal(60, 8, 3))], truth(of, keras), INT8)["sqnr_db"] > 30
        )
        with pytest.raises(ProofError, match=r"signal to noise \d.\d dB, at least 20.0 dB wanted"):
            prove("x", [run(keras + 0.5 * normal(60, 8, 3))], truth(of, keras), INT8)

    def test_several_outputs_each_by_its_kind(self) -> None:
        specs = (spec("class", name="what"), spec("regression", (2,), name="where"))
        keras = probabilities(), normal(100, 2)
        known = truth(specs, keras)
        (proof,) = prove("x", [run(*keras)], known, FLOAT)
        what, where = proof.outputs
        assert what.figures["disagreements"] == 0
        assert where.figures["rmse_share"] == [0, 0]
        assert where.bounds.keys() == {"rmse_share", "engine_changes", "golden"}
        with pytest.raises(ProofError, match=r"output 'where': column 1: an RMSE of .* its spread"):
            prove("x", [run(keras[0], keras[1] * np.array([1, 0.5], np.float32))], known, INT8)


class TestWhatClassesCannotSee:
    """A distance of 0..95 and an angle of 0..6.28 from one Dense layer."""

    keras = np.stack([RANDOM.uniform(0, 95, 200), RANDOM.uniform(0, 6.28, 200)], 1).astype("f4")

    @pytest.mark.parametrize("kind", ["regression", "class", "raw"])
    def test_one_constant_for_all_samples(self, kind: str) -> None:
        """It was certified once: every top class agrees, and no error exceeds its bound."""
        constant = np.tile(self.keras.mean(axis=0), (200, 1))
        vast = replace(LOOSE, max_abs_error=100.0, sqnr_db=0.0, rmse_share=2.0)
        said = "column 0, 1 is hardly closer to Keras's than a constant would"
        with pytest.raises(ProofError, match=said):
            prove("int8", [run(constant)], truth(spec(kind, (2,)), self.keras), vast)

    @pytest.mark.parametrize("kind", ["regression", "class"])
    def test_one_ruined_column_beside_a_larger_one(self, kind: str) -> None:
        ruined = self.keras.copy()
        ruined[:, 1] = 3.14
        known = truth(spec(kind, (2,)), self.keras)
        with pytest.raises(ProofError, match="column 1 is hardly closer"):
            prove("int8", [run(ruined)], known, replace(LOOSE, rmse_share=2.0))
        if kind == "regression":
            with pytest.raises(ProofError, match=r"column 1: an RMSE of 10\d\.\d+% of its spread"):
                prove("int8", [run(ruined)], known, INT8)

    def test_an_int8_file_that_answers_one_class_for_all(self) -> None:
        keras = probabilities(200)
        constant = np.tile(keras.mean(axis=0), (200, 1))
        with pytest.raises(ProofError, match="get another class.*column 0, 1, 2, 3 is hardly"):
            prove("int8", [run(constant)], truth(CLASS, keras), INT8)

    def test_one_top_class_everywhere_is_judged_by_the_error(self) -> None:
        """All classes agree, and the bound of the largest error alone is wide."""
        keras = np.column_stack([np.linspace(0.55, 0.95, 200), np.linspace(0.45, 0.05, 200)])
        of = spec("class", (2,))
        figures = proven([run(keras + 1e-3)], truth(of, keras), INT8)
        assert figures["judged_by"] == "error"
        ours = keras[np.argsort(np.sin(np.arange(200) * 7))]
        with pytest.raises(ProofError, match="signal to noise .* dB, at least 20.0 dB wanted"):
            prove("int8", [run(ours)], truth(of, keras), INT8)

    def test_a_class_that_is_hardly_ever_likely_is_no_output_to_judge_by(self) -> None:
        keras = np.column_stack(
            [self.keras[:, 0] / 95, np.full(200, 1e-6), 1 - self.keras[:, 0] / 95]
        )
        keras[::2, 1] = 2e-6
        rounded = keras.copy()
        rounded[:, 1] = 0
        prove("int8", [run(rounded)], truth(spec("class", (3,)), keras), LOOSE)

    def test_a_rare_class_that_is_lost(self) -> None:
        """A class with 1 % of all samples, which the file never predicts."""
        keras = np.full((1000, 1), 0.1, np.float32)
        keras[:10] = 0.9
        lost = keras.copy()
        lost[:10] = 0.49
        known = truth(spec("binary", (1,)), keras)
        with pytest.raises(ProofError, match="10 of the 10 samples to which Keras gives class 1"):
            prove("int8", [run(lost)], known, OWN["int8"])

    def test_one_ruined_label_of_many(self) -> None:
        keras = np.where(RANDOM.random((300, 50)) < 0.1, 0.9, 0.1).astype(np.float32)
        ruined = keras.copy()
        ruined[:, 7] = 0.1
        known = truth(spec("multilabel", (50,)), keras, (keras > 0.5).astype(np.int64))
        with pytest.raises(ProofError, match="labels to which Keras gives label 7 get another"):
            prove("int8", [run(ruined)], known, OWN["int8"])

    def test_sigmoid_values_without_labels(self) -> None:
        """Coordinates in 0..1 with large errors that never cross 0.5."""
        keras = np.where(RANDOM.random((300, 4)) < 0.5, 0.3, 0.7).astype(np.float32)
        keras += RANDOM.uniform(-0.15, 0.15, keras.shape).astype(np.float32)
        known = truth(spec("multilabel"), keras)
        off = np.where(keras > 0.5, 0.95, 0.05).astype(np.float32)
        with pytest.raises(ProofError, match="signal to noise"):
            prove("int8", [run(off)], known, OWN["int8"])

    def test_integers_that_differ(self) -> None:
        keras = np.arange(1000, dtype=np.int64).reshape(1000, 1) % 10
        other = keras.copy()
        other[:60] += 1
        of = OutputSpec("ids", (None, 1), "int64", None, (), "raw", logits=False, threshold=None)
        prove("int8", [run(keras)], truth(of, keras), OWN["int8"])
        with pytest.raises(ProofError, match="60 of 1000 values differ from Keras's"):
            prove("int8", [run(other)], truth(of, keras), OWN["int8"])

    def test_ordinary_values_lost_beside_a_few_far_ones(self) -> None:
        """990 prices of 1..100, all answered with 0, and 10 of 100,000."""
        keras = RANDOM.uniform(1, 100, (1000, 1)).astype(np.float32)
        keras[:10] = 100_000
        zeros = np.where(keras > 100, keras, 0).astype(np.float32)
        known = truth(spec("regression", (1,)), keras)
        with pytest.raises(ProofError, match="column 0 is hardly closer to Keras's than"):
            prove("int8", [run(zeros)], known, OWN["int8"])
        (room,) = golden_tolerance(spec("regression", (1,)), keras, 0.1)
        assert room < 15

    def test_scores_ruined_beside_boxes(self) -> None:
        """Signal to noise over all is about 50 dB: boxes go up to 300, scores to 1."""
        boxes = RANDOM.uniform(0, 300, (60, 20, 4))
        scores = RANDOM.uniform(0, 1, (60, 20, 1))
        keras = np.concatenate([boxes, scores], axis=2).astype(np.float32)
        known = truth(spec("raw", (20, 5)), keras)
        prove("int8", [run(keras + np.float32(0.1))], known, OWN["int8"])
        ruined = keras.copy()
        ruined[..., 4] = 0.5
        with pytest.raises(ProofError, match="column 4 is hardly closer to Keras's than"):
            prove("int8", [run(ruined)], known, OWN["int8"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["class", "regression", "raw"])
def test_outputs_that_are_not_finite_are_refused(kind: str, bad: float) -> None:
    keras = probabilities()
    broken = keras.copy()
    broken[5, 1] = bad
    with pytest.raises(ProofError, match="gives NaN or infinity"):
        prove("x", [run(broken)], truth(spec(kind), keras), LOOSE)


def test_outputs_of_another_shape_are_refused() -> None:
    keras = probabilities()
    with pytest.raises(ProofError, match=r"gives \(50, 4\) instead of \(100, 4\)"):
        prove("x", [run(keras[:50])], truth(CLASS, keras), LOOSE)


class TestEngines:
    """Two engines on one file, each within its bound."""

    def runs(self, one: np.ndarray, other: np.ndarray) -> list[Any]:
        return [run(one), run(other, engine="tflite", version="2")]

    @pytest.mark.parametrize("plain", [True, False])
    def test_that_decide_differently_are_refused(self, plain: bool) -> None:
        keras = probabilities()
        tolerance = replace(LOOSE, engine_changes=0.01, plain=plain)
        runs = self.runs(keras, swapped(keras, 12))
        with pytest.raises(ProofError, match="litert 1 and tflite 2 disagree: on 12 of 100 dec"):
            prove("x", runs, truth(CLASS, keras), tolerance)
        few = self.runs(keras, swapped(keras, 2))
        if plain:
            with pytest.raises(ProofError, match="on 2 of 100 decisions, at most 1.00% allowed"):
                prove("x", few, truth(CLASS, keras), tolerance)
        else:
            prove("x", few, truth(CLASS, keras), tolerance)

    def test_that_are_apart_in_one_column_are_refused(self) -> None:
        keras = normal(200, 2) * np.array([100, 1], np.float32)
        off = np.array([0, 0.035], np.float32)
        known = truth(spec("regression", (2,)), keras)
        runs = self.runs(keras - off, keras + off)
        for each in runs:
            prove("x", [each], known, INT8)
        with pytest.raises(ProofError, match=r"disagree: by [67]\.\d+% of a column's spread"):
            prove("x", runs, known, INT8)

    def test_that_are_apart_in_a_raw_output_are_refused(self) -> None:
        keras = normal(60, 30)
        known, runs = truth(spec("raw", (30,)), keras), self.runs(keras - 0.07, keras + 0.07)
        for each in runs:
            prove("x", [each], known, INT8)
        with pytest.raises(ProofError, match=r"disagree: by 1\d\.\d+% of the output's spread"):
            prove("x", runs, known, INT8)

    def test_a_raw_value_that_is_always_nought_is_no_spread_to_measure_by(self) -> None:
        """A dead pixel of a reconstruction, where int8 kernels differ by one step."""
        keras = normal(60, 30)
        keras[:, 7] = 0
        other = keras + np.float32(0)
        other[:, 7] = 0.01
        prove("x", self.runs(keras, other), truth(spec("raw", (30,)), keras), INT8)


class TestGpus:
    def test_one_is_held_to_its_own_bound_and_named(self) -> None:
        """It sums in another order: an error too large for a CPU may be allowed on a GPU."""
        keras = probabilities()
        off = keras + np.float32(5e-5)
        runs = [run(keras), run(off, device="gpu", adapter=GPU)]
        cpu, gpu = prove("x", runs, truth(CLASS, keras), FLOAT)
        assert (cpu.device, cpu.adapter, gpu.device, gpu.adapter) == ("cpu", "", "gpu", GPU)
        assert cpu.outputs[0].bounds["max_abs_error"] == 1e-5
        assert gpu.outputs[0].bounds["max_abs_error"] == 1e-4
        assert "gpu" not in gpu.outputs[0].bounds
        far = run(keras + np.float32(0.01), device="gpu", adapter=GPU)
        with pytest.raises(ProofError, match=r"x on litert 1 gpu: max abs error 0.01, at most 0.0"):
            prove("x", [far], truth(CLASS, keras), FLOAT)

    @pytest.mark.parametrize(("kind", "bound"), [("regression", "rmse_share"), ("raw", "sqnr_db")])
    def test_so_are_values(self, kind: str, bound: str) -> None:
        keras = normal(200, 4)
        off = keras + np.float32(2e-4) if kind == "raw" else keras * np.float32(1.0003)
        tolerance = replace(FLOAT, gpu=1e-3)
        known = truth(spec(kind), keras)
        with pytest.raises(ProofError):
            prove("x", [run(off)], known, tolerance)
        (proof,) = prove("x", [run(off, device="gpu", adapter=GPU)], known, tolerance)
        assert proof.outputs[0].bounds[bound] == pytest.approx(
            {"rmse_share": 1e-3, "sqnr_db": 60}[bound]
        )

    def test_one_that_disagrees_with_the_cpu_is_refused(self) -> None:
        keras = probabilities()
        runs = [run(keras), run(swapped(keras, 12), device="gpu", adapter=GPU)]
        tolerance = replace(LOOSE, engine_changes=0.01)
        with pytest.raises(ProofError, match="litert 1 and litert 1 gpu disagree: on 12 of 100"):
            prove("x", runs, truth(CLASS, keras), tolerance)

    def test_it_may_be_as_far_from_the_cpu_as_from_keras(self) -> None:
        keras = normal(200, 2)
        half = keras * np.float32(1.03)
        half_as_far = replace(OWN["float16"], rmse_share=0.04)
        on_gpu = run(half, device="gpu", adapter=GPU)
        known = truth(spec("regression", (2,)), keras)
        prove("x", [run(keras), on_gpu], known, OWN["float16"])
        with pytest.raises(ProofError, match="disagree: by [67]"):
            prove("x", [run(2 * keras - half), on_gpu], known, half_as_far)


class TestGoldenTolerance:
    def test_of_decisions_is_one_number_that_grows_with_the_outputs(self) -> None:
        assert golden_tolerance(CLASS, probabilities(), 0.1) == (0.1,)
        large = np.linspace(-50, 50, 400).reshape(100, 4)
        assert golden_tolerance(CLASS, large, 0.1) == (5.0,)

    def test_of_logits_that_lie_close_together_is_less_than_they_differ(self) -> None:
        logits = np.linspace(-0.02, 0.02, 400).reshape(100, 4)
        assert golden_tolerance(CLASS, logits, 0.1) == pytest.approx((0.004,))

    def test_a_masked_logit_gives_the_others_no_room(self) -> None:
        logits = np.column_stack([np.linspace(-9, 9, 100)] * 9 + [np.full(100, -1e9)])
        (room,) = golden_tolerance(spec("class", (10,)), logits, 1e-5)
        assert room <= 1e-4

    @pytest.mark.parametrize("kind", ["class", "regression", "raw"])
    def test_of_a_plan_is_nothing(self, kind: str) -> None:
        """Its bits are the same everywhere; those of a .tflite file are not."""
        for format, allowed in (("plan", False), ("tflite", True)):
            for precision in ("int8", "float32"):
                bound = OWN[precision].of(VariantSpec(format, precision)).golden
                found = golden_tolerance(spec(kind, (4,)), probabilities(), bound)
                assert any(found) == allowed

    @pytest.mark.parametrize("dtype", [np.int64, np.bool_])
    def test_of_integers_and_of_yes_and_no_is_nothing(self, dtype: Any) -> None:
        keras = (np.arange(200).reshape(100, 2) % 2).astype(dtype)
        of = OutputSpec("ids", (None, 2), np.dtype(dtype).name, None, (), "raw", False, None)
        assert golden_tolerance(of, keras, 0.1, keras) == (0.0,)

    def test_of_a_few_values_is_not_their_distance(self) -> None:
        """10, 20 and 30 are not steps of a quantized output: half of one would hide any answer."""
        keras = (10 + 10 * (np.arange(300) % 3)).reshape(300, 1).astype(np.float32)
        (room,) = golden_tolerance(spec("regression", (1,)), keras, 0.1, keras)
        assert room < 3

    def test_of_answers_that_all_lie_close_together_has_room_for_rounding(self) -> None:
        keras = np.linspace(999, 1001, 200).reshape(100, 2).astype(np.float32)
        (room,) = golden_tolerance(spec("class", (2,)), keras, 1e-5)
        assert room >= 8 * float(np.spacing(np.float32(1001)))

    def test_of_a_quantized_output_has_room_for_one_of_its_steps(self) -> None:
        """A column that varies much less than others: engines round it up or down by one step."""
        keras = np.column_stack([np.linspace(0, 255, 500), np.linspace(0, 2, 500)])
        large, small = golden_tolerance(spec("raw", (2,)), keras, 0.1, np.round(keras))
        assert large == pytest.approx(25.5 + 1.5, abs=0.01)
        assert small == pytest.approx(0.2 + 1.5, abs=0.01)
        exact = golden_tolerance(spec("raw", (2,)), keras, 0.1, keras)
        assert exact[1] == pytest.approx(0.2, abs=0.01)

    def test_of_values_is_one_for_each_column(self) -> None:
        """For 1000..1010 and 0..1, one number for both would miss errors in one of them."""
        keras = np.column_stack([np.linspace(1000, 1010, 100), np.linspace(0, 1, 100)])
        large, small = golden_tolerance(spec("regression", (2,)), keras, 0.01)
        assert large == pytest.approx(0.1 + 1e-5 * 1010)
        assert small == pytest.approx(0.01 + 1e-5 * 1.01)

    def test_a_column_has_room_for_the_rounding_of_its_size(self) -> None:
        keras = np.full((10, 1), 1000.0)
        keras[0] = 1000.001
        (room,) = golden_tolerance(spec("regression", (1,)), keras, 1e-5)
        assert room >= 1000 * np.finfo(np.float32).eps

    def test_of_a_wide_output_is_one_for_all(self) -> None:
        assert len(golden_tolerance(spec("raw", (1024,)), normal(3, 1024), 0.1)) == 1024
        assert len(golden_tolerance(spec("raw", (1025,)), normal(3, 1025), 0.1)) == 1

    def test_of_a_picture_is_one_for_each_channel(self) -> None:
        assert len(golden_tolerance(spec("raw", (8, 8, 3)), normal(5, 8, 8, 3), 0.1)) == 3

    def test_of_single_values(self) -> None:
        (one,) = golden_tolerance(spec("regression", ()), np.linspace(0, 2, 9), 0.1)
        assert one == pytest.approx(0.2 + 2e-5)


class TestGoldenSamples:
    def test_half_are_the_hardest_and_they_are_the_same_every_time(self) -> None:
        keras = probabilities(1000)
        known = truth(CLASS, keras)
        chosen = golden_indices(known, [([(keras,)], 0.1)])
        assert len(set(chosen.tolist())) == 128
        assert (np.diff(chosen) > 0).all()
        ordered = np.sort(keras, axis=1)
        hardest = set(np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")[:64].tolist())
        assert hardest <= set(chosen.tolist())
        assert np.array_equal(chosen, golden_indices(known, [([(keras,)], 0.1)]))

    def test_of_one_probability_the_hardest_are_near_its_threshold(self) -> None:
        logits = normal(1000, 1)
        known = truth(spec("binary", (1,), threshold=0.0), logits)
        hardest = set(np.argsort(np.abs(logits[:, 0]), kind="stable")[:64].tolist())
        assert hardest <= set(golden_indices(known, []).tolist())

    def test_they_pass_over_what_healthy_engines_disagree_on(self) -> None:
        keras = probabilities(1000)
        ordered = np.sort(keras, axis=1)
        hardest = int(np.argmin(ordered[:, -1] - ordered[:, -2]))
        other = keras.copy()
        other[hardest] += np.float32(0.2)
        chosen = golden_indices(truth(CLASS, keras), [([(keras,), (other,)], 0.1)])
        assert hardest not in chosen
        assert len(chosen) == 128

    def test_any_output_and_each_column_counts(self) -> None:
        specs = (spec("class", name="what"), spec("regression", (2,), name="where"))
        where = np.column_stack([RANDOM.uniform(1000, 1010, 300), RANDOM.uniform(0, 1, 300)])
        keras = probabilities(300), where
        other = where.copy()
        other[:150, 1] += 0.06  # far for the second column, nothing for the first
        chosen = golden_indices(truth(specs, keras), [([keras, (keras[0], other)], 0.1)])
        assert chosen.min() >= 150

    def test_the_tolerance_grows_with_outputs_larger_than_one(self) -> None:
        keras = probabilities(1000) * np.float32(100)
        other = np.nextafter(keras, np.float32(np.inf))  # one unit in the last place: healthy
        runs: list[tuple[np.ndarray, ...]] = [(keras,), (other,)]
        assert len(golden_indices(truth(CLASS, keras), [(runs, 1e-5)])) == 128

    def test_fewer_samples_than_wanted_are_all_golden(self) -> None:
        assert len(golden_indices(truth(CLASS, probabilities(10)), [])) == 10


def test_the_scale_is_never_below_one() -> None:
    assert judge.scale(probabilities() / 100) == 1.0
    assert judge.scale(np.array([[-30.0, 2.0]])) == 30.0
