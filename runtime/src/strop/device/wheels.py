"""The wheels of each engine, and the command that installs one on this board.

The table lists the package index's wheels when this version was made; a test compares the two. The
wheels of strop-native come with the bundle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from strop.device import adapters
from strop.device.board import Board, read
from strop.versions import __version__, install_line, release


@dataclass(frozen=True)
class Wheels:
    """The Linux wheels of one version of an engine's package."""

    extra: str  # strop's, that installs it: the engine's name, and what a GPU build adds to it
    package: str  # what pip calls it
    version: str
    pythons: tuple[tuple[int, int], tuple[int, int]]  # CPython, the first and the last
    glibc: Mapping[str, tuple[int, int]]  # machine -> the oldest C library it runs on
    cuda: int = 0  # the oldest CUDA that NVIDIA's driver must run for it; 0: it needs none

    @property
    def engine(self) -> str:
        """The name of the engine, without what a GPU build adds to it."""
        return self.extra.partition("-")[0]


# The version that Strop was proven with, for each Python.
# Engines in the order in which one is worth recommending.
WHEELS = (
    Wheels(
        "native",
        "strop-native",  # not from the index: its wheels come with the bundle
        "0.1.0",
        ((3, 11), (3, 14)),
        dict.fromkeys(("x86_64", "aarch64", "armv7l", "armv6l"), (2, 17)),
    ),
    Wheels(
        "litert",
        "ai-edge-litert",
        "2.3.0",
        ((3, 10), (3, 14)),
        {"x86_64": (2, 27), "aarch64": (2, 27)},
    ),
    Wheels(
        "tflite",
        "tflite-runtime",
        "2.14.0",  # the last
        ((3, 10), (3, 11)),
        {"x86_64": (2, 17), "aarch64": (2, 34), "armv7l": (2, 34)},
    ),
    Wheels(
        "onnx",
        "onnxruntime",
        "1.31.1",
        ((3, 11), (3, 14)),
        {"x86_64": (2, 28), "aarch64": (2, 28)},
    ),
    Wheels(
        "onnx",
        "onnxruntime",
        "1.23.2",
        ((3, 10), (3, 10)),
        {"x86_64": (2, 27), "aarch64": (2, 27)},
    ),
)

# Builds of onnxruntime for GPUs, the best first. They share its import name, and so the place where
# it is installed: each needs a separate environment.
GPU_WHEELS = (
    Wheels(
        "onnx-gpu",
        "onnxruntime-gpu",
        "1.31.1",
        ((3, 11), (3, 14)),
        {"x86_64": (2, 28), "aarch64": (2, 34)},
        cuda=13,
    ),
    Wheels(
        "onnx-gpu",
        "onnxruntime-gpu",
        "1.26.0",  # the last for CUDA 12
        ((3, 11), (3, 14)),
        {"x86_64": (2, 27)},
        cuda=12,
    ),
    Wheels(
        "onnx-gpu",
        "onnxruntime-gpu",
        "1.23.2",
        ((3, 10), (3, 10)),
        {"x86_64": (2, 27)},
        cuda=12,
    ),
    Wheels(
        "onnx-webgpu",
        "onnxruntime-webgpu",
        "1.27.0",
        ((3, 11), (3, 14)),
        {"x86_64": (2, 27)},
    ),
)

ENGINES = (*dict.fromkeys(row.engine for row in WHEELS), "reference")

# Elsewhere pip would build numpy from source, for hours or without success; the OS has a package.
NUMPY_MACHINES = ("x86_64", "aarch64")
_REINSTALLING = "--force-reinstall --no-deps "


def packages(engine: str) -> tuple[str, ...]:
    """List what pip calls the packages that bring an engine, the usual one first.

    Args:
        engine: the engine's name.
    """
    rows = (row for row in (*WHEELS, *GPU_WHEELS) if row.engine == engine)
    return tuple(dict.fromkeys(row.package for row in rows))


def why_none(engine: str, board: Board) -> str:
    """Say why an engine has no wheel for this board; "" if it has one.

    Args:
        engine: the engine's name.
        board: the board that it is to run on.
    """
    rows = [row for row in WHEELS if row.extra == engine]
    return _why_none(rows, board) if rows else ""  # the reference is numpy alone


def _why_none(rows: Sequence[Wheels], board: Board) -> str:
    """Say why none of a package's wheels is for this board; "" if one is."""
    name = rows[0].package
    machines = list(dict.fromkeys(machine for row in rows for machine in row.glibc))
    if board.machine not in machines:
        return f"{name} has no wheel for {board.machine}, only for {_listed(machines)}"
    rows = [row for row in rows if board.machine in row.glibc]
    if not board.python.standard:
        return f"{name} has wheels for the usual CPython alone"
    if board.glibc is None:
        return f"{name} needs glibc, and this OS has another C library"
    python = release(board.python.version)[:2]
    fitting = [row for row in rows if row.pythons[0] <= python <= row.pythons[1]]
    if not fitting:
        first, last = min(row.pythons[0] for row in rows), max(row.pythons[1] for row in rows)
        return (
            f"{name} has no wheel for Python {_dotted(python)}, "
            f"only for {_dotted(first)} to {_dotted(last)}"
        )
    oldest = min(row.glibc[board.machine] for row in fitting)
    if release(board.glibc) < oldest:
        return f"{name} needs glibc {_dotted(oldest)} or newer, and this OS has {board.glibc}"
    return ""


