"""The C core's own tests, compiled by gcc with ASan and UBSan, and as the library ships."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from native.build import HERE, compile_programs
from tests.contract import plan_sample

PROGRAMS = {
    "test_plan": [],
    "test_functions": [],
    "test_memory": [],
    "test_networks": ["300"],
    "fuzz_plan": ["5000", "whole.plan"],
}
# Of the outputs of 300 random networks: the same on x86-64, AArch64, Armv7, Armv6 and WebAssembly.
CHECKSUM_OF_300 = "f5ad9c9dc25312f6"


@pytest.fixture(scope="module")
def sanitized(gcc: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    files = [HERE / "tests" / f"{name}.c" for name in PROGRAMS]
    folder = tmp_path_factory.mktemp("sanitized")
    (folder / "whole.plan").write_bytes(plan_sample.whole().to_bytes())
    built = compile_programs(files, folder, sanitize=True)
    return {program.name: program for program in built}


def _run(program: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [program, *arguments], cwd=program.parent, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_sanitizers_find_nothing(sanitized: dict[str, Path], name: str) -> None:
    _run(sanitized[name], *PROGRAMS[name])


def test_optimized_kernels_give_the_bits_of_every_cpu(gcc: None, tmp_path: Path) -> None:
    [program] = compile_programs([HERE / "tests" / "test_networks.c"], tmp_path)

    assert f"checksum {CHECKSUM_OF_300}," in _run(program, "300")


def test_the_library_shows_the_public_functions_alone(library: Path) -> None:
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True)

    names = {line.split()[-1] for line in listed.stdout.splitlines()}
    assert names == {
        *("strop_check", "strop_prepare", "strop_run", "strop_input", "strop_output"),
        *("strop_tile_rows", "strop_best_kernels", "strop_kernels_at", "strop_kernels_name"),
    }
