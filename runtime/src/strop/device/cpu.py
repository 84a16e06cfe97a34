"""The CPU of this machine, for timings, and the kernel's description of the processor.

`strop.load` asks for it where a bundle was tuned, so it has to be quick.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # importing it takes longer than all that is done here
    from pathlib import Path

_ENOUGH = 4096  # bytes of /proc/cpuinfo: a server's is long and slow to make
_ARM_CORES = {  # part numbers of implementer 0x41, Arm itself
    "0xb76": "ARM1176",
    "0xc05": "Cortex-A5",
    "0xc07": "Cortex-A7",
    "0xc08": "Cortex-A8",
    "0xc09": "Cortex-A9",
    "0xc0f": "Cortex-A15",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
}


class Cpu(NamedTuple):
    """The CPU on which a timing was made."""

    machine: str  # "x86_64", "aarch64"
    model: str  # as the board or the processor calls itself; "" if neither does
    cores: int  # that this process may use


def this_cpu(root: Path | str = "/") -> Cpu:
    """Return the CPU this process runs on, and how many cores of it the process may use.

    Args:
        root: the folder that stands for "/": the machine's files are those under it.
    """
    model = board_model(root) or cpu_model(pairs(text(f"{root}/proc/cpuinfo", _ENOUGH), ":"))
    return Cpu(_machine(), model, usable_cores())


def board_model(root: Path | str) -> str:
    """Return an Arm board's own name, which says so if the board is emulated; "" on most others.

    Args:
        root: the folder that stands for "/": the machine's files are those under it.
    """
    return text(f"{root}/proc/device-tree/model")


def cpu_model(cpuinfo: Mapping[str, tuple[str, ...]]) -> str:
    """Return the processor's name; "" if it has none.

    On Arm the kernel gives numbers instead, one for each core.

    Args:
        cpuinfo: /proc/cpuinfo, as `pairs` reads it.
    """
    if "0x41" in cpuinfo.get("CPU implementer", ()):
        parts = cpuinfo.get("CPU part", ())
        named = [_ARM_CORES[part] for part in parts if part in _ARM_CORES]
        if named:
            return " + ".join(named)
    for name in ("model name", "Processor", "Hardware"):
        if name in cpuinfo:
            return " + ".join(cpuinfo[name])
    return ""


def _machine() -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    import platform  # slow

    return platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows do not say


def pairs(text: str, separator: str) -> dict[str, tuple[str, ...]]:
    """Read lines of a name and a value.

    Args:
        text: the lines.
        separator: the text between a name and its value.

    Returns:
        Each name's different values, in order.
    """
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        name, given, value = line.partition(separator)
        if given and value.strip():
            found.setdefault(name.strip(), {})[value.strip()] = None
    return {name: tuple(values) for name, values in found.items()}


def text(path: Path | str, most: int = -1) -> str:
    """Read a file, or its first bytes, as text fit to be printed; "" if it cannot be read.

    Args:
        path: the file.
        most: how many bytes to read; -1: all of them.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            said = file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""
    return re.sub(r"[^\S\n]+|[^\n\x20-\x7e\xa0-\U0010ffff]+", " ", said.replace("\0", "")).strip()
