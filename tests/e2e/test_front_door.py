"""The Makefile and the examples besides export and test: their results and refusals."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
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
    targets = [
        "help",
        "setup",
        "data",
        "train",
        "export",
        "test",
        "bench",
        "lint",
        "demo",
        "digits",
        "clean",
    ]
    assert [target for target in targets if f"  make {target} " not in said] == []


@pytest.mark.alone
@pytest.mark.usefixtures("edge")
def test_make_bench_times_every_engine_that_is_here(exported: Exported) -> None:
    said = make(exported, "bench", "QUICK=1")
    for engine, precision in (("litert", "int8"), ("litert", "float32"), ("onnx", "float32")):
        assert [line for line in said.splitlines() if line.split()[:2] == [engine, precision]]


def test_make_digits_names_ten_digits(exported: Exported) -> None:
    lines = make(exported, "digits").splitlines()
    named = [line for line in lines if ".png: " in line]
    right = [line for line in named if line.split(".png: ")[0][-1] == line.split(".png: ")[1][0]]
    assert len(named) == 10
    assert len(right) >= 9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["help", "OUT="], "OUT is empty: give it a value, or leave it out"),
        (["help", "RECIPE= "], "RECIPE is empty: "),
        (["help", "ARTIFACT=a b"], "ARTIFACT is a folder whose path has no blanks, got 'a b'"),
        (["help", "IMAGES=0"], "IMAGES is a number of images from 1 up, got '0'"),
        (["help", "IMAGES=1'; touch x"], "IMAGES is a number of images from 1 up, got '1'; t"),
        (["digits", "ARTIFACT=artifacts/nope"], "There is no model in artifacts/nope. Train one: "),
        (
            ["-o", "export", "digits", "OUT=/nowhere"],
            "digits: cannot read bundle /nowhere/mnist-mlp-",
        ),
        (
            ["export", "SHAPE=x"],
            "export: argument --shape: 'x' is not a shape; write one such as 28",
        ),
        (
            ["export", "TARGET=x"],
            "export: there is no target 'x'; there are cpu, gpu, mcu, rpi",
        ),
        (["export", "PRECISION=x"], "export: no precision 'x'; ask for float32, "),
        (["export", "MODEL=x.keras"], "export: x.keras needs --calibration FILE.npz"),
        (["on", "BOARD=pi9", "CMD=x"], "lab: there is no board 'pi9'; there are pc, pi2"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("edge")  # make would train it
def test_a_wrong_variable_is_one_line(words: list[str], says: str) -> None:
    done = run("make", "--silent", *words, cwd=ROOT, check=False)
    assert done.returncode == 2
    line, *others = done.stderr.splitlines()
    assert says in line
    # A make that another make started has its level in brackets.
    assert [other for other in others if not re.match(r"make(\[\d+\])?: \*\*\* ", other)] == []


@pytest.mark.parametrize(
    ("example", "words", "says"),
    [
        ("digits", [], "usage: "),
        ("digits", ["none", "none"], "digits: cannot read none/evaluation.npz: No such file"),
        ("digits", ["labels", "none"], "digits: labels/evaluation.npz holds no test digits: "),
        ("classify", [], "usage: "),
        ("classify", ["none.strop", "a.png"], "classify: cannot read bundle none.strop: No such"),
        ("camera", ["none.strop", "."], "camera: cannot read bundle none.strop: No such file"),
    ],
)
def test_a_wrong_use_of_an_example_is_one_line(
    example: str, words: list[str], says: str, tmp_path: Path
) -> None:
    (tmp_path / "labels").mkdir()
    np.savez(tmp_path / "labels" / "evaluation.npz", inputs=np.zeros(3), labels=np.zeros(3))
    app = ROOT / "examples" / f"{example}.py"
    done = run(sys.executable, app, *words, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


def test_the_smallest_app_names_a_picture(exported: Exported) -> None:
    make(exported, "digits")
    app = (sys.executable, ROOT / "examples" / "classify.py")
    picture = exported.dist / "digits" / "7.png"
    assert ": 7 (" in run(*app, exported.bundle("cpu"), picture).stdout
    refused = run(*app, exported.bundle("cpu"), exported.dist / "none.png", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("classify: cannot read")
