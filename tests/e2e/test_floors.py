"""A file's requirements on an engine, from the target's TOML to a device that is too old."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import strop
from strop.bundle import archive
from strop.errors import EngineUnavailable
from strop_export.floors import table as floor
from strop_export.floors.releases import PACKAGES
from strop_export.paths import TARGETS
from tests.conftest import Exported
from tests.environments import ROOT, installed, python_of, run

EXPORT = (sys.executable, "-m", "strop_export")
PROJECT = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text(encoding="utf-8"))

PYTHONS = ((3, 11), (3, 10))  # the Pythons for which all these releases have wheels

SMALL = """
description = "a board"
platforms = ["linux-aarch64"]
requirements = "litert.txt"
extra = "litert"
engines = ["litert", "reference"]

[[variants]]
format = "tflite"
precision = "float32"

[[variants]]
format = "weights"
precision = "float32"
"""


@pytest.mark.usefixtures("tflite_python")
def test_a_file_too_new_for_one_engine_is_refused_before_anything_runs_it(
    edge_artifact: Path, tmp_path: Path
) -> None:
    rpi = (TARGETS / "rpi.toml").read_text(encoding="utf-8")
    board, out = tmp_path / "myboard.toml", tmp_path / "dist"
    board.write_text(rpi.replace("per_channel = false", "per_channel = true"), encoding="utf-8")
    out.mkdir()
    (out / "mnist-mlp-myboard.strop").write_bytes(b"an earlier export's")
    done = run(
        *(*EXPORT, "--artifact", edge_artifact, "--out", out),
        *("--target", board, "--target", "gpu"),
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said == (
        "export: mnist-mlp-myboard.strop refused: tflite dynamic needs FULLY_CONNECTED version 12 "
        "where tflite 2.14.0 takes 10 at most; set per_channel = false for it in myboard.toml, or "
        "remove tflite from the engines in myboard.toml"
    )
    assert {path.name for path in out.glob("*.strop")} == {"mnist-mlp-gpu.strop"}
    steps = " ".join(done.stdout.split())
    assert "converting to tflite dynamic" in steps
    assert "running tflite float16 on litert" in steps  # gpu's
    assert "running tflite dynamic" not in steps
    assert "on tflite" not in steps
    (refusal,) = json.loads((out / "report.json").read_bytes())["refused"]
    assert refusal["target"] == "myboard"


def test_a_target_of_one_s_own_is_made_once_and_again_when_it_changes(
    edge_artifact: Path, tmp_path: Path
) -> None:
    board, out = tmp_path / "board.toml", tmp_path / "dist"
    board.write_text(SMALL, encoding="utf-8")
    command = (*EXPORT, "--artifact", edge_artifact, "--out", out, "--target", board)
    assert "converting" in run(*command, cwd=ROOT).stdout
    bundle = (out / "mnist-mlp-board.strop").read_bytes()
    assert "nothing to do" in run(*command, cwd=ROOT).stdout
    board.write_text(SMALL.replace('["linux-aarch64"]', '["linux-armv7l"]'), encoding="utf-8")
    assert "converting" in run(*command, cwd=ROOT).stdout
    assert (out / "mnist-mlp-board.strop").read_bytes() != bundle


def test_the_manifest_says_the_lowest_release_of_every_engine(edge: Exported) -> None:
    for target in {"cpu", "gpu", "rpi", "rpi32"} - edge.missing:
        for variant in json.loads(_members(edge.bundle(target))[archive.MANIFEST])["variants"]:
            engines = {proof["engine"]: proof["version"] for proof in variant["proofs"]}
            floors = variant["requires"]["engines"]
            # A plan has a version in its header, which the native engine checks.
            assert floors.keys() == engines.keys() - {"reference", "native"}
            assert all(Version(floors[name]) <= Version(engines[name]) for name in floors)


def test_an_engine_below_the_floor_is_refused_before_it_sees_the_file(
    edge: Exported, tmp_path: Path
) -> None:
    members = _members(edge.bundle("cpu"))
    manifest = json.loads(members[archive.MANIFEST])
    variant = next(v for v in manifest["variants"] if "litert" in v["requires"]["engines"])
    variant["requires"]["engines"]["litert"] = "99.1"
    members[archive.MANIFEST] = json.dumps(manifest).encode("ascii")
    newer = tmp_path / "newer.strop"
    newer.write_bytes(archive.pack(members))
    with pytest.raises(EngineUnavailable) as caught:
        strop.load(newer, engine="litert")
    said = str(caught.value)
    assert said.startswith(f"{variant['file']} needs engine 'litert' 99.1 or newer and 2.")
    assert "is installed; pip install './strop-0.1.0-py3-none-any.whl[litert]'" in said


@pytest.mark.parametrize("engine", ["litert", "onnx"])
def test_the_lowest_release_that_the_wheel_allows_passes_check(
    engine: str, edge: Exported, tmp_path: Path
) -> None:
    (extra,) = PROJECT["project"]["optional-dependencies"][engine]
    allowed = Requirement(extra).specifier
    release = next(r for r in floor.read(engine).releases if r in allowed)
    packages = (f"{edge.wheel}[{engine}]", f"{PACKAGES[engine]}=={release}")
    python = installed(f"lowest-{engine}", python_of(*PYTHONS), *packages)
    assert _checked(python, edge.bundle("cpu"), engine, tmp_path) == {("passed", release)}


def test_the_lowest_release_that_the_manifest_names_passes_check(
    edge: Exported, tmp_path: Path
) -> None:
    """LiteRT's, whose oldest releases have wheels for current Pythons."""
    manifest = json.loads(_members(edge.bundle("cpu"))[archive.MANIFEST])
    floors = [variant["requires"]["engines"].get("litert") for variant in manifest["variants"]]
    (release,) = set(filter(None, floors))
    packages = (str(edge.wheel), f"{PACKAGES['litert']}=={release}", "numpy<2")
    python = installed("floor-litert", python_of(*PYTHONS), *packages)
    assert _checked(python, edge.bundle("cpu"), "litert", tmp_path) == {("passed", release)}


def _checked(python: Path, bundle: Path, engine: str, folder: Path) -> set[tuple[str, str]]:
    """The results of `strop check` for an engine's variants: status, and version or error."""
    done = run(python, "-m", "strop", "check", bundle, "--json", cwd=folder, check=False)
    results = json.loads(done.stdout)["results"]
    return {(r["status"], r["detail"]) for r in results if r["engine"] == engine}


def _members(bundle: Path) -> dict[str, bytes]:
    return {name: bytes(view) for name, view in archive.unpack(bundle.read_bytes()).items()}
