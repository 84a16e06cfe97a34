"""Concatenate, pad, transpose and mean in the C core: any axes of up to six."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats.plan import Plan, Step, Tensor
from tests.contract import plan_referee
from tests.native import networks
from tests.native.engine import Engine
from tests.native.test_parity import compare

DTYPES = ("int8", "float32")


def source(random: np.random.Generator, dtype: str) -> Tensor:
    """Make an input of one to six axes."""
    dims = tuple(map(int, random.integers(1, 6, random.integers(1, 7))))
    if dtype == "float32":
        return Tensor(dtype, dims, name="x")
    scale = float(np.float32(random.uniform(0.02, 2)))
    return Tensor(dtype, dims, scale, zero_point(random), name="x")


def zero_point(random: np.random.Generator) -> int:
    return int(random.integers(-128, 128))


def check(engine: Engine, plan: Plan, random: np.random.Generator) -> None:
    file = plan.to_bytes()
    compare(engine, file, *networks.samples(random, file, int(random.integers(1, 6))))


@pytest.mark.parametrize("dtype", DTYPES)
def test_concatenate(dtype: str, engine: Engine) -> None:
    """Others are inputs, constants, or the first again; along every axis."""
    random = np.random.default_rng(3)
    for _ in range(120):
        x = source(random, dtype)
        axis = int(random.integers(len(x.dims)))
        tensors, inputs, borders = [x], [0], [0]
        for _ in range(random.integers(1, 3)):
            kind = random.choice(["input", "constant", "again"])
            size = int(random.integers(1, 5))
            other = replace(x, dims=(*x.dims[:axis], size, *x.dims[axis + 1 :]), name="")
            if kind == "again":
                inputs.append(0)
                continue
            inputs.append(len(tensors))
            if kind == "constant":
                low, high = (-128, 128) if dtype == "int8" else (-9, 9)
                values = random.integers(low, high, other.dims).astype(dtype)
                other = replace(other, values=values)
            else:
                borders.append(len(tensors))
                other = replace(other, name=f"x{len(tensors)}")
            tensors.append(other)
        total = sum(tensors[number].dims[axis] for number in inputs)
        y = replace(x, dims=(*x.dims[:axis], total, *x.dims[axis + 1 :]), name="y")
        step = Step("concatenate", tuple(inputs), len(tensors), axes=(axis,))
        check(engine, Plan([*tensors, y], [step], borders, [len(tensors)]), random)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pad(dtype: str, engine: Engine) -> None:
    random = np.random.default_rng(4)
    for _ in range(120):
        x = source(random, dtype)
        rank = len(x.dims)
        around = random.integers(0, 3, (2, rank)) * (random.random((2, rank)) < 0.4)
        before, after = (tuple(map(int, side)) for side in around)
        dims = tuple(b + d + a for b, d, a in zip(before, x.dims, after, strict=True))
        plan = Plan(
            [x, replace(x, dims=dims, name="y")], [Step("pad", (0,), 1, axes=before)], [0], [1]
        )
        check(engine, plan, random)


@pytest.mark.parametrize("dtype", DTYPES)
def test_transpose(dtype: str, engine: Engine) -> None:
    random = np.random.default_rng(5)
    for _ in range(120):
        x = source(random, dtype)
        axes = tuple(map(int, random.permutation(len(x.dims))))
        y = replace(x, dims=tuple(x.dims[axis] for axis in axes), name="y")
        check(engine, Plan([x, y], [Step("transpose", (0,), 1, axes=axes)], [0], [1]), random)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_mean(dtype: str, rounding: str, engine: Engine) -> None:
    random = np.random.default_rng(6)
    values = set()
    for _ in range(120):
        x = source(random, dtype)
        first = int(random.integers(len(x.dims)))
        count = int(random.integers(1, len(x.dims) - first + 1))
        averaged = x.dims[first : first + count]
        kept = (1,) * count if random.random() < 0.5 else ()
        y = Tensor(dtype, (*x.dims[:first], *kept, *x.dims[first + count :]), name="y")
        if dtype == "int8":
            # As fine as the sums of the reference kernels allow, or coarser.
            finest = x.scale / 2 ** int(math.log2(math.prod(averaged)))
            scale = float(np.float32(finest * random.uniform(1.01, 9)))
            y = replace(y, scale=scale, zero_point=zero_point(random))
        step = Step("mean", (0,), 1, axes=(first, count))
        plan = Plan([x, y], [step], [0], [1], rounding if dtype == "int8" else None)
        check(engine, plan, random)
        file = plan.to_bytes()
        (result,) = plan_referee.outputs(file, *networks.samples(random, file, 3))
        values.update(result.ravel().tolist())
    assert len(values) > 200
