"""Random plans and .tflite files of dense networks, and samples with what is special in floats."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats.base import Converted
from strop_export.formats.plan import Plan, Step, Tensor, Window
from tests.contract import plan_referee, referee_records, tflite_kit

Array = NDArray[Any]

FLOAT_OPERATORS = (
    *("fully_connected", "relu", "relu6", "sigmoid", "tanh", "softmax", "reshape"),
    *("mul", "add", "sub"),
)
ACTIVATIONS = ("none", "relu", "relu6")
_SPECIAL = np.array(
    [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-40, 1.2e-38, 3e38, -3e38, 0.625, 88.1, -87.1],
    np.float32,
)


def with_inner_outputs(file: bytes) -> bytes:
    """Return a plan whose outputs are all tensors that it computes, in the order of the steps."""
    read = plan_referee.read(file)
    numbers = [step.output for step in read.steps]
    borders = {*read.inputs, *numbers}
    tensors = [
        Tensor(
            tensor.dtype.name,
            tensor.dims,
            float(tensor.scale),
            tensor.zero_point,
            tensor.values,
            tensor.scales,
            f"t{number}" if number in borders else "",
        )
        for number, tensor in enumerate(read.tensors)
    ]
    steps = [_written(step) for step in read.steps]
    rounding = ROUNDINGS[read.rounding]
    return Plan(tensors, steps, read.inputs, numbers, rounding).to_bytes()


def _written(step: referee_records.Step) -> Step:
    """Return a step as it was before it was written."""
    made = Step(step.operator, step.inputs, step.output, ACTIVATIONS[step.activation])
    if step.operator == "softmax":
        return made._replace(beta=struct.unpack_from("<f", step.parameters)[0])
    if step.operator.endswith("_2d"):
        pairs = zip(step.parameters[::2], step.parameters[1::2], strict=True)
        return made._replace(window=Window(*pairs))
    return made._replace(axes=tuple(step.parameters))


def samples(random: np.random.Generator, file: bytes, count: int) -> list[Array]:
    """Return inputs of a plan, each (count, ...): any bytes; floats, of which many are special."""
    found, plan = [], plan_referee.read(file)
    for number in plan.inputs:
        tensor = plan.tensors[number]
        shape = (count, *tensor.dims)
        if tensor.dtype != np.float32:
            limits = np.iinfo(tensor.dtype)
            found.append(random.integers(limits.min, limits.max + 1, shape).astype(tensor.dtype))
            continue
        values = random.normal(0, 4, shape).astype(np.float32)
        special = random.random(shape) < random.choice([0, 0.02, 0.3])
        found.append(np.where(special, random.choice(_SPECIAL, shape), values))
    return found


def float_plan(random: np.random.Generator) -> bytes:
    """Make a plan of random float steps; some tensors on the way are outputs too."""
    width = int(random.integers(1, 90))
    tensors, steps = [Tensor("float32", (width,), name="x")], []
    x = earlier = 0  # the last tensor, and one of the same size
    outputs = []

    def constant(*dims: int) -> int:
        tensors.append(
            Tensor("float32", dims, values=random.normal(0, 0.4, dims).astype(np.float32))
        )
        return len(tensors) - 1

    left = int(random.integers(2, 9))
    while left:
        left -= 1
        operator = str(random.choice([*FLOAT_OPERATORS, "fully_connected"]))
        activation, others = "none", []
        if operator == "fully_connected":
            inputs, width = width, int(random.integers(1, 90))
            others = [constant(width, inputs)] + [constant(width)] * int(random.integers(2))
        elif operator in ("mul", "add", "sub"):
            part = int(random.choice([n for n in range(1, width + 1) if width % n == 0]))
            others = [earlier if random.random() < 0.3 else constant(part)]
        if others:
            activation = str(random.choice(ACTIVATIONS))
        is_output = not left or random.random() < 0.2
        tensors.append(Tensor("float32", (width,), name=f"y{left}" if is_output else ""))
        y = len(tensors) - 1
        beta = float(random.choice([0.5, 1, 2])) if operator == "softmax" else 0.0
        steps.append(Step(operator, (x, *others), y, activation, beta))
        outputs += [y] * is_output
        earlier, x = y if operator == "fully_connected" else earlier, y
    return Plan(tensors, steps, [0], outputs).to_bytes()


def int8_file(random: np.random.Generator, count: int) -> tuple[Converted, Array]:
    """Make a .tflite file of float32 to int8, and one to three layers of int8; `count` samples."""
    build = tflite_kit.Builder()
    width, scale = int(random.integers(1, 300)), np.float32(random.uniform(0.01, 0.1))
    values = random.normal(0, 3, (count, width)).astype(np.float32)
    source = build.tensor((1, width), "float32")
    zero = int(random.integers(-128, 128))
    x = build.step("QUANTIZE", [source], build.tensor((1, width), "int8", scale, zero))
    for _ in range(random.integers(1, 4)):
        inputs, width = width, int(random.integers(1, 150))
        out = np.float32(random.uniform(0.02, 0.3))
        factors = random.uniform(0.2, 0.9, width if random.random() < 0.7 else 1)
        scales = (factors * out / scale / 8 / np.sqrt(inputs)).astype(np.float32)
        weights = build.constant(
            random.integers(-127, 128, (width, inputs)).astype(np.int8), scales
        )
        sums = random.normal(0, 30, width) * out / scale / scales
        bias = build.constant(np.clip(sums, -1e6, 1e6).astype(np.int32), scale * scales)
        zero, scale = int(random.integers(-128, 128)), out
        y = build.tensor((1, width), "int8", out, zero)
        fused = int(random.choice([0, 1, 3]))
        inner = [x, weights, bias]
        x = build.step("FULLY_CONNECTED", inner, y, fusedActivationFunction=fused)
    return build.file(source, x), values
