"""The CPUs of microcontrollers that firmware is compiled for, by zig."""

from __future__ import annotations

import importlib.util
import sys
from typing import Final, NamedTuple

from strop_export.errors import EngineMissing

# Flash is scarcer than time; sums of floats must not be fused. Without jump tables, all that a
# function may call can be read from its instructions. -g keeps the symbols.
FLAGS: Final = (
    *("-std=c99", "-Os", "-g", "-ffreestanding", "-ffp-contract=off", "-fno-sanitize=undefined"),
    *("-fno-jump-tables", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"),
)


class Cpu(NamedTuple):
    """A CPU.

    Attributes:
        name: as reports and commands write it.
        title: as a table shows it.
        target: zig's name of its instruction set and of how functions are called.
        model: zig's name of the CPU and its extensions.
    """

    name: str
    title: str
    target: str
    model: str


CPUS: Final = (
    Cpu("cortex-m0plus", "Cortex-M0+", "thumb-freestanding-eabi", "cortex_m0plus"),
    Cpu("cortex-m3", "Cortex-M3", "thumb-freestanding-eabi", "cortex_m3"),
    # Both with their single-precision FPU, and floats in its registers.
    Cpu("cortex-m4", "Cortex-M4F", "thumb-freestanding-eabihf", "cortex_m4+vfp4d16sp"),
    Cpu("cortex-m33", "Cortex-M33F", "thumb-freestanding-eabihf", "cortex_m33+fp_armv8d16sp"),
    Cpu("rv32imac", "RV32IMAC", "riscv32-freestanding-none", "generic_rv32+m+a+c+relax"),
)


def zig() -> list[str]:
    """Return the command of zig's C compiler, without flags.

    Raises:
        EngineMissing: it is not installed.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise EngineMissing(
            "firmware is compiled by zig, and ziglang is not installed", "pip install ziglang"
        )
    return [sys.executable, "-m", "ziglang", "cc"]


def compiler(cpu: Cpu) -> list[str]:
    """Return the command of the C compiler for a CPU, with all flags but the files.

    Raises:
        EngineMissing: zig is not installed.
    """
    return [*zig(), "-target", cpu.target, f"-mcpu={cpu.model}", *FLAGS]
