"""The install lines of every board, and their table compared with the package index."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from native.build import MACHINES
from native.wheels import SHIPPED
from strop import engines
from strop.device import adapters, wheels
from strop.device.adapters import Adapter
from strop.device.board import Board
from strop.device.wheels import (
    GPU_WHEELS,
    NUMPY_MACHINES,
    WHEELS,
    Wheels,
    mend_absent,
    mend_broken_numpy,
    mend_by_reinstalling,
    mend_numpy,
    packages,
    remedy,
    remedy_gpu,
    remedy_gpu_here,
    why_none,
)
from strop.versions import release
from tests.needs import strop_native, unavailable
from tests.unit.runtime import boards
from tests.unit.runtime.boards import PC, PI_2, PI_4, PI_4_32_BIT, PI_5, PI_ZERO, board

VENV = "python3 -m venv --system-site-packages strop && . strop/bin/activate && "
APT_NUMPY = "sudo apt install python3-numpy"


def _line(extra: str, options: str = "") -> str:
    return f"pip install {options}'./strop-0.1.0-py3-none-any.whl[{extra}]'"


class TestInstallLines:
    @pytest.mark.parametrize(
        ("here", "engine", "mend"),
        [
            (PI_4, "litert", VENV + _line("litert")),
            (PI_4, "tflite", VENV + _line("tflite")),
            (PI_4, "onnx", VENV + _line("onnx")),
            (PI_5, "litert", VENV + _line("litert")),
            (PI_5, "tflite", "use native"),
            (PI_5, "onnx", VENV + _line("onnx")),
            (PI_2, "tflite", VENV + _line("tflite")),
            (PI_2, "litert", "use native"),
            (PI_2, "onnx", "use native"),
            (PI_4_32_BIT, "litert", "use native"),
            (PI_ZERO, "litert", "use native"),
            (PI_ZERO, "tflite", "use native"),
            (PC, "litert", _line("litert")),
            (PC, "native", _line("native", "--find-links . ")),
            (PI_ZERO, "native", VENV + _line("native", "--find-links . ")),
            (PC, "tflite", "use native"),
        ],
    )
    def test_of_each_board(self, here: Board, engine: str, mend: str) -> None:
        assert mend_absent(engine, here) == mend

    def test_inside_a_virtual_environment_none_is_made(self) -> None:
        assert mend_absent("litert", board("aarch64", "3.11.2", venv=True)) == _line("litert")

    def test_without_pip_s_half_of_venv_it_is_installed_first(self) -> None:
        here = board("aarch64", "3.11.2", makes_venvs=False)
        first = "sudo apt install python3-venv && "
        assert mend_absent("litert", here) == first + VENV + _line("litert")

    @pytest.mark.parametrize("venv", [False, True])
    def test_on_32_bits_numpy_comes_from_the_os_and_an_environment_that_sees_it(
        self, venv: bool
    ) -> None:
        here = board("armv7l", "3.11.2", bits=32, numpy=None, venv=venv, makes_venvs=False)
        both = f"{APT_NUMPY} python3-venv && "
        assert mend_absent("tflite", here) == both + VENV + _line("tflite")

    def test_an_os_without_apt_has_its_own_way_to_numpy(self) -> None:
        here = board("armv7l", "3.11.2", bits=32, numpy=None, debian=False)
        assert mend_absent("tflite", here) == (
            f"install numpy with the package manager of this OS, then {VENV}{_line('tflite')}"
        )

    def test_a_32_bit_os_on_a_64_bit_kernel_could_be_a_64_bit_os(self) -> None:
        here = board("armv7l", "3.13.5", bits=32, kernel="aarch64", glibc="2.41")
        assert mend_absent("litert", here, ["litert", "reference"]) == (
            "use reference, which needs numpy alone, or install the 64-bit OS"
        )


class TestAmong:
    """Only equivalent engines are advised."""

    @pytest.mark.parametrize(
        ("here", "engine", "among", "mend"),
        [
            (PI_ZERO, "tflite", ["tflite"], ""),
            (PI_ZERO, "tflite", ["tflite", "reference"], "use reference, which needs numpy alone"),
            (PI_2, "litert", ["litert", "onnx"], ""),
            (PI_2, "litert", ["litert", "tflite"], "use tflite"),
            (PI_5, "tflite", ["tflite", "onnx"], "use onnx"),
            (PI_4_32_BIT, "litert", ["litert"], "install the 64-bit OS"),
            (PC, "litert", ["litert"], _line("litert")),
        ],
    )
    def test_it(self, here: Board, engine: str, among: list[str], mend: str) -> None:
        assert mend_absent(engine, here, among) == mend

    def test_where_there_is_nothing_else_the_reason_stands_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wheels, "read", lambda: PI_ZERO)
        reason = why_none("tflite", PI_ZERO)
        assert remedy("tflite", ["tflite"]) == (reason, "")
        assert remedy("tflite") == (reason, "use native")


class TestNumpy:
    @pytest.mark.parametrize(
        ("here", "mend"),
        [
            (board("aarch64", "3.11.2"), "sudo apt install --reinstall python3-numpy"),
            (PI_ZERO, "sudo apt install --reinstall python3-numpy"),
            (PC, "pip install --force-reinstall --no-deps numpy"),
            (
                board("aarch64", "3.11.2", venv=True),
                "pip install --force-reinstall --no-deps numpy",
            ),
            (
                board("armv7l", "3.12.1", bits=32, debian=False),
                "reinstall numpy with the package manager of this OS",
            ),
        ],
    )
    def test_the_mend_of_a_broken_one(self, here: Board, mend: str) -> None:
        assert mend_broken_numpy(here) == mend

    @pytest.mark.parametrize(
        ("here", "mend"),
        [
            (board("aarch64", "3.11.2", numpy=None), APT_NUMPY),
            (board("armv6l", "3.11.2", bits=32, numpy=None), APT_NUMPY),
            (PC, "pip install numpy"),
            (board("aarch64", "3.11.2", numpy=None, venv=True), "pip install numpy"),
            (
                board("armv6l", "3.11.2", bits=32, numpy=None, venv=True),
                f"{APT_NUMPY} && {VENV}pip install ./strop-0.1.0-py3-none-any.whl",
            ),
            (
                board("armv7l", "3.12.1", bits=32, numpy=None, debian=False),
                "install numpy with the package manager of this OS",
            ),
        ],
    )
    def test_the_mend_of_each_board(self, here: Board, mend: str) -> None:
        assert mend_numpy(here) == mend


class TestReasons:
    @pytest.mark.parametrize(
        ("here", "engine", "reason"),
        [
            (PI_5, "tflite", "has no wheel for Python 3.13, only for 3.10 to 3.11"),
            (PI_2, "litert", "has no wheel for armv7l, only for x86_64 and aarch64"),
            (PI_ZERO, "tflite", "no wheel for armv6l, only for x86_64, aarch64 and armv7l"),
            (
                board("aarch64", "3.10.9", glibc="2.31"),
                "tflite",
                "tflite-runtime needs glibc 2.34 or newer, and this OS has 2.31",
            ),
            (board("x86_64", "3.12.1", glibc=None), "onnx", "needs glibc, and this OS has another"),
            (board("x86_64", "3.13.1", standard=False), "litert", "for the usual CPython alone"),
        ],
    )
    def test_they_say_what_is_there_and_what_is_here(
        self, here: Board, engine: str, reason: str
    ) -> None:
        assert reason in why_none(engine, here)

    @pytest.mark.parametrize("glibc", ["2.31", "2.27"])
    def test_an_old_glibc_is_no_trouble_where_the_wheel_is_as_old(self, glibc: str) -> None:
        assert why_none("litert", board("aarch64", "3.10.9", glibc=glibc)) == ""

    def test_an_older_python_has_an_older_onnxruntime(self) -> None:
        assert why_none("onnx", board("x86_64", "3.10.9", glibc="2.27")) == ""
        assert why_none("onnx", board("x86_64", "3.11.9", glibc="2.27")) != ""


OWN = "in a separate environment: python3 -m venv strop-gpu && . strop-gpu/bin/activate && "


class TestGpus:
    """The onnxruntime for a board's GPUs, by the newest CUDA that NVIDIA's driver runs there."""

    @pytest.mark.parametrize(
        ("here", "cuda", "remedy"),
        [
            (PC, 0, OWN + _line("onnx-webgpu")),
            (PC, 11, OWN + _line("onnx-webgpu")),
            (PC, 12, OWN + _line("onnx-gpu") + " 'onnxruntime-gpu==1.26.0'"),
            (PC, 13, OWN + _line("onnx-gpu")),
            (PC, 14, OWN + _line("onnx-gpu")),
            (
                board("x86_64", "3.10.9"),
                13,
                OWN + _line("onnx-gpu") + " 'onnxruntime-gpu==1.23.2'",
            ),
            (
                board("x86_64", "3.12.1", glibc="2.27"),
                13,
                OWN + _line("onnx-gpu") + " 'onnxruntime-gpu==1.26.0'",
            ),
            (
                board("x86_64", "3.10.9"),
                0,
                ("onnxruntime-webgpu has no wheel for Python 3.10, only for 3.11 to 3.14", ""),
            ),
            (PI_5, 0, ("onnxruntime-webgpu has no wheel for aarch64, only for x86_64", "")),
            (PI_5, 13, OWN + _line("onnx-gpu")),
            (
                PI_5,
                12,
                (
                    "onnxruntime-gpu has no wheel for aarch64, only for x86_64; "
                    "NVIDIA makes some for its Jetson boards",
                    "",
                ),
            ),
            (
                PI_4,
                13,
                OWN + _line("onnx-gpu"),
            ),
            (
                board("aarch64", "3.10.9"),
                13,
                (
                    "onnxruntime-gpu has no wheel for Python 3.10, only for 3.11 to 3.14; "
                    "NVIDIA makes some for its Jetson boards",
                    "",
                ),
            ),
            (
                board("x86_64", "3.12.1", glibc=None),
                13,
                ("onnxruntime-gpu needs glibc, and this OS has another C library", ""),
            ),
        ],
    )
    def test_of_each_board(self, here: Board, cuda: int, remedy: str | tuple[str, str]) -> None:
        line = ("", remedy) if isinstance(remedy, str) else remedy
        assert remedy_gpu(here, cuda) == line

    def test_without_pip_s_half_of_venv_it_is_installed_first(self) -> None:
        here = board("x86_64", "3.11.2", makes_venvs=False)
        first = "in a separate environment: sudo apt install python3-venv && python3 -m venv "
        assert remedy_gpu(here, 0)[1].startswith(first)

    @pytest.mark.parametrize(
        ("has_cuda", "driver", "cuda"),
        [(False, "CUDA 12.8", 0), (True, "CUDA 12.8", 12), (True, "CUDA 13.1", 13), (True, "", 13)],
    )
    def test_of_this_machine(
        self, monkeypatch: pytest.MonkeyPatch, has_cuda: bool, driver: str, cuda: int
    ) -> None:
        there = [Adapter("NVIDIA", "a GPU", driver, "discrete")] if driver else []
        monkeypatch.setattr(adapters, "cuda", lambda: there)
        monkeypatch.setattr(wheels, "read", lambda: PC)
        assert remedy_gpu_here(has_cuda) == remedy_gpu(PC, cuda)

    def test_what_is_damaged_is_installed_again_by_its_own_name(self) -> None:
        for package in packages("onnx"):
            line = f"pip install --force-reinstall --no-deps {package}"
            assert mend_by_reinstalling(package, PC) == line
        assert mend_by_reinstalling("onnxruntime-webgpu", PI_5) == ""

    def test_the_packages_of_an_engine_begin_with_the_usual_one(self) -> None:
        assert packages("litert") == ("ai-edge-litert",)
        assert packages("onnx") == ("onnxruntime", "onnxruntime-gpu", "onnxruntime-webgpu")


def _index(package: str, version: str) -> set[tuple[str, str]]:
    """(tag of Python, tag of platform) of each wheel for Linux that pip finds of a version.

    pip is asked for a platform that does not exist, and prints why it skips each wheel.
    """
    command = [sys.executable, "-m", "pip", "download", "-vv", "--no-deps", "--no-cache-dir"]
    wanted = ["--only-binary=:all:", "--platform=none", f"{package}=={version}"]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    name = re.escape(package.replace("-", "_"))
    found = re.findall(
        rf"{name}-{re.escape(version)}-(cp\d+)-cp\d+-([\w.]*manylinux[\w.]*)\.whl",
        done.stdout + done.stderr,
    )
    if not found:
        unavailable(f"pip finds no wheel of {package} {version}", "a package index within reach")
    return set(found)


def _oldest(platforms: str) -> tuple[int, int]:
    named = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
    return min(
        (int(found[1]), int(found[2]))
        if (found := re.match(r"manylinux_(\d+)_(\d+)_", platform))
        else named[platform.partition("_")[0]]
        for platform in platforms.split(".")
    )


def _python(tag: str) -> tuple[int, int]:
    return int(tag[2]), int(tag[3:])


def _id(row: Wheels) -> str:
    return f"{row.package}-{row.version}"


INDEXED = [row for row in (*WHEELS, *GPU_WHEELS) if row.engine != "native"]


@pytest.mark.parametrize("row", INDEXED, ids=_id)
def test_the_table_is_what_the_index_has(row: Wheels) -> None:
    machines = "x86_64|aarch64|armv7l|armv6l|i686|riscv64"
    there = {
        (_python(tag), found[0], _oldest(platforms))
        for tag, platforms in _index(row.package, row.version)
        if (found := re.findall(rf"_({machines})(?=\.|$)", platforms))
    }
    first, last = row.pythons
    ours = {wheel for wheel in there if wheel[0] >= (3, 10)}
    if row.version == "1.23.2":  # newer Pythons have a newer one
        ours = {wheel for wheel in ours if wheel[0] <= last}
    assert ours == {
        ((3, minor), machine, glibc)
        for minor in range(first[1], last[1] + 1)
        for machine, glibc in row.glibc.items()
    }


def test_the_native_engine_has_the_wheels_that_are_built() -> None:
    [row] = [row for row in WHEELS if row.engine == "native"]
    assert row.version == strop_native().__version__
    assert tuple(row.glibc) == SHIPPED
    assert {MACHINES[machine].target.partition("gnu")[2] for machine in SHIPPED} == {
        ".2.17",
        "eabihf.2.17",
    }
    assert set(row.glibc.values()) == {(2, 17)}


@pytest.mark.parametrize("row", [row for row in GPU_WHEELS if row.cuda], ids=_id)
def test_the_extra_brings_the_cuda_that_is_said(row: Wheels, tmp_path: Path) -> None:
    """All of CUDA: only some packages would leave the rest to chance."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    python = ".".join(map(str, row.pythons[0]))
    machine, glibc = next(iter(row.glibc.items()))
    wanted = [
        *(f"--target={tmp_path}", "--no-deps", "--only-binary=:all:", f"--python-version={python}"),
        *(f"--platform=manylinux_{glibc[0]}_{glibc[1]}_{machine}", "--report=-"),
        f"{row.package}=={row.version}",
    ]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        unavailable(f"pip finds no {row.package} {row.version}", "a package index within reach")
    (found,) = json.loads(done.stdout)["install"]
    needs = found["metadata"]["requires_dist"]
    cuda = [need for need in needs if need.endswith('extra == "cuda"')]
    assert any(
        re.match(rf"nvidia-cuda-runtime(-cu{row.cuda})?~={row.cuda}\.", need) for need in cuda
    )
    cudnn = [need for need in needs if need.endswith('extra == "cudnn"')]
    assert [need.partition("~")[0] for need in cudnn] == [f"nvidia-cudnn-cu{row.cuda}"]


