"""The memory that a model takes of a microcontroller, known before anything is flashed."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from strop_export.errors import ConversionError
from strop_export.firmware.cpus import Cpu, compiler
from strop_export.firmware.stack import deepest_stack

_ARENA: Final = re.compile(r"^#define \w+_ARENA_BYTES (\d+)", re.MULTILINE)
_RUN: Final = re.compile(r"^void (\w+_run)\(void \*arena\);", re.MULTILINE)
_UNWINDING: Final = (".ARM.ex", ".eh_frame")  # nothing unwinds C; boards leave these out


class Sizes(NamedTuple):
    """The memory that a model takes on a CPU.

    Attributes:
        flash_bytes: code, constants and first values: of the model, of the kernels, and of the
            compiler's own functions that they need.
        ram_bytes: the arena, variables and the deepest stack.
        arena_bytes: inputs, outputs and everything between.
        stack_bytes: the deepest stack of a run, without interrupts.
        code_bytes: the share of instructions in the flash.
    """

    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    code_bytes: int


def measure(folder: Path, cpu: Cpu) -> Sizes:
    """Compile a model for a CPU, and measure it; start-up code and main() come on top.

    Args:
        folder: as `folder.files` describes it.
        cpu: one of `CPUS`.

    Raises:
        ConversionError: the code does not compile.
        EngineMissing: zig is not installed.
    """
    (header,) = (p for p in (folder / "src").glob("*.h") if _ARENA.search(p.read_text("utf-8")))
    text = header.read_text("utf-8")
    (arena,), (run,) = _ARENA.findall(text), _RUN.findall(text)
    sources = sorted((folder / "src").rglob("*.c"))
    includes = (folder / "src", folder / "src" / "strop")
    return measure_function(sources, includes, run, cpu, int(arena))


def measure_function(
    sources: list[Path], includes: tuple[Path, ...], entry: str, cpu: Cpu, arena_bytes: int
) -> Sizes:
    """Compile C for a CPU, and measure a function with all that it needs.

    Args:
        sources: the C files.
        includes: folders with headers.
        entry: the function.
        cpu: one of `CPUS`.
        arena_bytes: memory that the function is given.

    Raises:
        ConversionError: the code does not compile.
        EngineMissing: zig is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="strop-sizes-") as scratch:
        made = Path(scratch, "model.elf")
        command = [*compiler(cpu), *(f"-I{include.resolve()}" for include in includes)]
        command += [*(str(path.resolve()) for path in sources), f"-Wl,-e,{entry}", "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
        if done.returncode:
            raise ConversionError(
                f"the C code does not compile for {cpu.title}: {done.stderr.strip()}",
                "report it: generated code compiles for every CPU",
            )
        with made.open("rb") as file:
            elf = ELFFile(file)
            flash, ram, code = _memory(elf)
            stack = deepest_stack(elf, entry)
    return Sizes(flash, ram + arena_bytes + stack, arena_bytes, stack, code)


def _memory(elf: ELFFile) -> tuple[int, int, int]:
    """Return bytes: of flash, of variables in RAM, and of code."""
    flash = ram = code = 0
    for section in elf.iter_sections():
        flags, size = section["sh_flags"], section["sh_size"]
        if not flags & SH_FLAGS.SHF_ALLOC or section.name.startswith(_UNWINDING):
            continue
        if section["sh_type"] != "SHT_NOBITS":
            flash += size
        if flags & SH_FLAGS.SHF_WRITE:
            ram += size
        if flags & SH_FLAGS.SHF_EXECINSTR:
            code += size
    return flash, ram, code
