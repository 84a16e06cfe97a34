"""Generated C, compiled for this machine, and run over samples."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.firmware.folder import Golden, files
from strop_export.firmware.names import model_identifier
from strop_export.formats.plan import ACTIVATIONS, Plan, Step, Tensor, Window
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
_WINDOWED = ("conv_2d", "depthwise_conv_2d", "max_pool_2d", "average_pool_2d")
_AXES = ("mean", "concatenate", "pad", "transpose")

# Reads samples, one input after the other, and writes outputs. The arena is poisoned before a run,
# so that a tensor that is read where nothing was written gives other bits.
DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "{prefix}.h"

int main(void) {{
    const strop_model *model = &{prefix};
    uint8_t *arena = malloc(model->arena_bytes);
    if (!arena) return 2;
    for (;;) {{
        memset(arena, 0xA5, model->arena_bytes);
        for (int i = 0; i < model->inputs; i++) {{
            const strop_array *input = &model->arrays[i];
            if (fread(arena + input->offset, 1, input->bytes, stdin) != input->bytes) {{
                free(arena);
                return i != 0;
            }}
        }}
        model->run(arena);
        for (int i = 0; i < model->outputs; i++) {{
            const strop_array *output = &model->arrays[model->inputs + i];
            fwrite(arena + output->offset, 1, output->bytes, stdout);
        }}
    }}
}}
"""


def plan_of(file: bytes) -> Plan:
    """Return a plan's file as the exporter's object."""
    read = plan_referee.read(file)
    tensors = [
        Tensor(
            tensor.dtype.name,
            tensor.dims,
            float(tensor.scale),
            tensor.zero_point,
            tensor.values,
            tensor.scales,
            tensor.name or "",
        )
        for tensor in read.tensors
    ]
    steps = []
    for step in read.steps:
        axes: tuple[int, ...] = ()
        window, beta = None, 0.0
        if step.operator in _WINDOWED:
            p = step.parameters
            window = Window(*((p[i], p[i + 1]) for i in range(0, 8, 2)))
        elif step.operator in _AXES:
            axes = tuple(step.parameters)
        elif step.operator == "softmax":
            beta = float(np.frombuffer(step.parameters, "<f4")[0])
        activation = list(ACTIVATIONS)[step.activation]
        steps.append(Step(step.operator, step.inputs, step.output, activation, beta, window, axes))
    return Plan(tensors, steps, read.inputs, read.outputs, ("reference", "float")[read.rounding])


def write(folder: Path, file: bytes, name: str = "some-net", golden: Golden | None = None) -> Path:
    """Write the folder of a plan, and return it."""
    for path, content in files(plan_of(file), file, name, None, golden).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def build(
    folder: Path, compiler: Sequence[str], flags: Sequence[str], name: str = "some-net"
) -> Path:
    """Compile a folder with the driver, and return the program."""
    (folder / "driver.c").write_text(DRIVER.format(prefix=model_identifier(name)))
    program = folder / hashlib.sha256(repr((compiler, flags)).encode()).hexdigest()[:8]
    inputs = [folder / "driver.c", *sorted((folder / "src").rglob("*.c"))]
    subprocess.run(
        [*compiler, *flags, "-I", folder / "src", *inputs, "-o", program], check=True, timeout=300
    )
    return program


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
