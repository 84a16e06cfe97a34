"""Every path to a GPU gives Keras's answers over the whole test set, on the adapter it names."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Exported
from tests.gpu.conftest import CELLS, place_of
from tests.gpu.paths import Cell, Place, engine, figures, has_cuda, python, run, strop

# precision -> disagreements among 10,000 images, largest error of any output
BOUNDS = {"float32": (0, 1e-4), "float16": (5, 0.05)}
NO_F16 = "no shader-f16"
NO_CUDA = "no NVIDIA GPU"


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_it_is_the_same_model(
    cell: Cell, edge: Exported, images: Path, tmp_path: Path, shown: dict[Cell, dict[str, Any]]
) -> None:
    if cell.place == "cuda" and not has_cuda():
        shown[cell] = record(cell, "", "", None, None, 0, NO_CUDA)
        pytest.skip("no NVIDIA GPU here; on a machine that has one: make test-gpu")
    place = place_of(cell.place)
    shown[cell] = record(cell, "", "", None, None, 0, "FAILED")  # until it passes
    answers = tmp_path / "answers.npy"
    asked = ("--engine", engine(cell.path), "--precision", cell.precision, "--device", "gpu")
    command = ("run", edge.bundle("gpu"), images, *asked, "--output", answers, "--json")
    done = strop(python(cell.path, edge), command, place.variables)
    if done.returncode == 2 and "no shader-f16" in done.stderr:
        assert cell.precision == "float16", done.stderr
        assert not answers.exists()
        adapter = done.stderr.partition(" on ")[2].partition(": ")[0]
        shown[cell] = record(cell, "", adapter, None, None, 0, NO_F16)
        return
    assert done.returncode == 0, done.stderr
    model = json.loads(done.stdout)["model"]
    assert model["device"] == f"gpu ({model['adapter']})"
    assert ("software" in model["adapter"]) == (cell.place == "software")
    found = figures(answers, edge.evaluation())
    disagreements, max_abs_error = BOUNDS[cell.precision]
    good = found.disagreements <= disagreements and found.max_abs_error <= max_abs_error
    shown[cell] = record(
        cell,
        model["engine_version"],
        model["adapter"],
        found.disagreements,
        found.max_abs_error,
        found.samples,
        "proven" if good else "FAILED",
    )
    assert found.samples == 10_000
    assert good, f"{cell}: {found}"


def record(
    cell: Cell,
    version: str,
    adapter: str,
    disagreements: int | None,
    max_abs_error: float | None,
    images: int,
    status: str,
) -> dict[str, Any]:
    """Make a row of dist/gpu.json."""
    finite = max_abs_error is not None and math.isfinite(max_abs_error)
    return {
        "path": cell.path,
        "engine": engine(cell.path),
        "engine_version": version,
        "precision": cell.precision,
        "adapter": adapter,
        "images": images,
        "disagreements": disagreements,
        "max_abs_error": max_abs_error if finite else None,
        "status": status,
    }


def test_the_device_proves_it_again(place: Place, edge: Exported) -> None:
    for path in place.paths:
        command = ("check", edge.bundle("gpu"), "--engine", engine(path), "--json")
        done = strop(python(path, edge), command, place.variables)
        assert done.returncode == 0, done.stdout + done.stderr
        results = json.loads(done.stdout)["results"]
        found = {(r["precision"], r["device"]): r for r in results}
        assert set(found) == {(p, d) for p in ("float32", "float16") for d in ("cpu", "gpu")}
        on_gpu = found["float32", "gpu"]
        assert on_gpu["status"] == "passed"
        assert ("software" in on_gpu["detail"]) == (place.name == "software")
        half = found["float16", "gpu"]
        assert half["status"] == "passed" or NO_F16 in half["detail"]


def test_the_doctor_names_the_adapter_and_sees_the_engine_use_it(
    place: Place, edge: Exported
) -> None:
    for path in place.paths:
        done = strop(python(path, edge), ["doctor", "--json"], place.variables)
        said = json.loads(done.stdout)
        assert done.returncode == 0, done.stdout
        assert said["adapters"]
        (found,) = (
            f for f in said["engines"] if (f["engine"], f["device"]) == (engine(path), "gpu")
        )
        assert found["status"] == "works", found


def test_auto_is_what_tuning_measured(place: Place, edge: Exported, tmp_path: Path) -> None:
    """The winner, here as on a real GPU; and the GPU's best if the GPU is requested."""
    variables = {**place.variables, "XDG_CACHE_HOME": str(tmp_path)}
    for path in place.paths:
        interpreter = python(path, edge)
        command = ("tune", edge.bundle("gpu"), "--batch", "64", "--json")
        done = strop(interpreter, command, variables)
        assert done.returncode == 0, done.stderr
        content = json.loads(done.stdout)
        assert content["batch"] == 64
        passed = [c for c in content["candidates"] if c["status"] == "passed"]
        on_gpu = [c for c in passed if c["device"] == "gpu"]
        assert {c["device"] for c in passed} == {"cpu", "gpu"}
        script = (
            "import json, strop, sys\n"
            "with strop.load(sys.argv[1], device=sys.argv[2]) as m:\n"
            "    print(json.dumps([m.engine, m.precision, m.adapter, m.threads, m.tuned]))"
        )
        for device, best in (("auto", content["candidates"][0]), ("gpu", on_gpu[0])):
            said = run(interpreter, ["-c", script, edge.bundle("gpu"), device], variables)
            assert said.returncode == 0, said.stderr
            # LiteRT prints before us.
            assert json.loads(said.stdout.splitlines()[-1]) == [
                *(best["engine"], best["precision"], best["adapter"], best["threads"], True)
            ]


def test_a_program_that_closes_nothing_ends_well(place: Place, edge: Exported) -> None:
    """Native objects that are destroyed in the wrong order crash the process."""
    script = (
        "import strop, sys\n"
        "import numpy as np\n"
        "model = strop.load(sys.argv[1], device='gpu')\n"
        "model.predict(np.zeros((3, 28, 28), np.uint8))\n"
        "print(model.device)"
    )
    for path in place.paths:
        done = run(python(path, edge), ["-c", script, edge.bundle("gpu")], place.variables)
        assert done.returncode == 0, done.stderr
