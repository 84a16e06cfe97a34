"""An app developer's first steps: install the wheel in an empty environment, check, predict."""

from __future__ import annotations

import json
import platform
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Exported
from tests.environments import installed, python_of, run

MODERN = ((3, 11), (3, 12), (3, 13), (3, 10))
TFLITE = ((3, 11), (3, 10))  # the Pythons with wheels of tflite-runtime 2.14

# environment -> the wheel's extras, its bundle's target, the engine it runs, the Pythons it takes
ENVIRONMENTS = {
    "native": ("[native]", "cpu", "native", MODERN[:-1]),
    "litert": ("[litert]", "cpu", "litert", MODERN),
    "onnx": ("[onnx]", "cpu", "onnx", MODERN),
    "tflite": ("[tflite]", "rpi", "tflite", TFLITE),
    "numpy-alone": ("", "cpu", "reference", MODERN),
}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def device(request: pytest.FixtureRequest, edge: Exported) -> tuple[Path, Path, str]:
    """Interpreter, bundle and engine of one environment."""
    extras, target, engine, versions = ENVIRONMENTS[request.param]
    files = [f"{edge.wheel}{extras}"]
    if engine == "native":
        files += map(str, edge.dist.glob(f"strop_native-*_{platform.machine()}.whl"))
    python = installed(request.param, python_of(*versions), *files)
    return python, edge.bundle(target), engine


@pytest.fixture(scope="module")
def seven(edge: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seven, the first image of the test set, as an array and as a picture."""
    folder = tmp_path_factory.mktemp("seven")
    evaluation = edge.evaluation()
    image = evaluation["inputs"][evaluation["labels"].tolist().index(7)]
    np.save(folder / "seven.npy", image)
    Image.fromarray(image).save(folder / "seven.png")
    return folder


def test_it_holds_the_runtime_and_one_engine_and_no_tensorflow(
    device: tuple[Path, Path, str],
) -> None:
    python, _, engine = device
    listed = run(python, "-m", "pip", "list", "--format", "json").stdout
    names = {entry["name"].lower() for entry in json.loads(listed)}
    packages = {
        "native": "strop-native",
        "litert": "ai-edge-litert",
        "onnx": "onnxruntime",
        "tflite": "tflite-runtime",
    }
    assert names & set(packages.values()) == ({packages[engine]} if engine in packages else set())
    assert "strop" in names
    assert not {name for name in names if name.startswith(("tensorflow", "keras"))}


def test_check_passes(device: tuple[Path, Path, str], tmp_path: Path) -> None:
    python, bundle, engine = device
    done = run(python, "-m", "strop", "check", bundle, "--json", cwd=tmp_path)
    results = json.loads(done.stdout)["results"]
    ran = {result["engine"] for result in results if result["status"] == "passed"}
    assert ran == {engine, "reference"}
    assert {r["status"] for r in results if r["engine"] not in ran} <= {"absent"}


def test_check_insists_on_an_engine_that_is_absent(device: tuple[Path, Path, str]) -> None:
    python, bundle, engine = device
    other = "onnx" if engine != "onnx" else "litert"
    done = run(python, "-m", "strop", "check", bundle, "--engine", other, check=False)
    assert done.returncode == 2
    assert f"pip install './strop-0.1.0-py3-none-any.whl[{other}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_run_names_the_digit(device: tuple[Path, Path, str], seven: Path) -> None:
    python, bundle, engine = device
    done = run(python, "-m", "strop", "run", bundle, seven / "seven.npy", "--json")
    said = json.loads(done.stdout)
    assert said["model"]["engine"] == engine
    assert [prediction["label"] for prediction in said["predictions"]] == ["7"]


def test_a_picture_without_pillow_exits_2_with_the_install_line(
    device: tuple[Path, Path, str], seven: Path
) -> None:
    python, bundle, _ = device
    done = run(python, "-m", "strop", "run", bundle, seven / "seven.png", check=False)
    assert done.returncode == 2
    assert "pip install './strop-0.1.0-py3-none-any.whl[images]'" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_install_line_of_a_message_does_what_it_says(
    edge: Exported, seven: Path, tmp_path: Path
) -> None:
    """With only NumPy a picture cannot be read; after the install line it can."""
    python = tmp_path / "bin" / "python"
    run(python_of(*MODERN), "-m", "venv", tmp_path)
    run(python, "-m", "pip", "install", "--quiet", edge.wheel)
    command = (python, "-m", "strop", "run", edge.bundle("cpu"), seven / "seven.png")
    refused = run(*command, check=False)
    assert refused.returncode == 2
    (line,) = re.findall(r"pip install '[^']+'", refused.stderr)
    pip, install, wheel = shlex.split(line)
    run(tmp_path / "bin" / pip, install, "--quiet", wheel, cwd=edge.dist)
    assert run(*command).stdout.split()[1] == "7"


def test_a_picture_with_pillow_names_the_digit(edge: Exported, seven: Path) -> None:
    python = installed("images", python_of(*MODERN), f"{edge.wheel}[litert,images]")
    black_on_white = seven / "inverted.png"
    Image.open(seven / "seven.png").point(lambda level: 255 - level).save(black_on_white)
    bundle = edge.bundle("cpu")
    done = run(python, "-m", "strop", "run", bundle, seven / "seven.png", black_on_white, "--json")
    labels = [prediction["label"] for prediction in json.loads(done.stdout)["predictions"]]
    assert labels == ["7", "7"]


def test_the_requirements_of_a_target_install_with_hashes_from_its_own_folder(
    edge: Exported,
) -> None:
    """The README's device part: copy dist/, pip install -r, strop check."""
    arguments = ("--require-hashes", "-r", "requirements-cpu.txt")
    interpreter = installed("requirements-cpu", python_of(*MODERN), *arguments, cwd=edge.dist)
    command = interpreter.with_name("strop")
    done = run(command, "check", edge.bundle("cpu"))
    ran = {line.split()[0] for line in done.stdout.splitlines() if " passed " in line}
    assert {"litert", "reference"} <= ran <= {"native", "litert", "reference"}
    version = run(interpreter, "-c", "import sys; print(sys.version_info >= (3, 11))").stdout
    assert ("native" in ran) == (version.strip() == "True")
