"""The trial of every model of the zoo: the export command, check, and each engine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import strop
from strop_export.rules import is_past, proportion
from tests.environments import run
from tests.models.zoo import build
from tests.models.zoo.specimen import Specimen

# A fifth less time for the larger models; the others are exported in every precision.
_TWO_PRECISIONS = ("vision", "sequence", "tiny")
STATED = "max_abs_error"  # a figure of every kind: the largest difference from Keras


@dataclass(frozen=True)
class Trial:
    """A specimen, and the folder with its export."""

    specimen: Specimen
    bundle: Path
    report: dict[str, Any]


def begin(family: str, name: str, folder: Path) -> Trial:
    """Build a model and export it for the target cpu.

    The command runs in the folder, where this checkout's tests are not importable.
    """
    specimen = build(family, name)
    assert specimen.figure() > specimen.learnt, "it has learnt too little for a proof to mean much"
    out = folder / "dist"
    options = [*specimen.write(folder), "--name", name.replace("_", "-"), "--target", "cpu"]
    if family in _TWO_PRECISIONS:
        options += ["--precision", "float32,int8"]
    run(sys.executable, "-m", "strop_export", *options, "--out", out, cwd=folder)
    report = json.loads((out / "report.json").read_bytes())
    (bundle,) = out.glob("*.strop")
    return Trial(specimen, bundle, report)


def finish(trial: Trial) -> None:
    """Check the bundle against its specimen: kinds, variants, warnings, check, answers."""
    _has_the_kinds(trial)
    _says_what_keras_achieves(trial)
    require_variants(trial)
    _warns_of_no_honest_calibration(trial)
    _passes_check(trial)
    _gives_keras_answers(trial)


def _has_the_kinds(trial: Trial) -> None:
    wanted = trial.specimen.kinds
    for row in trial.report["variants"]:
        found = {output["name"]: output["kind"] for output in row["outputs"]}
        assert list(found.values()) == list(wanted.values())
        assert len(wanted) == 1 or list(found) == list(wanted)  # a single output needs no name


def _says_what_keras_achieves(trial: Trial) -> None:
    """Compare the accuracy that export states for Keras, of the first output, with our own."""
    if trial.specimen.labels()[0] is None:
        return
    for row in trial.report["variants"]:
        stated = row["outputs"][0]["figures"].get("keras_accuracy")
        if stated is not None:
            assert abs(stated - trial.specimen.figure()) <= 0.005


def require_variants(trial: Trial) -> None:
    """Look for the variants; where a format is guarded, a mixed file does as well as int8."""
    there = {(row["format"], row["precision"]) for row in trial.report["variants"]}
    for entry in trial.report["guard"]:
        asked = (entry["format"], entry["asked"])
        if entry["format"] in trial.specimen.guarded:
            there |= {asked} if entry["shipped"] and entry["chosen"] == "mixed" else set()
        elif asked in trial.specimen.must:
            assert _held(entry["steps"][0]), entry["steps"][0]["reason"]
    reasons = [note["reason"] for note in trial.report["left_out"]]
    assert trial.specimen.must <= there, reasons
    assert not trial.report["refused"]


def _held(step: dict[str, Any]) -> bool:
    """Tell whether plain int8 held, or missed its bound on the few samples by no more than chance.

    The guard moves on even then. The models are trained here, and each CPU rounds in its own way.
    """
    if step["holds"]:
        return True
    counted = [output for output in step["outputs"] if "disagreements" in output["figures"]]
    return bool(counted) and not any(
        is_past(
            proportion(output["figures"]["disagreements"], step["samples"]),
            output["bounds"]["disagreements"],
        )
        for output in counted
    )


def _warns_of_no_honest_calibration(trial: Trial) -> None:
    warnings = trial.report["calibration"]["warnings"]
    assert [warned["kind"] for warned in warnings] == list(trial.specimen.warned), warnings
    picture = trial.bundle.parent / f"{trial.report['model']}-calibration.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def _passes_check(trial: Trial) -> None:
    """Replay the golden samples; every engine of the target is installed here."""
    done = run(sys.executable, "-m", "strop", "check", trial.bundle, "--json")
    results = json.loads(done.stdout)["results"]
    assert {result["status"] for result in results} == {"passed"}, results


def _gives_keras_answers(trial: Trial) -> None:
    """Run the evaluation samples as an app does, on each engine that a file is proven on."""
    expected = trial.specimen.answers()
    for row in trial.report["variants"]:
        engine, precision = row["engine"], row["precision"]
        with strop.load(trial.bundle, engine=engine, precision=precision, device="cpu") as model:
            found = predicted(model, trial.specimen)
        for answer, keras, output in zip(found, expected, row["outputs"], strict=True):
            where = f"{row['format']} {precision} on {engine}: {output['name']}"
            assert answer.shape == keras.shape, where
            apart = np.abs(answer.astype(np.float64) - keras.astype(np.float64)).max()
            slack = trial.specimen.rounding * max(1.0, float(np.abs(keras).max()))
            assert apart <= output["figures"][STATED] + slack, where


def predicted(model: strop.Model, specimen: Specimen) -> list[NDArray[Any]]:
    """Return a bundle's answers to the evaluation samples, one array for each output, in order."""
    given: Any = specimen.inputs()
    if list(given) == ["inputs"]:
        given = given["inputs"]
    found: Any = model.predict(given)
    if isinstance(found, dict):
        return [found[name] for name in specimen.kinds]
    return list(found) if isinstance(found, list | tuple) else [found]
