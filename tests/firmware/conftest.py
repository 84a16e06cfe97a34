"""Compilers of generated C: two that find faults, and one that would fuse products and sums."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys

import pytest

from native.build import SANITIZED
from tests.firmware.kit import STRICT, Compiler
from tests.needs import unavailable

_FMA = ["-mfma"] if platform.machine() == "x86_64" else []


@pytest.fixture(scope="session")
def gcc(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    """Gcc with ASan and UBSan."""
    _need("gcc")
    return Compiler(tmp_path_factory.mktemp("gcc"), ["gcc"], [*STRICT, *SANITIZED])


@pytest.fixture(scope="session")
def zig(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    """zig's clang, optimized for size."""
    if importlib.util.find_spec("ziglang") is None:
        unavailable("zig is missing", "pip install ziglang")
    command = [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=undefined"]
    return Compiler(tmp_path_factory.mktemp("zig"), command, [*STRICT, "-Os"])


@pytest.fixture(scope="session")
def fusing(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    """Gcc as Arduino calls it, whose GNU mode fuses products and sums where a CPU can."""
    _need("gcc")
    flags = ["-std=gnu11", "-Os", "-ffp-contract=fast", *_FMA]
    return Compiler(tmp_path_factory.mktemp("fusing"), ["gcc"], flags)


def _need(program: str) -> None:
    if not shutil.which(program):
        unavailable(f"{program} is missing", f"apt install {program}")