def mend_absent(engine: str, board: Board, among: Collection[str] = ENGINES) -> str:
    """Say what to do about an engine that is not installed: the command, or what to use instead.

    Args:
        engine: the engine's name.
        board: the board that it is to run on.
        among: the engines that would do as well.

    Returns:
        One line; "" where none of those engines can be installed either.
    """
    if engine not in {row.engine for row in WHEELS}:  # numpy alone
        return mend_numpy(board)
    if not why_none(engine, board):
        line = _joined(*_prepared(board), install_line(engine))
        return (
            line
            if board.debian or not _numpy_from_os(board)
            else f"{mend_numpy(board)}, then {line}"
        )
    for other in ENGINES[:-1]:
        if other in among and other != engine and not why_none(other, board):
            return f"use {other}"
    alone = "use reference, which needs numpy alone" if "reference" in among else ""
    wider = "install the 64-bit OS" if board.bits == 32 and board.kernel == "aarch64" else ""
    return ", or ".join(filter(None, (alone, wider)))


def remedy(engine: str, among: Collection[str] = ENGINES) -> tuple[str, str]:
    """Explain why an engine is absent on this machine, and how to install it.

    Args:
        engine: the engine's name.
        among: the engines that would do as well.

    Returns:
        Why it has no wheel for this machine, "" if it has one; and the line that installs it, or
        what to use instead, "" if nothing helps.
    """
    here = read()
    return why_none(engine, here), mend_absent(engine, here, among)


def mend_numpy(board: Board) -> str:
    """Say what to do where there is no NumPy."""
    if _numpy_from_pip(board):
        return pip("numpy")
    if not board.debian:
        return "install numpy with the package manager of this OS"
    if board.python.managed and not board.python.venv:
        return "sudo apt install python3-numpy"
    return _joined(*_prepared(board), pip(f"./strop-{__version__}-py3-none-any.whl"))


def mend_broken_numpy(board: Board) -> str:
    """Say what to do about a damaged NumPy, which installers take for one that is there."""
    if _numpy_from_pip(board):
        return pip("numpy", _REINSTALLING)
    if board.debian:
        return "sudo apt install --reinstall python3-numpy"
    return "reinstall numpy with the package manager of this OS"


def mend_by_reinstalling(package: str, board: Board) -> str:
    """Say what to do about an engine's package that is damaged, or made for another machine.

    Args:
        package: what pip calls it.
        board: the board that it is to run on.

    Returns:
        The command that reinstalls it; "" if it has no wheel for this board.
    """
    rows = [row for row in (*WHEELS, *GPU_WHEELS) if row.package == package]
    if _why_none(rows, board):
        return ""
    return pip(package, _REINSTALLING + ("--find-links . " if package == "strop-native" else ""))


def remedy_gpu(board: Board, cuda: int) -> tuple[str, str]:
    """Say how to get an onnxruntime that runs on a GPU of this board, or why there is none.

    Args:
        board: the board that it is to run on.
        cuda: the newest CUDA that NVIDIA's driver runs, 12 of 12.8; 0: there is no such driver.

    Returns:
        Why no wheel is for this board, "" if one is; and the line that installs it, else "".
    """
    for row in GPU_WHEELS:
        if row.cuda <= cuda and not _why_none([row], board):
            line = _joined(*_environment(board), install_line(row.extra))
            is_newest = row == next(other for other in GPU_WHEELS if other.extra == row.extra)
            pin = "" if is_newest else f" '{row.package}=={row.version}'"
            return "", f"in a separate environment: {line}{pin}"
    rows = [row for row in GPU_WHEELS if 0 < row.cuda <= cuda] or [GPU_WHEELS[-1]]
    is_jetson = rows[0].cuda > 0 and board.machine == "aarch64"
    theirs = "; NVIDIA makes some for its Jetson boards" if is_jetson else ""
    return f"{_why_none(rows, board)}{theirs}", ""


def remedy_gpu_here(has_cuda: bool) -> tuple[str, str]:
    """Say of this very machine what `remedy_gpu` says of a board.

    Args:
        has_cuda: whether NVIDIA's driver has an adapter; else it is to be a Vulkan driver's.
    """
    newest = max(row.cuda for row in GPU_WHEELS)
    return remedy_gpu(read(), adapters.newest_cuda(adapters.cuda()) or newest if has_cuda else 0)


def pip(requirement: str, options: str = "") -> str:
    """Return the command that installs something other than strop.

    The commands for strop name its wheel file: `strop.versions.install_line`.

    Args:
        requirement: what to install, as pip takes it.
        options: further options of pip, with a space after each.
    """
    return " ".join(("pip", "install", f"{options}{requirement}"))


def _prepared(board: Board) -> list[str]:
    """List the commands that come before pip's: NumPy from the OS, a virtual environment."""
    from_os = _numpy_from_os(board)
    makes_venv = from_os or (board.python.managed and not board.python.venv)
    packages = ["python3-numpy"] if from_os else []
    if makes_venv and not board.python.makes_venvs:
        packages.append("python3-venv")
    lines = [f"sudo apt install {' '.join(packages)}"] if packages and board.debian else []
    if makes_venv:
        lines += ["python3 -m venv --system-site-packages strop", ". strop/bin/activate"]
    return lines


def _environment(board: Board) -> list[str]:
    """List the commands that make a virtual environment which sees nothing of another one."""
    lines = ["python3 -m venv strop-gpu", ". strop-gpu/bin/activate"]
    if board.debian and not board.python.makes_venvs:
        lines.insert(0, "sudo apt install python3-venv")
    return lines


def _numpy_from_pip(board: Board) -> bool:
    return board.machine in NUMPY_MACHINES and (board.python.venv or not board.python.managed)


def _numpy_from_os(board: Board) -> bool:
    return board.numpy is None and board.machine not in NUMPY_MACHINES


def _joined(*commands: str) -> str:
    return " && ".join(commands)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
