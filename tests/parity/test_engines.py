"""Every engine at every precision, against Keras, over all 10,000 test images; both heads."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from strop.bundle.open import open_bundle
from tests.bounds import BOUNDS
from tests.compared import compare
from tests.conftest import Exported
from tests.environments import run
from tests.needs import unavailable

Outputs = NDArray[np.float32]

CASES = [
    *(("cpu", "litert", precision) for precision in ("float32", "float16", "dynamic", "int8")),
    *(("cpu", "onnx", precision) for precision in ("float32", "int8")),
    ("cpu", "reference", "float32"),
    *(("cpu", "native", precision) for precision in ("float32", "int8")),
    *(("rpi", "litert", precision) for precision in ("float32", "float16", "dynamic", "int8")),
    *(("rpi", "tflite", precision) for precision in ("float32", "float16", "dynamic", "int8")),
    *(("gpu", engine, p) for engine in ("onnx", "litert") for p in ("float32", "float16")),
]


@pytest.fixture(params=["edge", "notebook"])
def exported(request: pytest.FixtureRequest) -> tuple[str, Exported]:
    return request.param, request.getfixturevalue(request.param)


class Ask(Protocol):
    def __call__(self, exported: Exported, target: str, engine: str, precision: str) -> Outputs: ...


@pytest.fixture
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    """Return an engine's answers to all test images, here or in tflite-runtime's environment."""

    def answers(exported: Exported, target: str, engine: str, precision: str) -> Outputs:
        if engine != "tflite":
            with strop.load(exported.bundle(target), engine=engine, precision=precision) as model:
                outputs: Outputs = model.predict(exported.evaluation()["inputs"])
                return outputs
        python = request.getfixturevalue("tflite_python")
        return run_elsewhere([python], exported, target, engine, precision, tmp_path)

    return answers


def run_elsewhere(
    python: list[object],
    exported: Exported,
    target: str,
    engine: str,
    precision: str,
    folder: Path,
) -> Outputs:
    """Return them through the command line, with the built wheel."""
    bundle = exported.bundle(target)
    images = exported.evaluation()["inputs"]
    np.save(folder / "images.npy", images)
    options = ("--engine", engine, "--precision", precision, "--output", folder / "answers.npy")
    environment = {**os.environ, "PYTHONPATH": str(exported.wheel)}
    command = ("-m", "strop", "run", bundle, folder / "images.npy", *options)
    run(*python, *command, cwd=folder, env=environment)
    return np.asarray(np.load(folder / "answers.npy"), np.float32)


@pytest.mark.parametrize(("target", "engine", "precision"), CASES)
def test_it_is_the_same_model(
    exported: tuple[str, Exported],
    target: str,
    engine: str,
    precision: str,
    ask: Ask,
) -> None:
    name, made = exported
    evaluation = made.evaluation()
    outputs = ask(made, target, engine, precision)
    figures = compare(outputs, evaluation["outputs"], evaluation["labels"])
    per_tensor = " per-tensor" if (target, precision) == ("rpi", "dynamic") else ""
    disagreements, error, loss = BOUNDS[name, precision + per_tensor]
    assert figures.samples == 10_000
    assert figures.disagreements <= disagreements
    assert figures.max_abs_error <= error
    assert figures.accuracy is not None
    assert figures.keras_accuracy is not None
    assert 100 * (figures.keras_accuracy - figures.accuracy) <= loss + 1e-9


def test_one_int8_file_on_two_kernels_changes_at_most_2_classes(
    exported: tuple[str, Exported], ask: Ask
) -> None:
    """XNNPACK (LiteRT) and the built-in kernels (tflite-runtime 2.14) round differently."""
    _, made = exported
    one, other = (ask(made, "rpi", engine, "int8") for engine in ("litert", "tflite"))
    assert (one.argmax(axis=1) != other.argmax(axis=1)).sum() <= 2


@pytest.mark.parametrize("engine", ["litert", "onnx"])
def test_one_int8_file_without_vnni_changes_at_most_2_classes(
    exported: tuple[str, Exported], ask: Ask, engine: str, tmp_path: Path
) -> None:
    """int8 kernels differ by CPU: the same bundle, on one of 2013 that QEMU emulates."""
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        unavailable("no qemu-x86_64 to emulate a CPU without VNNI", "apt install qemu-user")
    name, made = exported
    evaluation = made.evaluation()
    haswell: list[object] = [emulator, "-cpu", "Haswell", sys.executable]
    there = run_elsewhere(haswell, made, "cpu", engine, "int8", tmp_path)
    here = ask(made, "cpu", engine, "int8")
    assert (here.argmax(axis=1) != there.argmax(axis=1)).sum() <= 2
    disagreements, _, loss = BOUNDS[name, "int8"]
    figures = compare(there, evaluation["outputs"], evaluation["labels"])
    assert figures.disagreements <= disagreements
    assert figures.accuracy is not None
    assert figures.keras_accuracy is not None
    assert 100 * (figures.keras_accuracy - figures.accuracy) <= loss + 1e-9


def test_the_report_holds_what_is_measured_here(exported: tuple[str, Exported]) -> None:
    """Export writes report.json; its figures must equal those of these tests."""
    _, made = exported
    evaluation = made.evaluation()
    rows = {
        (row["target"], row["engine"], row["precision"]): row for row in made.report["variants"]
    }
    proven = {case for case in CASES if case[0] not in made.missing}
    assert proven
    assert proven <= rows.keys()
    with strop.load(made.bundle("cpu"), engine="litert", precision="int8") as model:
        figures = compare(
            model.predict(evaluation["inputs"]), evaluation["outputs"], evaluation["labels"]
        )
    row = rows["cpu", "litert", "int8"]
    assert row["disagreements"] == figures.disagreements
    assert row["accuracy"] == figures.accuracy
    assert row["max_abs_error"] == figures.max_abs_error
    assert row["top1_agreement"] == figures.top1_agreement
    assert row["bytes"] <= 49_152


@pytest.mark.parametrize("engine", ["native", "litert", "onnx", "reference"])
def test_a_batch_and_its_samples_one_by_one_are_the_same(edge: Exported, engine: str) -> None:
    images = edge.evaluation()["inputs"][:64]
    with strop.load(edge.bundle("cpu"), engine=engine, precision="float32") as model:
        batch = model.predict(images)
        single = np.concatenate([model.predict(image) for image in images])
    assert np.abs(batch - single).max() <= 1e-5


def test_all_bundles_for_cpus_have_the_same_plans_first(edge: Exported) -> None:
    """A PC, a Pi and a Zero give the same bits: `strop check` allows no difference."""
    found = set()
    for target in {"cpu", "rpi", "rpi32"} - edge.missing:
        manifest = open_bundle(edge.bundle(target)).manifest
        assert manifest.engines[0] == "native"
        int8, whole, *others = manifest.variants
        assert [(v.format, v.precision) for v in (int8, whole)] == [
            ("plan", "int8"), ("plan", "float32")
        ]  # fmt: skip
        assert "plan" not in {variant.format for variant in others}
        for variant in (int8, whole):
            assert variant.inputs[0].dtype == "uint8"
            assert [golden.tolerance for golden in variant.golden] == [(0.0,)]
        assert (int8.rounding, whole.rounding) == ("float", None)
        assert int8.bytes <= 46 * 1024
        found.add((int8.sha256, whole.sha256))
    assert len(found) == 1


@pytest.mark.parametrize("engine", ["native", "litert", "onnx", "reference"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_views_are_read_as_numpy_reads_them(edge: Exported, engine: str, precision: str) -> None:
    """Strided, reversed and read-only arrays reach native code; none may be misread."""
    if (engine, precision) == ("reference", "int8"):
        precision = "float32"
    images = edge.evaluation()["inputs"][:8]
    views = [images[::2], images[:, ::-1, ::-1], images.transpose(0, 2, 1), images[3:4, ::-1]]
    frozen = images[:1].copy()
    frozen.flags.writeable = False
    with strop.load(edge.bundle("cpu"), engine=engine, precision=precision) as model:
        for view in (*views, frozen):
            assert np.array_equal(model.predict(view), model.predict(view.copy()))
