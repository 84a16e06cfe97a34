"""Boards: printing on the serial line, faults, failed builds, and the command that builds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from native.mcu.build import BOARDS, BuildFailed, build
from tests.environments import ROOT, run
from tests.mcu import emulator
from tests.mcu.laboratory import Laboratory

NUMBERS: tuple[float, ...] = (
    0.0,
    1.0,
    -1.0,
    0.5,
    0.999899,
    123456.0,
    1234567.0,
    1e-4,
    1.234e-5,
    1e-38,
    3.4e38,
)
NUMBERS += (100.0, 99999.95, 1 / 3, -0.05, 12.5, 0.1, 1e10, float("inf"), float("nan"))
PRINTING = """
#include <stdio.h>
static const float numbers[] = {%s};
static volatile int first = 41;
static volatile float divisor = 4;
int main(void) {
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        printf("%%g\\n", (double)numbers[i]);
    printf("%%d %%d %%u %%c%%s%%%%\\n", -2147483647 - 1, 0, 4294967295u, 'a', "bc");
    return first + (int)(divisor / 3);
}
"""
BROKEN = """
int main(void) {
    *(volatile unsigned *)%s = 0;
    return 0;
}
"""


def test_every_board_prints_starts_its_variables_and_ends(tmp_path: Path) -> None:
    values = [np.float32(number) for number in NUMBERS]
    known = {"inf": "__builtin_inff()", "nan": '__builtin_nanf("")'}
    literals = [known.get(str(value), f"{float(value)!r}f") for value in values]
    program = tmp_path / "printing.c"
    program.write_text(PRINTING % ", ".join(literals))
    expected = "".join(f"{float(value):g}\n" for value in values)
    expected += "-2147483648 0 4294967295 abc%\n"
    for name, board in BOARDS.items():
        done = _run(name, _built(program, name, tmp_path))
        assert (name, done.stdout) == (name, expected)
        assert done.returncode == 42, name  # first + 1
        assert board.tick_ns > 0


def test_a_fault_ends_the_emulator(tmp_path: Path) -> None:
    program = tmp_path / "broken.c"
    for name in BOARDS:
        program.write_text(BROKEN % ("0xF0000000" if name == "virt" else "0x90000000"))
        assert _run(name, _built(program, name, tmp_path)).returncode == 2, name


def test_a_stack_that_overflows_ends_the_emulator(tmp_path: Path) -> None:
    """Not on the RISC-V board: below its stack is flash, which QEMU lets it write."""
    program = tmp_path / "deep.c"
    program.write_text(
        "int deeper(volatile int *n)"
        "{ volatile int x[64]; x[0] = *n + 1; return deeper(x) + x[0]; }"
        "int main(void) { volatile int n = 0; return deeper(&n); }"
    )
    for name in ("microbit", "mps2-an385", "mps2-an505"):
        assert _run(name, _built(program, name, tmp_path)).returncode == 2, name


def test_what_does_not_compile_or_fit_is_refused(tmp_path: Path) -> None:
    program, out = tmp_path / "large.c", tmp_path / "large.elf"
    program.write_text(
        "static char large[1 << 15]; int main(void) { return ((volatile char *)large)[9]; }"
    )
    with pytest.raises(BuildFailed, match="RAM"):
        build([program], [], BOARDS["microbit"], out)
    program.write_text("int main(void) { return nothing; }")
    with pytest.raises(BuildFailed, match="nothing"):
        build([program], [], BOARDS["microbit"], out)
    assert not out.exists()


@pytest.mark.parametrize("name", ["mnist-mlp"])
def test_the_command_builds_a_folder_that_export_wrote(
    name: str, laboratory: Laboratory, tmp_path: Path
) -> None:
    folder = emulator.write_folder(tmp_path / "some-mcu", laboratory.model(name).plan, name)
    out = tmp_path / "some.elf"
    command = (sys.executable, "-m", "native.mcu.build", folder, "--board", "virt", "--out", out)
    said = run(*command, cwd=ROOT).stdout
    assert f"-kernel {out}" in said
    assert _run("virt", out).stdout.startswith("class ")
    done = run(*command[:3], tmp_path, *command[4:], cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "make export TARGET=mcu" in done.stderr


def _built(program: Path, board: str, folder: Path) -> Path:
    out = folder / f"{board}.elf"
    build([program], [], BOARDS[board], out)
    return out


def _run(name: str, firmware: Path) -> subprocess.CompletedProcess[str]:
    board = BOARDS[name]
    emulator.require_qemu(board)
    return run(
        *board.qemu,
        "-nographic",
        "-semihosting",
        "-kernel",
        firmware,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
