"""The Makefile's targets and the examples besides export and test."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Exported
from tests.environments import ROOT, run


@pytest.fixture
def exported(edge: Exported, tmp_path: Path) -> Exported:
    """Copy the export: some targets write beside it, and other tests read the original."""
    return replace(edge, dist=Path(shutil.copytree(edge.dist, tmp_path / "dist")))


def make(exported: Exported, target: str, *more: str) -> str:
    """Run a target on the existing export; `-o` makes `export` count as done."""
    variables = (f"OUT={exported.dist}", f"ARTIFACT={exported.artifact}")
    return run("make", "-o", "export", target, *variables, *more, cwd=ROOT).stdout


def test_make_alone_prints_help_for_every_target() -> None:
    said = run("make", cwd=ROOT).stdout
    targets = ["help", "setup", "data", "train", "export", "test", "bench", "lint", "demo", "clean"]
    assert [target for target in targets if f"  make {target} " not in said] == []


@pytest.mark.alone
@pytest.mark.usefixtures("edge")
def test_make_bench_times_every_engine_that_is_here(exported: Exported) -> None:
    said = make(exported, "bench", "QUICK=1")
    for engine, precision in (("litert", "int8"), ("litert", "float32"), ("onnx", "float32")):
        assert [line for line in said.splitlines() if line.split()[:2] == [engine, precision]]


def test_make_demo_names_ten_digits(exported: Exported) -> None:
    lines = make(exported, "demo").splitlines()
    named = [line for line in lines if ".png: " in line]
    right = [line for line in named if line.split(".png: ")[0][-1] == line.split(".png: ")[1][0]]
    assert len(named) == 10
    assert len(right) >= 9


def test_the_smallest_app_names_a_picture(exported: Exported) -> None:
    make(exported, "demo")
    app = (sys.executable, ROOT / "examples" / "classify.py")
    picture = exported.dist / "demo" / "7.png"
    assert ": 7 (" in run(*app, exported.bundle("cpu"), picture).stdout
    refused = run(*app, exported.bundle("cpu"), exported.dist / "none.png", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("classify: cannot read")
