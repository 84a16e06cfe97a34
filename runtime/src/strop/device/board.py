"""The facts about this board that decide which engines it can have, and how fast they are."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from strop.device.cpu import board_model, cpu_model, pairs, text, usable_cores

UNKNOWN = "unknown"

# What people call it -> what numpy and /proc/cpuinfo call it, in lower case.
_X86 = {
    "SSE4.2": ("sse42", "sse4_2"),
    "AVX": ("avx",),
    "AVX2": ("avx2",),
    "FMA": ("fma3", "fma"),
    "F16C": ("f16c",),
    "AVX-512": ("avx512f",),
    "AVX-512 VNNI": ("avx512vnni", "avx512_vnni"),
    "AVX-512 BF16": ("avx512bf16", "avx512_bf16"),
}
_ARM_64 = {
    "NEON": ("asimd", "neon"),
    "fp16 (asimdhp)": ("asimdhp",),
    "dot product (asimddp)": ("asimddp",),
    "int8 matrices (i8mm)": ("i8mm",),
    "bf16": ("bf16",),
    "SVE": ("sve",),
}
_ARM_32 = {  # a 64-bit kernel names what its own programs have: asimd is NEON with VFPv4
    "VFP": ("vfp", "asimd"),
    "VFPv3": ("vfpv3", "asimd"),
    "VFPv4": ("vfpv4", "neon_vfpv4", "asimd"),
    **_ARM_64,
}


@dataclass(frozen=True)
class Processor:
    """The processor, as far as inference goes."""

    model: str
    cores: int  # that this process may use
    features: tuple[str, ...]  # those that matter for inference, by the names people know


@dataclass(frozen=True)
class Python:
    """The interpreter, as far as installing into it goes."""

    version: str
    standard: bool = True  # CPython with its lock: what wheels are built for
    venv: bool = False  # it is a virtual environment's
    managed: bool = False  # by the OS (PEP 668): pip refuses to install into it
    makes_venvs: bool = True  # Debian keeps half of the venv module in python3-venv


@dataclass(frozen=True)
class Board:
    """The machine, its OS and its Python."""

    board: str
    os: str
    debian: bool  # the OS has apt
    machine: str  # of the programs, not of the kernel: armv7l under 32-bit Raspberry Pi OS
    bits: int  # 64 or 32, of the programs too
    kernel: str  # what the kernel calls the machine
    python: Python
    glibc: str | None  # None: another C library, musl mostly
    numpy: str | None  # None: absent or broken
    cpu: Processor


def read(root: Path = Path("/")) -> Board:
    """Collect the facts about this machine.

    Args:
        root: the folder that stands for "/": the machine's files are those under it.
    """
    cpuinfo = pairs(text(root / "proc/cpuinfo"), ":")
    names = _os_release(root)
    bits = 64 if sys.maxsize > 2**32 else 32
    kernel = platform.machine()
    machine = userland(kernel, bits, str(sysconfig.get_config_var("MULTIARCH")))
    numpy = sys.modules.get("numpy")
    return Board(
        board=_board(root, cpuinfo),
        os=names.get("PRETTY_NAME", UNKNOWN),
        debian="debian" in (names.get("ID"), *names.get("ID_LIKE", "").split()),
        machine=machine,
        bits=bits,
        kernel=kernel,
        python=_python(),
        glibc=_glibc(),
        numpy=getattr(numpy, "__version__", None),
        cpu=Processor(
            cpu_model(cpuinfo) or UNKNOWN,
            usable_cores(),
            features(machine, cpuinfo, _detected()),
        ),
    )


def userland(kernel: str, bits: int, multiarch: str) -> str:
    """Return the machine that programs see; a 64-bit kernel under a 32-bit OS is common on a Pi.

    Args:
        kernel: what the kernel calls the machine.
        bits: 64 or 32, of the programs.
        multiarch: Debian's name for the architecture of the programs: "arm-linux-gnueabihf".
    """
    if multiarch == "arm-linux-gnueabi":  # soft floats: no wheel for a hard-float armv7l runs
        return "armel"
    if bits == 32:
        return {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(kernel, kernel)
    return kernel


def features(
    machine: str, cpuinfo: Mapping[str, tuple[str, ...]], detected: frozenset[str]
) -> tuple[str, ...]:
    """List the processor's features that speed up inference.

    Args:
        machine: as `Board.machine`.
        cpuinfo: what the kernel says, as `cpu.pairs` reads it; under emulation of an x86 it
            describes the real processor.
        detected: what NumPy found by asking the processor, which is right there too. Empty: there
            is no NumPy to ask.
    """
    said = frozenset(
        flag
        for name in ("flags", "Features")
        for line in cpuinfo.get(name, ())
        for flag in line.split()
    )
    if machine in ("x86_64", "i686"):
        known, has = _X86, detected or said
    else:  # numpy looks for fewer things than the kernel tells of
        known, has = _ARM_64 if machine == "aarch64" else _ARM_32, detected | said
    return tuple(name for name, aliases in known.items() if has.intersection(aliases))


def _detected() -> frozenset[str]:
    """Return the CPU features that NumPy found, in lower case; empty if it does not show them.

    NumPy does not promise where it keeps them, so nothing may depend on this.
    """
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        found = getattr(sys.modules.get(name), "__cpu_features__", None)
        if found:
            return frozenset(feature.lower() for feature, there in found.items() if there)
    return frozenset()


def _board(root: Path, cpuinfo: Mapping[str, tuple[str, ...]]) -> str:
    model = board_model(root)
    if not model:
        files = (root / "sys/class/dmi/id" / name for name in ("sys_vendor", "product_name"))
        model = " ".join(filter(None, map(text, files)))
    return model or " ".join(cpuinfo.get("Model", ())) or UNKNOWN


def _os_release(root: Path) -> dict[str, str]:
    said = text(root / "etc/os-release") or text(root / "usr/lib/os-release")
    return {name: values[0].strip("\"'") for name, values in pairs(said, "=").items()}


def _python() -> Python:
    stdlib = Path(sysconfig.get_path("stdlib"))
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return Python(
        version=platform.python_version(),
        standard=sys.implementation.name == "cpython" and not free_threaded,
        venv=sys.prefix != sys.base_prefix,
        managed=(stdlib / "EXTERNALLY-MANAGED").is_file(),
        makes_venvs=importlib.util.find_spec("ensurepip") is not None,
    )


def _glibc() -> str | None:
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):  # Windows has no such call, musl no such name
        return None
    return said.removeprefix("glibc ") if said.startswith("glibc ") else None
