"""Compile the C core to WebAssembly: python -m native.web.build --out build/web."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from native.build import FLAGS, HERE, compiler, sources

WEB = HERE / "web"
TARGET, CPU = "wasm32-wasi", "generic+simd128"  # its C library has memcpy; nothing is imported
# SIMD is always there: the plain kernels would never run. At -Os, a depthwise layer of int8 takes
# twice as long; unrolled loops add 7 kB and gain nothing.
SMALLER = ["-fno-unroll-loops", "-DSTROP_WITHOUT_PLAIN"]
FUNCTIONS = ("check", "prepare", "run", "input", "output", "best_kernels", "tile_rows")
# The stack is below the data: one that overflows is a trap.
LINKER = ["-z,stack-size=131072", "--export=__heap_base"]
LINKER += [f"--export=strop_{name}" for name in FUNCTIONS]


def make_module(out: Path) -> Path:
    """Make the folder that a page imports: JavaScript, its types, and strop.wasm.

    Raises:
        CalledProcessError: the core does not compile; the compiler has said why.
    """
    for file in module_files():
        copy = out / file.relative_to(WEB)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    made = out / "strop.wasm"
    files = [file for file in sources() if file.name != "plain.c"]
    command = [*compiler(TARGET, CPU), *FLAGS, *SMALLER, "-s", "-mexec-model=reactor"]
    command += [f"-I{HERE / 'include'}", *map(str, files)]
    command += [*(f"-Wl,{flag}" for flag in LINKER), "-o", made.name]
    subprocess.run(command, cwd=out, check=True)
    made.chmod(0o644)
    return out


def module_files() -> list[Path]:
    """List the JavaScript, its types and the example."""
    return sorted([*WEB.rglob("*.mjs"), WEB / "strop.d.ts"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the folder, and print the size of strop.wasm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/web"))
    made = make_module(parser.parse_args(arguments).out) / "strop.wasm"
    print(f"{made}: {made.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
