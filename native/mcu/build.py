"""Build firmware for an emulated board: python -m native.mcu.build FOLDER --board B --out F.elf."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from strop.errors import StropError
from strop_export.firmware.cpus import CPUS, compiler

HERE: Final = Path(__file__).resolve().parent
SOURCES: Final = HERE / "boards"
KIB: Final = 1024


class Board(NamedTuple):
    """A board of QEMU.

    Attributes:
        cpu: the name of its CPU, of `CPUS`.
        qemu: the emulator's command, but for the firmware.
        sources: its files in boards/.
        uart: the address of its serial line.
        flash: where its flash begins, and its bytes.
        ram: the same of its RAM.
        tick_ns: the time between ticks of its counter.
    """

    cpu: str
    qemu: tuple[str, ...]
    sources: tuple[str, ...]
    uart: int
    flash: tuple[int, int]
    ram: tuple[int, int]
    tick_ns: float


def _mps2(image: str, cpu: str, flash: int, ram: int, uart: int) -> Board:
    qemu = ("qemu-system-arm", "-machine", f"mps2-{image}")
    size = 4096 * KIB
    sources = ("cortex_m.c", "cmsdk_uart.c")
    return Board(cpu, qemu, sources, uart, (flash, size), (ram, size), 40)


# The Cortex-M33 of the AN505 starts in its secure world; its secure RAM has 2 MiB.
BOARDS: Final = {
    "microbit": Board(
        "cortex-m0plus",
        ("qemu-system-arm", "-machine", "microbit"),
        ("cortex_m.c", "nrf51_uart.c"),
        0x40002000,
        (0, 256 * KIB),
        (0x20000000, 16 * KIB),
        62.5,
    ),
    "mps2-an385": _mps2("an385", "cortex-m3", 0, 0x20000000, 0x40004000),
    "mps2-an386": _mps2("an386", "cortex-m4", 0, 0x20000000, 0x40004000),
    "mps2-an505": _mps2("an505", "cortex-m33", 0x10000000, 0x38000000, 0x50200000)._replace(
        ram=(0x38000000, 2048 * KIB), tick_ns=50
    ),
    "virt": Board(
        "rv32imac",
        ("qemu-system-riscv32", "-machine", "virt", "-bios", "none"),
        ("riscv32.c", "ns16550_uart.c"),
        0x10000000,
        (0x80000000, 4096 * KIB),
        (0x80400000, 4096 * KIB),
        1,
    ),
}


class BuildFailed(StropError):
    """Firmware does not compile, or does not fit its board."""

    kind = "build"


def build(inputs: Sequence[Path], includes: Sequence[Path], board: Board, out: Path) -> None:
    """Compile and link firmware.

    Args:
        inputs: C files, of which one has `int main(void)`.
        includes: more folders with headers.
        board: what it runs on.
        out: the ELF file to write.

    Raises:
        BuildFailed: it does not compile, or does not fit.
        EngineMissing: zig is not installed.
    """
    (cpu,) = (cpu for cpu in CPUS if cpu.name == board.cpu)
    names = ("FLASH (rx)", "RAM (rwx)")
    regions = "\n".join(
        f"    {name} : ORIGIN = {origin:#x}, LENGTH = {size:#x}"
        for name, (origin, size) in zip(names, (board.flash, board.ram), strict=True)
    )
    layout = f"MEMORY\n{{\n{regions}\n}}\n" + (SOURCES / "sections.ld").read_text("ascii")
    with tempfile.TemporaryDirectory(prefix="strop-firmware-") as scratch:
        script, made = Path(scratch, "board.ld"), Path(scratch, "firmware.elf")
        script.write_text(layout, "ascii")
        command = [*compiler(cpu), f"-DBOARD_UART={board.uart:#x}", f"-I{SOURCES}"]
        command += [f"-isystem{SOURCES / 'include'}", str(SOURCES / "printing.c")]
        command += [f"-I{folder.resolve()}" for folder in includes]
        command += [str(SOURCES / name) for name in board.sources]
        command += [*(str(path.resolve()) for path in inputs), "-T", str(script), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
        if done.returncode:
            raise BuildFailed(f"the firmware cannot be built: {done.stderr.strip()}", "see above")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(made.read_bytes())


def parts(folder: Path, program: str = "main.c") -> tuple[list[Path], list[Path]]:
    """Return the C files of a folder that export wrote, and its folders with headers.

    Args:
        folder: what export wrote.
        program: the file with `main`.

    Raises:
        BuildFailed: it is no such folder.
    """
    sources = sorted((folder / "src").rglob("*.c"))
    if not (sources and (folder / program).is_file()):
        raise BuildFailed(
            f"{folder} has no src/ and {program}, as the target mcu writes them",
            "make export TARGET=mcu GOLDEN=8, then name the folder dist/NAME-mcu",
        )
    return [folder / program, *sources], [folder / "src", folder / "src" / "strop"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Build firmware from a folder that export wrote, and print how to run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what export wrote for the target mcu")
    parser.add_argument("--board", choices=BOARDS, default="mps2-an385")
    parser.add_argument(
        "--program", default="main.c", help="the folder's file with main (default main.c)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the ELF file to write")
    given = parser.parse_args(arguments)
    board = BOARDS[given.board]
    try:
        build(*parts(given.folder, given.program), board, given.out)
    except StropError as error:
        parser.exit(2, f"{error}\n")
    command = " ".join((*board.qemu, "-nographic", "-semihosting", "-kernel", str(given.out)))
    print(f"{given.out}: {given.out.stat().st_size:,} bytes; run it:\n{command}")


if __name__ == "__main__":
    main()
