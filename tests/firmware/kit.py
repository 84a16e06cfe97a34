"""Generated C, compiled for this machine, and run over samples."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.firmware.folder import Golden, files, kernel_files
from strop_export.firmware.names import model_identifier
from strop_export.formats.plan_reader import read_plan
from tests.contract import plan_referee
from tests.native.test_parity import differing

Array = NDArray[Any]
STRICT = [
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wvla",
]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

# Reads samples, one input after the other, and writes outputs. The arena is poisoned before a run,
# so that a tensor that is read where nothing was written gives other bits.
DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "{prefix}.h"

int main(void) {{
    const strop_model *net = &{prefix};
    uint8_t *memory = malloc(net->arena_bytes);
    if (!memory) return 2;
    for (;;) {{
        memset(memory, 0xA5, net->arena_bytes);
        for (int i = 0; i < net->inputs; i++) {{
            const strop_array *input = &net->arrays[i];
            if (fread(memory + input->offset, 1, input->bytes, stdin) != input->bytes) {{
                free(memory);
                return i != 0;
            }}
        }}
        net->run(memory);
        for (int i = 0; i < net->outputs; i++) {{
            const strop_array *output = &net->arrays[net->inputs + i];
            fwrite(memory + output->offset, 1, output->bytes, stdout);
        }}
    }}
}}
"""


def write(folder: Path, file: bytes, name: str = "some-net", golden: Golden | None = None) -> Path:
    """Write the folder of a plan, and return it."""
    for path, content in files(read_plan(file), file, name, None, golden).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


class Compiler:
    """A compiler with flags, and the kernels that it has compiled.

    Args:
        folder: an empty one, for objects.
        command: the compiler.
        flags: its options.

    Attributes:
        kernels: the objects.
    """

    def __init__(self, folder: Path, command: Sequence[str], flags: Sequence[str]) -> None:
        self._command = [*command, *flags]
        for path in kernel_files():
            (folder / path.name).write_bytes(path.read_bytes())
        self.kernels: list[Path] = []
        for source in sorted(folder.glob("*.c")):  # zig takes one with -c
            self._run("-c", source, "-o", source.with_suffix(".o"))
            self.kernels.append(source.with_suffix(".o"))

    def program(self, folder: Path, name: str = "some-net", main: str = "") -> Path:
        """Compile the model of a folder with a main file, by default the driver."""
        main = main or DRIVER.format(prefix=model_identifier(name))
        (folder / "tried.c").write_text(main)
        inputs = [folder / "tried.c", *sorted((folder / "src").glob("*.c")), *self.kernels]
        self._run("-I", folder / "src", *inputs, "-o", folder / "program")
        return folder / "program"

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run([*self._command, *arguments], check=True, timeout=300)


def run(program: Path, file: bytes, *samples: Array) -> list[Array]:
    """Return the outputs of a plan for samples, each (N, ...)."""
    plan = plan_referee.read(file)
    rows = [np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8) for array in samples]
    ended = subprocess.run(
        [program], input=np.hstack(rows).tobytes(), capture_output=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr.decode()
    outputs = [plan.tensors[number] for number in plan.outputs]
    kinds = [(f"f{i}", tensor.dtype, tensor.dims) for i, tensor in enumerate(outputs)]
    found = np.frombuffer(ended.stdout, np.dtype(kinds))
    assert len(found) == len(samples[0])
    return [found[name].copy() for name, *_ in kinds]


def compare(program: Path, file: bytes, *samples: Array) -> None:
    """Compare all outputs with the referee's, to the bit."""
    found, expected = run(program, file, *samples), plan_referee.outputs(file, *samples)
    for ours, theirs in zip(found, expected, strict=True):
        assert differing(ours, theirs) == 0
