"""What the Makefile and the examples offer beyond export and test does what it says."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import Exported
from tests.environments import ROOT, run


def make(edge: Exported, target: str, *more: str) -> str:
    """Run a target on what is exported already; `-o` takes `export` for done."""
    variables = (f"OUT={edge.dist}", f"ARTIFACT={edge.artifact}")
    return run("make", "-o", "export", target, *variables, *more, cwd=ROOT).stdout


def test_make_alone_prints_help_for_every_target() -> None:
    said = run("make", cwd=ROOT).stdout
    targets = ["help", "setup", "data", "train", "export", "test", "bench", "lint", "demo", "clean"]
    assert [target for target in targets if f"  make {target} " not in said] == []


@pytest.mark.alone
@pytest.mark.usefixtures("edge")
def test_make_bench_times_every_engine_that_is_here(edge: Exported) -> None:
    said = make(edge, "bench", "QUICK=1")
    for engine, precision in (("litert", "int8"), ("litert", "float32"), ("onnx", "float32")):
        assert [line for line in said.splitlines() if line.split()[:2] == [engine, precision]]


def test_make_demo_names_ten_digits(edge: Exported) -> None:
    lines = make(edge, "demo").splitlines()
    named = [line for line in lines if ".png: " in line]
    right = [line for line in named if line.split(".png: ")[0][-1] == line.split(".png: ")[1][0]]
    assert len(named) == 10
    assert len(right) >= 9


def test_the_smallest_app_names_a_picture(edge: Exported) -> None:
    make(edge, "demo")
    app = (sys.executable, ROOT / "examples" / "classify.py")
    picture = edge.dist / "demo" / "7.png"
    assert ": 7 (" in run(*app, edge.bundle("cpu"), picture).stdout
    refused = run(*app, edge.bundle("cpu"), edge.dist / "none.png", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("classify: cannot read")
