"""The path in the report: on the screen if another file ships; on the page, with the reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from strop.bundle.manifest import Judged, OutputSpec
from strop_export import guarded, markdown, page, report, targets
from strop_export.bundles import Proven
from strop_export.errors import ProofError
from strop_export.finishing import Finished, Refused
from strop_export.formats import Converted, Quantization, VariantSpec
from strop_export.formats.base import Ranked
from strop_export.guard import Path, Tried
from tests.unit.export.outputs import spec

INT8, DYNAMIC = VariantSpec("tflite", "int8"), VariantSpec("tflite", "dynamic")
MIXED = replace(INT8, precision="mixed", quantization=Quantization(float_layers=("dense_1",)))
HALF = VariantSpec("tflite", "float16")
RANKING = (Ranked("dense_1", 3.21, 640, 640), Ranked("dense", 40.0, 100, 100))


def judged(accuracy: float | None, agreement: float) -> Judged:
    keras = None if accuracy is None else 0.868
    figures = {"accuracy": accuracy, "keras_accuracy": keras, "top1_agreement": agreement}
    return Judged({**figures, "disagreements": 12}, {"accuracy_loss": 0.01})


MISS = Tried("int8", INT8, (judged(0.119, 0.1),), 75, 62_592, 1.0, "50 samples get another class")
HOLD = Tried("mixed, dense_1 in float", MIXED, (judged(0.865, 0.99),), 300, 62_024, 0.9)


def entry(
    *tried: Tried,
    shipped: bool = True,
    of: tuple[OutputSpec, ...] = (spec("class"),),
    **more: Any,
) -> dict[str, Any]:
    last = tried[-1].spec
    variants = (Proven(last, Converted(b"", (), ()), (), (), ()),) if shipped else ()
    path = Path(INT8, tried, 225, 75, **more)
    made = Finished(targets.load("cpu"), "m-cpu.strop", b"", of, variants, (), ())
    (found,) = guarded.entries([replace(made, guarded=(path,))])
    json.dumps(found, allow_nan=False)
    return found


def content(*found: dict[str, Any]) -> dict[str, Any]:
    parts = ("refused", "left_out", "not_on_gpu", "variants", "layers")
    notes: dict[str, Any] = {part: [] for part in parts}
    keras = {
        "samples": 1000,
        "accuracy": 0.9,
        "self_evaluated": False,
        "outputs": [],
        "metric": None,
    }
    examined = {"samples": 225, "held_out": 75, "warnings": [], "settling": None}
    made = {"model": "m", "keras": keras, "calibration": examined, "bundles": []}
    return {**made, "without_native": "", "guard": list(found), "footprints": [], **notes}


def test_an_int8_file_that_holds_says_nothing() -> None:
    held = entry(replace(MISS, fault=""))
    assert list(report.tables(content(held), 80)) == []
    assert list(report.notes(content(held))) == []
    assert "In the place of int8" not in page.to_markdown(content(held)).decode()


def test_another_file_has_a_table_and_a_line() -> None:
    found = entry(MISS, HOLD)
    assert list(report.notes(content(found))) == [
        "m-cpu.strop: tflite int8 did not hold (accuracy 0.119, Keras 0.868): mixed, dense_1 in "
        "float does (accuracy 0.865, Keras 0.868, agreement 0.990; 62,024 bytes)"
    ]
    title, _, head, first, last, _ = report.tables(content(found), None)
    assert title == "tflite int8, judged on 75 held-out samples:"
    assert head.split() == ["step", "bytes", "samples", "in", "integers", "accuracy", "disagree"]
    assert first.split() == ["int8", "62,592", "75", "100%", "0.1190", "12", "misses"]
    assert last.split()[-1] == "holds"


@pytest.mark.parametrize("room", [45, 60, 80])
def test_a_table_fits_the_screen(room: int) -> None:
    lines = list(report.tables(content(entry(MISS, HOLD)), room))
    assert max(map(len, lines)) <= room


def test_bundles_with_the_same_path_share_a_table() -> None:
    one = entry(MISS, HOLD)
    lines = list(guarded.tables([one, {**one, "bundle": "m-rpi.strop"}], None))
    assert len([line for line in lines if line.startswith("tflite int8")]) == 1


def test_the_page_says_why_each_step_fails() -> None:
    written = page.to_markdown(content(entry(MISS, HOLD))).decode()
    assert "## In the place of int8" in written
    assert "- int8: 50 samples get another class" in written
    assert "| mixed, dense\\_1 in float | 62,024 | 300 | 90% | 0.8650 | 12 | holds |" in written


def test_a_float_file_names_the_layer_that_prevents_int8() -> None:
    stopped = "1 layer in float (dense_1) would leave 3% of the operations in integers"
    half = Tried("float16", HALF, (judged(0.868, 1.0),), 300, 112_576, 0.0)
    found = entry(MISS, half, ranking=RANKING, stopped=stopped)
    (line,) = report.notes(content(found))
    assert line.endswith(
        "float16 does (accuracy 0.868, Keras 0.868, agreement 1.000; 112,576 bytes); layer dense_1 "
        "loses most (SQNR 3.2 dB with it alone in integers)"
    )
    assert f"mixed stopped: {stopped}" in report.tables(content(found), None)
    line = f"- mixed stopped: {markdown.escaped(stopped)}"
    assert line in page.to_markdown(content(found)).decode()
    assert guarded.is_float(found)
    assert not guarded.is_float(entry(MISS, HOLD))
    assert found["ranking"][0] == {
        "layer": "dense_1",
        "damage_db": 3.21,
        "weights": 640,
        "operations": 640,
    }


def test_a_file_that_fails_its_proof_is_not_said_to_ship() -> None:
    found = entry(MISS, HOLD, shipped=False)
    assert (found["chosen"], found["shipped"]) == ("mixed", False)
    assert "62,024 bytes), but failed its proof" in guarded.note(found)


def test_a_refused_target_has_its_path_in_the_report() -> None:
    path = Path(INT8, (MISS, replace(HOLD, fault="too old")), 225, 75)
    refused = Refused(
        targets.load("cpu"), "m-cpu.strop", ProofError("no"),
        outputs=(spec("class"),), guarded=(path,),
    )  # fmt: skip
    (found,) = guarded.entries([refused])
    assert (found["chosen"], found["shipped"]) == (None, False)
    assert [step["name"] for step in found["steps"]] == ["int8", "mixed, dense_1 in float"]


def test_a_step_without_figures_has_a_row_with_its_name() -> None:
    dead = Tried("int8", INT8, fault="TensorFlow's converter died of SIGSEGV")
    found = entry(dead, Tried("dynamic", DYNAMIC, (judged(None, 1.0),), 300, 4_000, 0.5))
    assert "cannot be written (TensorFlow's converter died of SIGSEGV): dynamic" in guarded.note(
        found
    )
    rows = list(guarded.tables([found], None))
    assert rows[3].split() == ["int8", "-", "-", "-", "-", "-", "fails"]


def test_if_no_file_holds_that_is_said() -> None:
    found = entry(MISS, replace(HOLD, fault="still"), ranking=RANKING, shipped=False)
    assert (found["chosen"], found["shipped"]) == (None, False)
    assert ": no other file does; layer dense_1 loses most" in guarded.note(found)
    assert guarded.is_float(found)


@pytest.mark.parametrize(
    ("kind", "figures", "bounds", "said"),
    [
        ("regression", {"rmse_share": [0.01, 0.123]}, {"rmse_share": 0.05}, "rmse 12.30%"),
        ("raw", {"sqnr_db": 12.34}, {"sqnr_db": 30.0}, "SQNR 12.3 dB"),
        ("raw", {"agreement": 0.5, "disagreements": 7}, {"sqnr_db": 30.0}, "agreement 0.500"),
        ("segmentation", {"agreement": 0.9, "disagreements": 90}, {"pixels": 0.02}, None),
        ("class", {"sqnr_db": 1.2}, {"sqnr_db": 30.0}, "SQNR 1.2 dB"),
        ("multilabel", {"sqnr_db": 1.2}, {"sqnr_db": 30.0}, "SQNR 1.2 dB"),
        ("class", {"max_abs_error": 0.5}, {}, "why not"),
        ("raw", {"sqnr_db": 50.0}, {"sqnr_db": 30.0}, "why not"),
        ("regression", {"rmse_share": [0.01]}, {"rmse_share": 0.05}, "why not"),
    ],
)
def test_the_line_has_the_figure_that_missed_or_the_reason(
    kind: str, figures: dict[str, Any], bounds: dict[str, float], said: str | None
) -> None:
    """A lost class, a large error and a column that is constant are in no figure."""
    decided = {"accuracy": None, "agreement": 1.0, "disagreements": 0}
    missed = Judged({**decided, **figures}, {"disagreements": 0.02, **bounds})
    found = entry(replace(MISS, outputs=(missed,), fault="why not"), HOLD)
    for step in found["steps"]:
        step["outputs"][0]["kind"] = kind
    assert f"did not hold ({said or 'agreement 0.900'}): " in guarded.note(found)


def test_the_line_compares_the_same_figure_of_the_same_output() -> None:
    def outputs(**figures: float) -> tuple[Judged, ...]:
        decided = {"accuracy": None, "top1_agreement": 1.0, "disagreements": 0}
        bounds = {"disagreements": 0.02, "accuracy_loss": 0.01}
        good = Judged({**decided, "sqnr_db": 99.0}, {**bounds, "sqnr_db": 30.0})
        return good, good._replace(figures={**decided, **figures})

    wrong = replace(MISS, outputs=outputs(sqnr_db=3.0), at_fault=1)
    right = replace(HOLD, outputs=outputs(sqnr_db=41.0))
    of = spec("class", name="where"), spec("class", name="what")
    found = entry(wrong, right, of=of)
    line = guarded.note(found)
    assert "did not hold (output 'what': SQNR 3.0 dB): " in line
    assert " does (output 'what': SQNR 41.0 dB; " in line
