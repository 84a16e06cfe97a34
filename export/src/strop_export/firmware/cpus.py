"""The CPUs of microcontrollers that firmware is compiled for, by zig."""

from __future__ import annotations

import importlib.util
import sys
from typing import Final, NamedTuple

from strop_export.errors import EngineMissing

# -Os: a device's flash is smaller than its time. Sums of floats must not be fused.
FLAGS: Final = ("-std=c99", "-Os", "-ffreestanding", "-ffp-contract=off", "-fno-sanitize=undefined")
FLAGS += ("-ffunction-sections", "-fdata-sections", "-fno-unwind-tables")
FLAGS += ("-fno-asynchronous-unwind-tables", "-Wl,--gc-sections", "-g")  # -g keeps the symbols


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


def compiler(cpu: Cpu) -> list[str]:
    """Return the command of the C compiler for a CPU, with all flags but the files.

    Raises:
        EngineMissing: zig is not installed.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise EngineMissing(
            f"code for {cpu.title} is compiled by zig, which is not installed",
            "pip install ziglang",
        )
    zig = (sys.executable, "-m", "ziglang", "cc")
    return [*zig, "-target", cpu.target, f"-mcpu={cpu.model}", *FLAGS]