def test_numpy_has_wheels_for_the_machines_said_and_none_for_32_bits() -> None:
    platforms = " ".join(platforms for _, platforms in _index("numpy", "1.26.4"))
    platforms += " ".join(platforms for _, platforms in _index("numpy", "2.2.6"))
    assert all(machine in platforms for machine in NUMPY_MACHINES)
    assert not re.search("arm|i686", platforms)


def test_the_table_is_what_the_runtime_s_extras_ask_for() -> None:
    text = (Path(__file__).parents[3] / "runtime" / "pyproject.toml").read_text(encoding="utf-8")
    for row in (*WHEELS, *GPU_WHEELS):
        asked = rf'^{row.extra} = \["{row.package}(\[cuda,cudnn\])?([>=]=)([\d.]+)[";]'
        found = re.search(asked, text, re.MULTILINE)
        assert found, row.package
        assert bool(found[1]) == (row.cuda > 0)
        assert release(found[3]) <= release(row.version)
    assert {row.engine for row in WHEELS} == {n for n, e in engines.TABLE.items() if e.package}


def test_no_board_is_told_to_install_what_has_no_wheel() -> None:
    for here in vars(boards).values():
        if isinstance(here, Board):
            for engine in ("litert", "tflite", "onnx"):
                offered = "pip install" in mend_absent(engine, here)
                assert offered == (why_none(engine, here) == "")
