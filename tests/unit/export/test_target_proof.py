"""A target's proof: a variant that fails does not affect the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from strop_export import targets
from strop_export.errors import ConversionError, ProofError
from strop_export.formats import Converted, VariantSpec
from strop_export.proof.runs import Job, Workstation
from strop_export.proof.target import Judged, choose_golden, prove_target
from tests.unit.export.outputs import OWN, run, spec, truth

TARGET = targets.load("cpu")
HERE = Workstation((), {(name, "cpu"): Path("python") for name in TARGET.engines}, {})
KERAS = np.linspace(90_000, 110_000, 200, dtype=np.float32).reshape(200, 1)
TRUTH = truth(spec("regression", (1,)), KERAS)
FILE = Converted(b"", (), ())


def judged(**wrong: np.ndarray) -> Judged:
    """The proof of a target whose files answer as Keras does, except for some precisions."""
    runs = {
        Job(variant, engine, "cpu"): run(wrong.get(variant.precision, KERAS), engine=engine)
        for variant in TARGET.variants
        for engine in TARGET.engines_of(variant)
    }
    files: dict[VariantSpec, Converted | ConversionError] = dict.fromkeys(TARGET.variants, FILE)
    return prove_target(TARGET, files, runs, HERE, TRUTH, OWN, strict=False)


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
