"""The proof of plans for pages: what it accepts, what it refuses, and what export then writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from strop.bundle.file import parse_bundle
from strop.model.arrays import npz
from strop_export import targets
from strop_export.errors import EngineMissing, ProofError
from strop_export.proof import web
from strop_export.proof.prove import Run
from tests import bundles
from tests.contract import plan_referee, plan_sample
from tests.environments import ROOT
from tests.web import plans


@pytest.fixture
def page(node: str, module: Path) -> web.Page:
    return web.Page(Path(node), module)


def here(change: float = 0.0) -> Run:
    """The referee's answers for the samples of `plans.several`."""
    samples = plan_sample.inputs(150)
    outputs = plan_referee.outputs(plans.pair().to_bytes(), *samples)
    outputs[0] = outputs[0].copy()
    outputs[0][149, 1, 2] += change
    return Run("native", "0.1.0", tuple(outputs))


def proven(page: web.Page, folder: Path, run: Run) -> Run:
    draft, samples = plans.several().write(folder / "small.strop"), folder / "samples.npz"
    pixels, numbers = plan_sample.inputs(150)
    samples.write_bytes(npz({"bytes": pixels, "Zahlen für später": numbers}))
    return page.run(draft, samples, run)


def test_a_run_with_the_same_bits_is_that_of_node(page: web.Page, tmp_path: Path) -> None:
    run = proven(page, tmp_path, here())

    assert run.version.startswith("0.1.0 (Node ")
    assert [array.shape for array in run.outputs] == [(150, 2, 3), (150, 6), (150, 6)]


def test_one_other_bit_is_no_proof(page: web.Page, tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="other bits for shares than native"):
        proven(page, tmp_path, here(1e-6))


def test_a_finished_bundle_is_checked(page: web.Page, tmp_path: Path) -> None:
    draft = plans.classifier()
    good = draft.write(tmp_path / "good.strop")
    assert page.check(good, ["float32"]) == {}
    with pytest.raises(ProofError, match="has no int8 variant for native"):
        page.check(good, ["float32", "int8"])

    draft.put(draft.variant["golden"][0], bundles.npy(np.zeros((6, 3), np.float32)))
    bad = draft.write(tmp_path / "bad.strop")
    assert list(page.check(bad, ["float32"])) == [("plan", "float32")]
    folder = page.folder(bad, targets.load("web"), {})
    assert list(folder.fallen) == [("plan", "float32")]
    assert b"bad.strop" in folder.files["example.mjs"]


def test_a_broken_bundle_is_an_error_in_one_line(page: web.Page, tmp_path: Path) -> None:
    path = tmp_path / "cut.strop"
    path.write_bytes(plans.classifier().pack()[:-1])
    with pytest.raises(ProofError) as caught:
        page.check(path, ["float32"])

    assert "do not match the SHA-256 at its end" in str(caught.value)


@pytest.mark.usefixtures("node")
def test_without_a_compiler_its_own_words_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang/__init__.py").write_text("")
    (tmp_path / "ziglang/__main__.py").write_text("raise SystemExit('no space for a.o')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(web, "cache", lambda name: tmp_path / name)
    with pytest.raises(EngineMissing) as caught:
        web.find_page()

    assert str(caught.value) == (
        "the module for pages cannot be built: no space for a.o; "
        "pip install ziglang, or run make setup"
    )


@pytest.mark.parametrize("version", [None, "v16.20.2", "nonsense"])
def test_without_node_the_mend_is_named(
    version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    if version:
        _node(tmp_path, version)
    with pytest.raises(EngineMissing) as caught:
        web.find_page()

    assert version is None or version in caught.value.problem
    assert "apt install nodejs" in caught.value.mend


def test_node_is_found_beside_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))
    assert web.find_node() is None
    beside = _node(tmp_path / "venv/bin", "v20.0.0")
    assert web.find_node() == str(beside)
    first = _node(tmp_path, "v20.0.0")
    assert web.find_node() == str(first)


def _node(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    node = folder / "node"
    node.write_text(f"#!/bin/sh\necho {version}\n", encoding="ascii")
    node.chmod(0o755)
    return node


def test_export_proves_and_writes_what_a_page_needs(
    node: str, edge_artifact: Path, zig_cache: None, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "strop_export", "--target", "web", "--precision", "int8"]
    command += ["--artifact", str(edge_artifact), "--out", str(tmp_path)]
    made, again = (
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True) for _ in range(2)
    )
    assert (made.returncode, again.returncode) == (0, 0), made.stderr + again.stderr
    assert "up to date" in again.stdout

    bundle = parse_bundle((tmp_path / "mnist-mlp-web.strop").read_bytes())
    plan, *others = bundle.manifest.variants
    (proof,) = plan.proofs
    assert (plan.format, plan.precision, proof.samples) == ("plan", "int8", 10_000)
    assert proof.version.startswith("0.1.0 (Node ")
    assert sorted(variant.format for variant in others) == ["onnx", "tflite"]
    assert _batches(bundle.read(next(v for v in others if v.format == "tflite"))) == {1}
    report = json.loads((tmp_path / "report.json").read_bytes())
    files = {entry["file"] for entry in report["bundles"][0]["folder"]}
    assert {"mnist-mlp-web/strop.mjs", "mnist-mlp-web/strop.wasm"} <= files
    example = [node, str(tmp_path / "mnist-mlp-web" / "example.mjs")]
    said = subprocess.run(example, capture_output=True, text=True, check=True).stdout
    assert said.startswith("mnist-mlp int8 passed")


def _batches(model: bytes) -> set[int]:
    """The batches of a .tflite file's inputs and outputs, as engines read them."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    borders = interpreter.get_input_details() + interpreter.get_output_details()
    return {int(border["shape_signature"][0]) for border in borders}
