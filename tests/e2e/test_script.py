"""Export from one's own script: the exporter's wheel in its own environment."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.environments import ROOT, installed, pinned, python_of, run

SCRIPT = """
import sys
import numpy as np
import keras
import strop_export

folder, out, *targets = sys.argv[1:]
model = keras.saving.load_model(f"{folder}/model.keras")
with np.load(f"{folder}/calibration.npz") as train, np.load(f"{folder}/evaluation.npz") as test:
    x_train, x_test, y_test = train["inputs"], test["inputs"][:1000], test["labels"][:1000]
result = strop_export.export(
    model, calibration=x_train[:500], evaluation=(x_test, y_test), target=targets, out=out
)
print(result)
"""


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with TensorFlow and the exporter's wheel."""
    built = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built, cwd=ROOT / "export")
    (wheel,) = built.glob("strop_export-*.whl")
    python = python_of((3, 11), (3, 12), (3, 13))
    return installed(
        "exporter", python, "tensorflow", f"{wheel}[mcu]", *pinned("dev"), with_uv=True
    )


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A current folder that holds nothing and cannot be written."""
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    return folder


def test_ten_lines_give_bundles_for_every_board(
    exporter: Path, edge_artifact: Path, elsewhere: Path, tmp_path: Path
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    given = (edge_artifact, out, "cpu", "rpi", "rpi32", "mcu")
    done = run(exporter, "-c", SCRIPT, *given, cwd=elsewhere, env=environment)
    assert not any(elsewhere.iterdir())
    assert (cache / "strop-export" / "engines" / "tflite" / "made-from").is_file()
    lines = done.stdout.splitlines()
    assert "step 1 of 7: reading model.keras" in lines
    assert any(line.startswith("step 7 of 7: writing") for line in lines)
    bundles = sorted(path.name for path in out.glob("*.strop"))
    name = bundles[0].removesuffix("-cpu.strop")
    assert bundles == [f"{name}-{target}.strop" for target in ("cpu", "mcu", "rpi", "rpi32")]
    assert f"cpu: {out / bundles[0]}" in lines
    report = json.loads((out / "report.json").read_bytes())
    assert not report["refused"]
    assert not report["left_out"]
    engines = {row["engine"] for row in report["variants"]}
    assert engines == {"native", "litert", "tflite", "onnx", "reference"}
    kernels = {path.name for path in (out / f"{name}-mcu" / "src" / "strop").iterdir()}
    assert {"kernels.h", "int8_layers.c"} <= kernels  # which the exporter's wheel carries too
    assert report["footprints"]
    assert len(list(out.glob("strop_native-*.whl"))) == 4  # which the exporter's wheel carries
    run(sys.executable, "-m", "strop", "check", out / bundles[0], cwd=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = run(exporter, "-c", SCRIPT, *given, cwd=elsewhere, env=environment).stdout
    assert "step 1" not in again  # nothing has changed: the result is there
    assert f"cpu: {out / bundles[0]}" in again
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_without_an_index_the_targets_that_need_one_are_refused_by_name(
    exporter: Path, edge_artifact: Path, elsewhere: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
    }
    script = (
        SCRIPT.replace("result = ", "make = lambda: ").replace("print(result)", "") + "try:\n"
        "    make()\n"
        "except strop_export.TargetRefused as refusal:\n"
        "    print(refusal.kind, *refusal.result.bundles, *refusal.result.refused)\n"
        "    print(refusal)\n"
    )
    given = (edge_artifact, out, "cpu", "rpi32")
    done = run(exporter, "-c", script, *given, cwd=elsewhere, env=environment)
    *_, names, said = done.stdout.splitlines()
    assert names == "refused cpu rpi32"
    assert "rpi32.strop refused: engine tflite" in said
    assert [path.name.rpartition("-")[2] for path in out.glob("*.strop")] == ["cpu.strop"]


def test_the_command_line_is_the_same(
    exporter: Path, edge_artifact: Path, elsewhere: Path, tmp_path: Path
) -> None:
    command = exporter.parent / "strop-export"
    said = run(command, "--list-targets", cwd=elsewhere).stdout
    assert {line.split()[0] for line in said.splitlines()} >= {"cpu", "gpu", "rpi", "rpi32"}
    done = run(command, "none.keras", "--calibration", "none.npz", cwd=elsewhere, check=False)
    assert done.returncode == 2
    said = "cannot read the model file none.keras: No such file or directory"
    assert done.stderr == f"export: {said}\n"
