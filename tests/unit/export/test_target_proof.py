"""A target's proof: a variant that fails does not affect the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import targets
from strop_export.errors import ConversionError, ProofError
from strop_export.formats import Converted, VariantSpec
from strop_export.metric import Metric
from strop_export.proof.prove import Truth, prove
from strop_export.proof.runs import Job, Workstation
from strop_export.proof.target import Judged, choose_golden, prove_target
from strop_export.tolerances import tolerances
from tests.unit.export.outputs import OWN, run, spec, truth

TARGET = targets.load("cpu")
HERE = Workstation((), {(name, "cpu"): Path("python") for name in TARGET.engines}, {})
KERAS = np.linspace(90_000, 110_000, 200, dtype=np.float32).reshape(200, 1)
TRUTH = truth(spec("regression", (1,)), KERAS)
FILE = Converted(b"", (), ())


def judged(reference: Truth = TRUTH, by_metric: bool = False, **wrong: np.ndarray) -> Judged:
    """The proof of a target whose files answer as Keras does, except for some precisions."""
    bounds = tolerances("mine", by_metric=by_metric)
    runs = {
        Job(variant, engine, "cpu"): run(wrong.get(variant.precision, KERAS), engine=engine)
        for variant in TARGET.variants
        for engine in TARGET.engines_of(variant)
    }
    files: dict[VariantSpec, Converted | ConversionError] = dict.fromkeys(TARGET.variants, FILE)
    return prove_target(TARGET, files, runs, HERE, reference, bounds, strict=False)


def test_all_that_agree_pass() -> None:
    found = judged()
    assert len(found.passed) == len(TARGET.variants)
    assert not found.left_out


def test_one_that_overflows_is_left_out_and_chooses_no_golden_samples() -> None:
    """float16 ends at 65,504: its infinities once left no sample on which engines agree."""
    found = judged(float16=np.full_like(KERAS, np.inf))
    assert {p.spec.precision for p in found.passed} == {"float32", "dynamic", "int8"}
    (reason,) = found.left_out
    assert reason.startswith("tflite float16 on litert 1: gives NaN or infinity; try more")
    assert len(choose_golden(TRUTH, [KERAS], [found], OWN)) == 128


def test_one_that_fails_in_the_bundle_is_dropped_by_name() -> None:
    found = judged()
    found.drop({("tflite", "int8"): "tflite int8: strop check on litert: differs"})
    assert ("tflite", "int8") not in {(p.spec.format, p.spec.precision) for p in found.passed}
    assert found.left_out == ["tflite int8: strop check on litert: differs"]


def test_an_engine_that_fails_is_no_matter_of_bounds() -> None:
    variant = TARGET.variants[0]
    runs = {job: ProofError("strop run gave exit 139") for job in jobs()}
    files: dict[VariantSpec, Converted | ConversionError] = dict.fromkeys(TARGET.variants, FILE)
    found = prove_target(TARGET, files, runs, HERE, TRUTH, OWN, strict=False)
    assert not found.passed
    assert found.left_out[0] == f"{variant.format} {variant.precision}: strop run gave exit 139"


def jobs() -> list[Job]:
    return [Job(v, engine, "cpu") for v in TARGET.variants for engine in TARGET.engines_of(v)]


class TestAMetric:
    @staticmethod
    def reference(metric: Metric) -> Truth:
        return replace(TRUTH, labels=(KERAS,), metric=metric)

    @staticmethod
    def closeness(outputs: Any, labels: Any) -> float:
        return -float(np.abs(outputs - labels).mean())

    def test_it_replaces_the_bound_of_a_quantized_file(self) -> None:
        far = KERAS + np.float32(1000)  # 17 % of the spread
        assert [reason.split(" on ")[0] for reason in judged(int8=far).left_out] == [
            "plan int8", "tflite int8", "onnx int8"
        ]  # fmt: skip
        lenient = self.reference(Metric("closeness", self.closeness, 1000))
        found = judged(lenient, by_metric=True, int8=far)
        assert not found.left_out
        by_precision = {p.spec.precision: p.measured for p in found.passed}
        assert {each.found for each in by_precision["int8"]} == {-1000}
        assert {each.found for each in by_precision["float32"]} == {0}

    def test_a_file_below_it_is_left_out_with_both_figures(self) -> None:
        strict = self.reference(Metric("closeness", self.closeness, 10))
        near = KERAS + np.float32(20)  # within the bounds of its kind
        assert not judged(int8=near).left_out
        reason, *_ = judged(strict, by_metric=True, int8=near).left_out
        assert reason.startswith(
            "plan int8 on native 1: closeness -20 against Keras's 0, a loss of at most 10 "
            "allowed; try "
        )
        assert reason.endswith("--metric)")

    def test_a_float_file_must_hold_by_both(self) -> None:
        lenient = self.reference(Metric("closeness", self.closeness, 10_000))
        (reason,) = judged(lenient, by_metric=True, float16=KERAS + np.float32(1000)).left_out
        assert "an RMSE of" in reason
        strict = self.reference(Metric("closeness", self.closeness, 1))
        near = KERAS + np.float32(0.4)
        assert not judged(strict, by_metric=True, float32=near).left_out
        (reason, *_) = judged(strict, by_metric=True, float16=KERAS + np.float32(20)).left_out
        assert "closeness -20 against Keras's 0" in reason

    def test_infinity_a_dead_column_and_engines_that_disagree_fail_whatever_it_says(self) -> None:
        blind = self.reference(Metric("blind", lambda *_: 1.0, 0.5))
        broken = {"tflite": np.full_like(KERAS, np.nan), "onnx": np.full_like(KERAS, 100_000)}
        for answers, said in zip(broken.values(), ("NaN or infinity", "column 0"), strict=True):
            reason, *_ = judged(blind, by_metric=True, int8=answers).left_out
            assert said in reason
        apart = [run(KERAS), run(KERAS + np.float32(1000), engine="tflite")]
        with pytest.raises(ProofError, match="disagree: by .* of a column's spread"):
            prove("int8", apart, blind, tolerances("mine", by_metric=True)["int8"])

    def test_one_that_fails_on_a_file_leaves_it_out(self) -> None:
        def fails(outputs: Any, labels: Any) -> float:
            return 1.0 if np.array_equal(outputs, labels) else [][0]

        found = judged(self.reference(Metric("fails", fails, 1)), by_metric=True, int8=KERAS + 1)
        assert found.left_out[0].startswith(
            "plan int8 on native 1: metric fails raised IndexError: list index out of range; try"
        )

    def test_it_is_asked_for_keras_once(self) -> None:
        asked = []

        def counts(outputs: Any, labels: Any) -> float:
            asked.append(outputs is None)
            return 1.0

        found = judged(self.reference(Metric("counts", counts, 0)), by_metric=True)
        assert len(asked) == 1 + sum(len(p.proofs) for p in found.passed)
