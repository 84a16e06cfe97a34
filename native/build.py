"""Compile the native engine: python native/build.py --target aarch64-linux-gnu --out build/."""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow", "-Wvla"]
FLAGS = ["-std=c99", *WARNINGS, "-O3"]
# Bits must not depend on fused operations; paths must not get into the library.
FLAGS += ["-ffp-contract=off", "-fvisibility=hidden", f"-ffile-prefix-map={HERE}=."]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# zig adds its undefined-behaviour checks unless told not to.
ZIG_FLAGS = ["-fno-sanitize=undefined"]
PROGRAM_FLAGS = ["-D_POSIX_C_SOURCE=200809L"]  # the tests use a clock and aligned memory
SUFFIXES = {"windows": "dll", "macos": "dylib", "wasi": "wasm"}
# The stable ABI of CPython 3.11: the first with the calls that the extension is made of.
EXTENSION_FLAGS = ["-DPy_LIMITED_API=0x030B0000", "-DPY_SSIZE_T_CLEAN", "-include", "pyconfig.h"]
EXTENSION_FLAGS += ["-Wno-sign-conversion"]  # Python's sizes are signed


class Machine(NamedTuple):
    """A machine that the extension is compiled for: zig's target and CPU, and the wheel's tag."""

    target: str
    cpu: str
    tag: str


# By Python's name of the machine. A CPU is the least that is needed: better kernels are chosen when
# a plan is opened. The Cortex-A8 has NEON, as the Pi 2 has, but no instruction for division. The
# armv6l of pip is the Pi Zero with its FPU; armel has none.
MACHINES = {
    "x86_64": Machine("x86_64-linux-gnu.2.17", "x86_64", "manylinux_2_17_x86_64"),
    "aarch64": Machine("aarch64-linux-gnu.2.17", "generic", "manylinux_2_17_aarch64"),
    "armv7l": Machine("arm-linux-gnueabihf.2.17", "cortex_a8", "manylinux_2_17_armv7l"),
    "armv6l": Machine("arm-linux-gnueabihf.2.17", "arm1176jzf_s", "linux_armv6l"),
    "armel": Machine("arm-linux-gnueabi.2.17", "arm1176jz_s", "linux_armv6l"),
}


def sources() -> list[Path]:
    """List the C files of the library, in an order that does not depend on the disk."""
    return sorted((HERE / "src").rglob("*.c"))


def compiler(target: str, cpu: str) -> list[str]:
    """Name the compiler for a target: gcc for this machine (""), else zig's clang."""
    if not target:
        return ["gcc"]
    command = [sys.executable, "-m", "ziglang", "cc", *ZIG_FLAGS, "-target", target]
    return [*command, f"-mcpu={cpu}"] if cpu else command


def compile_library(out: Path, target: str = "", cpu: str = "") -> Path:
    """Compile the shared library for a target, such as x86_64-linux-gnu.2.17, and return it."""
    system = next((name for name in SUFFIXES if name in target), "")
    library = out / f"libstrop.{SUFFIXES.get(system, 'so')}"
    shared = ["-shared", "-fPIC", "-DSTROP_SHARED", "-s"]
    command = [*compiler(target, cpu), *FLAGS, *shared]
    _run([*command, *_inputs(sources()), "-o", library.name], out)
    return library


def compile_extension(out: Path, machine: str) -> Path:
    """Compile the Python extension for one of `MACHINES` by zig, and return it."""
    target, cpu, _ = MACHINES[machine]
    python = HERE / "python"
    includes = [f"-I{python}", f"-isystem{sysconfig.get_paths()['include']}"]
    command = [
        *compiler(target, cpu),
        *FLAGS,
        *EXTENSION_FLAGS,
        *includes,
        "-shared",
        "-fPIC",
        "-s",
    ]
    extension = out / "_core.abi3.so"
    inputs = [*sources(), *sorted(python.glob("*.c"))]
    _run([*command, *_inputs(inputs), "-o", extension.name], out)
    return extension


def compile_programs(
    programs: Sequence[Path], out: Path, target: str = "", cpu: str = "", *, sanitize: bool = False
) -> list[Path]:
    """Compile the library once, and programs of tests/ with it, and return the programs."""
    command = [*compiler(target, cpu), *FLAGS, *PROGRAM_FLAGS, *(SANITIZED if sanitize else [])]
    objects = [f"{source.stem}.o" for source in sources()]
    for source, made in zip(sources(), objects, strict=True):  # zig takes one with -c
        _run([*command, "-c", *_inputs([source]), "-o", made], out)
    static = ["-static"] if target else []  # runs under an emulator without a root file system
    for program in programs:
        inputs = [*_inputs([program]), *objects]
        _run([*command, *static, *inputs, "-lm", "-o", program.stem], out)
    return [out / program.stem for program in programs]


def _inputs(files: Sequence[Path]) -> list[str]:
    return [f"-I{HERE / 'include'}", f"-I{HERE / 'src'}", *(str(file.resolve()) for file in files)]


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile the library, or programs of tests/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="", help="zig's name of it; else gcc, for this machine")
    parser.add_argument("--cpu", default="", help="such as cortex_a7")
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--programs", type=Path, nargs="+", help="files of tests/")
    parser.add_argument("--extension", choices=MACHINES, help="the Python extension, by zig")
    parser.add_argument("--sanitize", action="store_true", help="programs with ASan and UBSan")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    place = (given.out, given.target, given.cpu)
    if given.extension:
        made = [compile_extension(given.out, given.extension)]
    elif given.programs:
        made = compile_programs(given.programs, *place, sanitize=given.sanitize)
    else:
        made = [compile_library(*place)]
    for path in made:
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
