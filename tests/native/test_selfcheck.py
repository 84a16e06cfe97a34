"""native/mcu/selfcheck.c on this machine: its answers, and a real check over a pseudo-terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from native.build import HERE, SANITIZED, WARNINGS
from tests.needs import unavailable

MCU = HERE / "mcu"
PLAN = "00112233445566778899aabbccddeeff" * 2
SUMS = (bytes([2, 3, 4, 5]), bytes([30, 50, 70, 90]), bytes([0, 1, 2, 3]))
DIFFERENCES = (bytes([0, 1, 2, 3]), bytes([246] * 4), bytes([254, 253, 252, 251]))
STARTS = b"board: starts"


def compile_board(folder: Path, golden: str, sources: Sequence[Path], *flags: str) -> Path:
    """Compile a board that holds golden samples for this machine, with every warning an error."""
    board = folder / "board"
    files = (MCU / "tests" / "serial_board.c", MCU / "selfcheck.c", *sources)
    command = ("gcc", "-std=c99", "-D_POSIX_C_SOURCE=200809L", *WARNINGS, *SANITIZED, *flags)
    subprocess.run(
        [*command, f"-DGOLDEN={golden}", f"-I{MCU}", *map(str, files), "-o", str(board)], check=True
    )
    return board


@pytest.fixture(scope="module")
def board(gcc: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _sums(tmp_path_factory.mktemp("board"))


def _sums(folder: Path, *flags: str) -> Path:
    """Compile a board with the model of sums.c, which has flags."""
    return compile_board(folder, "sums_golden", [MCU / "tests" / "sums.c"], *flags)


def _said(board: Path, request: bytes) -> bytes:
    done = subprocess.run([board], input=request, capture_output=True, check=True, timeout=60)
    return done.stdout


def _answer(differing: Sequence[int], outputs: Sequence[bytes]) -> bytes:
    lines = [f"strop-check 1 sums {PLAN} {len(outputs)}"]
    for number, (count, values) in enumerate(zip(differing, outputs, strict=True)):
        lines.append(f"sample {number} {count} {zlib.crc32(values):08x}")
    text = "".join(f"{line}\n" for line in lines).encode()
    return b"\n" + text + f"end {zlib.crc32(text):08x}\n".encode()


RIGHT = [a + b for a, b in zip(SUMS, DIFFERENCES, strict=True)]


def test_it_answers_in_lines_of_text(board: Path) -> None:
    assert _said(board, b"strop check\n") == STARTS + _answer([0, 0, 0], RIGHT)


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        (b"", 0),
        (b"strop chec\n", 0),
        (b"strop", 0),
        (b"strop  check\n", 0),
        (b"Strop check\n", 0),
        (b"strop check", 1),  # as typed in a serial monitor that ends no line
        (b"strop check\r\n", 1),
        (b"sstrop check\n", 1),
        (b"strop strop check\n", 1),
        (b"\0\xff" * 1000 + b"strop check\n" + b"\xff" * 1000, 1),
        (b"strop check\n" * 3, 3),
        (b"strop chestrop check" * 2, 2),
    ],
)
def test_only_the_request_is_answered(board: Path, request_: bytes, answers: int) -> None:
    assert _said(board, request_) == STARTS + answers * _answer([0, 0, 0], RIGHT)


def test_a_wrong_byte_is_counted_and_in_the_crc(gcc: None, tmp_path: Path) -> None:
    board = _sums(tmp_path, "-DBROKEN")
    wrong = [RIGHT[0], bytes([31]) + RIGHT[1][1:], RIGHT[2]]
    assert _said(board, b"strop check\n") == STARTS + _answer([0, 1, 0], wrong)


def test_a_model_that_computes_nothing_has_no_outputs_of_an_earlier_run(
    gcc: None, tmp_path: Path
) -> None:
    board = _sums(tmp_path, "-DIDLE")
    inputs = (bytes([1, 2, 3, 4]), bytes([10, 20, 30, 40]), bytes([255] * 4))
    idle = [b"\xa5" * 4 + values for values in inputs]
    assert _said(board, b"strop check\n") == STARTS + _answer([8, 8, 8], idle)


def test_zig_compiles_it_for_boards_without_a_library(tmp_path: Path) -> None:
    for target, cpu in (
        ("thumb-freestanding-eabi", "cortex_m0plus"),
        ("riscv32-freestanding", "generic_rv32"),
    ):
        command = (sys.executable, "-m", "ziglang", "cc", "-target", target, f"-mcpu={cpu}")
        flags = (*WARNINGS, "-std=c99", "-Os", "-ffreestanding", "-c", "-o", str(tmp_path / "o.o"))
        subprocess.run([*command, *flags, str(MCU / "selfcheck.c")], check=True)


def test_a_cplusplus_compiler_takes_its_header(tmp_path: Path) -> None:
    if not shutil.which("g++"):
        unavailable("there is no g++", "apt install g++")
    (tmp_path / "sketch.cpp").write_text('#include "selfcheck.h"\nint main() { return 0; }\n')
    flags = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", f"-I{MCU}")
    subprocess.run(["g++", *flags, tmp_path / "sketch.cpp"], check=True)
