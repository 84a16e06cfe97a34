"""A user's first minutes on each board: doctor, check, and a bundle that cannot be trusted."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import boards, native
from native.wheels import SHIPPED
from strop import engines
from tests.conftest import Exported
from tests.devices.laboratory import Laboratory
from tests.environments import ROOT, run

BOARDS = boards.names()


def diagnosis(laboratory: Laboratory, board: str, *words: object, **options: Any) -> dict[str, Any]:
    """The output of `strop doctor --json` on a board, with the engines by name."""
    done = laboratory.strop(board, "doctor", "--json", *words, **options)
    content: dict[str, Any] = json.loads(done.stdout)
    content["engines"] = {finding["engine"]: finding for finding in content["engines"]}
    content["exit"] = done.returncode
    return content


@pytest.mark.parametrize("board", BOARDS)
def test_doctor_names_what_works_and_what_has_no_wheel(board: str, laboratory: Laboratory) -> None:
    asked = boards.load(board)
    said = diagnosis(laboratory, board)
    assert said["exit"] == 0
    assert said["board"] == f"{asked.description}, emulated by QEMU"
    assert said["python"].startswith(f"{asked.python}.")
    for engine, finding in said["engines"].items():
        if engine in asked.engines or engines.TABLE[engine].package is None:
            assert finding["status"] == "works", finding
            assert finding["version"]
        else:
            assert finding["status"] == "absent", finding
            assert "no wheel" in finding["reason"]
            assert finding["mend"].startswith("use ")


@pytest.mark.parametrize("board", BOARDS)
def test_doctor_sees_the_emulated_processor(board: str, laboratory: Laboratory) -> None:
    cpu = diagnosis(laboratory, board)["cpu"]
    model, has, lacks = {
        "zero": ("ARMv6", "VFP", "NEON"),
        "pi2": ("Cortex-A7", "NEON", "dot product (asimddp)"),
        "pi3": ("Cortex-A53", "NEON", "dot product (asimddp)"),
        "pi4": ("Cortex-A72", "NEON", "dot product (asimddp)"),
        "pi5": ("Cortex-A76", "dot product (asimddp)", "SVE"),
        "pc": ("QEMU Haswell-noTSX", "AVX2", "AVX-512 VNNI"),
    }[board]
    assert cpu["model"].startswith(model)
    assert has in cpu["features"]
    assert lacks not in cpu["features"]


@pytest.mark.parametrize("board", BOARDS)
def test_check_proves_every_variant_again(board: str, laboratory: Laboratory) -> None:
    engines = set()
    for target in boards.load(board).bundles:
        done = laboratory.strop(board, "check", laboratory.exported.bundle(target), "--json")
        results = json.loads(done.stdout)["results"]
        assert done.returncode == 0, results
        assert {result["status"] for result in results} <= {"passed", "absent"}
        engines |= {result["engine"] for result in results if result["status"] == "passed"}
    assert engines == set(boards.load(board).engines)


@pytest.mark.parametrize("board", BOARDS)
def test_the_pure_wheel_needs_numpy_alone(
    board: str, laboratory: Laboratory, tmp_path: Path
) -> None:
    for path in laboratory.machine(board).site.iterdir():
        if path.name == "strop" or path.name.startswith(("strop-", "numpy")):
            (tmp_path / path.name).symlink_to(path)
    bundle = laboratory.exported.bundle(boards.load(board).bundles[0])
    command = ["python3", "-m", "strop", "check", str(bundle), "--json"]
    place = {"PYTHONPATH": str(tmp_path)}
    done = laboratory.run(board, command, installed=False, variables=place)
    results = json.loads(done.stdout)["results"]
    assert done.returncode == 0, results
    passed = {result["engine"] for result in results if result["status"] == "passed"}
    absent = {result["engine"] for result in results if result["status"] == "absent"}
    assert passed == {"reference"}
    assert "native" in absent


@pytest.mark.parametrize("machine", SHIPPED)
def test_dist_has_the_wheel_that_runs_on_the_boards(machine: str, edge: Exported) -> None:
    wheel = native.build(machine)
    assert wheel
    assert (edge.dist / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("board", BOARDS)
def test_a_damaged_bundle_is_refused(board: str, laboratory: Laboratory, tmp_path: Path) -> None:
    """One bit of a model file is flipped, with a matching archive digest: its hash differs."""
    from tests.bundles import reseal

    whole = laboratory.exported.bundle(boards.load(board).bundles[0]).read_bytes()
    at = whole.rindex(b"TFL3") + 1000
    damaged = tmp_path / "damaged.strop"
    damaged.write_bytes(reseal(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]))
    for command in ("info", "check"):
        done = laboratory.strop(board, command, damaged)
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert f"{damaged} refused" in done.stderr


def test_doctor_says_that_numpy_2_is_wrong_for_tflite_runtime(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    from lab.wheels import platform_options

    options = ["--quiet", "--no-deps", "--ignore-requires-python", "--no-compile"]
    platform = platform_options(boards.load("pi4"))
    command = [sys.executable, "-m", "pip", "install", *options, *platform, "--target", tmp_path]
    run(*command, "numpy==2.4.6")
    said = diagnosis(laboratory, "pi4", variables={"PYTHONPATH": str(tmp_path)})
    finding = said["engines"]["tflite"]
    assert said["exit"] == 1
    assert said["numpy"] == "2.4.6"
    assert finding["status"] == "broken"
    assert finding["reason"].startswith(
        "tflite-runtime 2.14 was built for numpy 1 and this is numpy 2.4.6"
    )
    assert finding["mend"] == "pip install 'numpy<2'"
    others = {name: f["status"] for name, f in said["engines"].items() if name != "tflite"}
    assert others == dict.fromkeys(("native", "litert", "onnx", "reference"), "works")


def test_doctor_survives_a_real_illegal_instruction(laboratory: Laboratory) -> None:
    """LiteRT's wheel needs SSE4, which a Core 2 of 2006 lacks."""
    said = diagnosis(laboratory, "pc", cpu="core2duo")
    assert said["exit"] == 1
    assert said["engines"]["litert"]["status"] == "broken"
    assert said["engines"]["litert"]["reason"].startswith("died of SIGILL (illegal instruction)")
    others = {name: f["status"] for name, f in said["engines"].items() if name != "litert"}
    assert others == dict.fromkeys(("native", "tflite", "onnx", "reference"), "works")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"import os; os.kill(os.getpid(), {int(signal.SIGILL)})", "died of SIGILL"),
        ("import time; time.sleep(600)", "did not answer in 45 s"),
    ],
    ids=["dies", "hangs"],
)
def test_doctor_goes_on_after_an_engine_that(
    body: str, reason: str, laboratory: Laboratory, tmp_path: Path
) -> None:
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text(body + "\n", encoding="ascii")
    place = {"PYTHONPATH": str(tmp_path)}
    said = diagnosis(laboratory, "pi4", "--timeout", 45, variables=place)
    assert said["exit"] == 1
    assert said["engines"]["onnx"]["status"] == "broken"
    assert reason in said["engines"]["onnx"]["reason"]
    assert said["engines"]["reference"]["status"] == "works"
    assert said["engines"]["litert"]["status"] == "works"


@pytest.mark.parametrize(
    ("command", "output", "status"),
    [
        ("python3 -c 'import platform; print(platform.machine())'", "aarch64\n", 0),
        ("python3 -c \"import sys; print('two  words'); sys.exit(3)\"", "two  words\n", 2),
        ("strop --version; pip --version | cut -d' ' -f1", "strop 0.1.0\npip\n", 0),
    ],
)
def test_make_on_runs_a_command_there(
    command: str, output: str, status: int, laboratory: Laboratory, tmp_path: Path
) -> None:
    """In a folder with a file that is called like a module, as people's are. Make's own failure
    is a 2, whatever the command's.
    """
    laboratory.machine("pi4")
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')\n", encoding="ascii")
    there = f"cd '{tmp_path}'; {command}"
    done = run("make", "--silent", "on", "BOARD=pi4", f"CMD={there}", cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (status, output), done.stderr
