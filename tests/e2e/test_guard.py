"""An int8 file that loses too much is mended, and the export says how."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from strop.bundle.open import open_bundle
from tests.environments import ROOT, run
from tests.unit.export import guard_kit

EXPORT = (sys.executable, "-m", "strop_export")
QUANTIZED = {"int8", "mixed", "int16x8", "dynamic"}
BOARD = """
description = "a board"
platforms = ["linux-aarch64"]
requirements = "litert.txt"
extra = "litert"
engines = ["litert", "onnx"]
variants = [
    {format = "tflite", precision = "int8"},
    {format = "tflite", precision = "float32"},
    {format = "onnx", precision = "int8"},
]
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The export of a model with outlier weights, half a point of accuracy allowed."""
    folder = tmp_path_factory.mktemp("guard")
    files = guard_kit.outlier(folder)
    (folder / "board.toml").write_text(BOARD, encoding="utf-8")
    return [
        *(*EXPORT, "--model", files.model, "--calibration", files.calibration),
        *("--evaluation", files.evaluation, "--max-drop", "0.5"),
        *("--target", folder / "board.toml", "--out", folder / "dist"),
    ]


def test_outlier_weights_get_a_small_file_that_holds(command: list[Any]) -> None:
    done = run(*command, cwd=ROOT)
    out: Path = command[-1]
    report = json.loads((out / "report.json").read_bytes())
    assert report["max_drop"] == 0.5
    sizes = {(row["format"], row["precision"]): row["bytes"] for row in report["variants"]}
    assert {entry["format"] for entry in report["guard"]} == {"tflite", "onnx"}
    for entry in report["guard"]:
        first, *_, last = entry["steps"]
        (figures,) = (output["figures"] for output in first["outputs"])
        assert figures["keras_accuracy"] - figures["accuracy"] > 0.3
        assert (first["holds"], last["holds"], entry["shipped"]) == (False, True, True)
        assert entry["chosen"] in QUANTIZED
        assert (entry["calibrating"], entry["held_out"]) == (225, 75)
        assert sizes[entry["format"], entry["chosen"]] <= sizes["tflite", "float32"] / 2
        assert f"{entry['format']} int8 did not hold (accuracy 0." in done.stdout
    for row in report["variants"]:
        assert row["accuracy"] >= report["keras"]["accuracy"] - 0.005
    assert "misses: trying int8, percentile ranges" in done.stdout
    assert "## In the place of int8" in (out / "report.md").read_text(encoding="utf-8")
    manifest = open_bundle(out / "m-board.strop").manifest
    assert manifest.variants[0].precision in QUANTIZED  # it has int8's place


def test_a_second_export_tells_the_path_again(command: list[Any]) -> None:
    done = run(*command, cwd=ROOT)
    assert "nothing to do" in done.stdout
    assert "tflite int8, judged on 75 held-out samples:" in done.stdout
    assert "tflite int8 did not hold" in done.stdout
