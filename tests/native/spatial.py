"""Random plans of convolutions, pools, mean, concatenate, pad and transpose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats.plan import Plan, Step, Tensor, Window

_OPERATORS = (
    *("conv_2d", "conv_2d", "depthwise_conv_2d", "depthwise_conv_2d", "max_pool_2d"),
    *("average_pool_2d", "mean", "concatenate", "pad", "transpose", "add", "reshape"),
)
_ACTIVATIONS = ("none", "relu", "relu6")
_MAX_VALUES = 4000


def spatial_plan(random: np.random.Generator, dtype: str) -> bytes:
    """Make a plan of up to 8 steps and a last layer, whose result and others are outputs.

    Args:
        random: decides.
        dtype: of all that is computed, "int8" or "float32".
    """
    return _Made(random, dtype).plan()


class _Made:
    def __init__(self, random: np.random.Generator, dtype: str) -> None:
        self._random, self._dtype = random, dtype
        dims = tuple(int(random.integers(1, 10)) for _ in range(3))
        self._tensors = [self._fresh(dims, "x")]
        self._computed = [0]
        self._steps: list[Step] = []

    def plan(self) -> bytes:
        for _ in range(self._random.integers(1, 9)):
            self._add_step(str(self._random.choice(_OPERATORS)))
        self._add_dense()
        outputs = [step.output for step in self._steps[:-1] if self._random.random() < 0.3]
        outputs.append(self._steps[-1].output)
        tensors = [
            Tensor(t.dtype, t.dims, t.scale, t.zero_point, t.values, t.scales, f"t{number}")
            if number in (0, *outputs)
            else t
            for number, t in enumerate(self._tensors)
        ]
        rounding = None if self._dtype == "float32" else str(self._random.choice(ROUNDINGS))
        return Plan(tensors, self._steps, [0], outputs, rounding).to_bytes()

    def _add_step(self, operator: str) -> None:
        last = self._computed[-1]
        x, random = self._tensors[last], self._random
        if len(x.dims) != 3:
            return
        match operator:
            case "conv_2d" | "depthwise_conv_2d":
                self._add_convolution(operator, last)
            case "max_pool_2d" | "average_pool_2d":
                window, sides = self._window(x.dims, pools=True)
                y = self._alike(x, (*sides, x.dims[2]))
                self._compute(operator, (last,), y, window=window, activation=self._activation())
            case "mean":
                first = int(random.integers(0, 3))
                count = int(random.integers(1, 4 - first))
                dims = tuple(1 if first <= i < first + count else d for i, d in enumerate(x.dims))
                if random.random() < 0.2:
                    dims = x.dims[:first] + x.dims[first + count :]
                y = self._fresh(dims, low=1.01 * x.scale, high=1.5 * x.scale)
                self._compute(operator, (last,), y, axes=(first, count))
            case "concatenate":
                self._add_concatenation(last)
            case "pad":
                before = tuple(int(random.integers(0, 3)) for _ in x.dims)
                dims = tuple(
                    b + d + int(random.integers(0, 3)) for b, d in zip(before, x.dims, strict=True)
                )
                self._compute(operator, (last,), self._alike(x, dims), axes=before)
            case "transpose":
                axes = tuple(map(int, random.permutation(3)))
                dims = tuple(x.dims[axis] for axis in axes)
                self._compute(operator, (last,), self._alike(x, dims), axes=axes)
            case "reshape":
                dims = (x.dims[1], x.dims[0], x.dims[2])
                self._compute(operator, (last,), self._alike(x, dims))
            case _:
                same = [n for n in self._computed if self._tensors[n].dims == x.dims]
                other = int(random.choice(same))
                scale = max(x.scale, self._tensors[other].scale)
                y = self._fresh(x.dims, low=scale / 2, high=2 * scale)
                self._compute("add", (last, other), y, activation=self._activation())

    def _add_convolution(self, operator: str, last: int) -> None:
        x, random = self._tensors[last], self._random
        size = (int(random.integers(1, 5)), int(random.integers(1, 5)))
        window, sides = self._window(x.dims, size=size)
        channels = x.dims[2]
        if operator == "conv_2d":
            out = int(random.integers(1, 40))
            dims: tuple[int, ...] = (out, *size, channels)
        else:
            out = channels * int(random.choice([1, 1, 2, 3]))
            dims = (out, *size)
        y = self._fresh((*sides, out))
        if not _fits(y):
            return
        constants = self._constants(x, dims, y, bias=random.random() < 0.8)
        activation = self._activation()
        self._compute(operator, (last, *constants), y, window=window, activation=activation)

    def _add_dense(self) -> None:
        last = self._computed[-1]
        x = self._tensors[last]
        rows = math.prod(x.dims)
        y = self._fresh((5,))
        constants = self._constants(x, (5, rows), y, bias=True)
        self._compute("fully_connected", (last, *constants), y)

    def _add_concatenation(self, last: int) -> None:
        x, random = self._tensors[last], self._random
        axis = int(random.integers(0, 3))

        def fits(t: Tensor) -> bool:
            same = (t.scale, t.zero_point, len(t.dims)) == (x.scale, x.zero_point, 3)
            return same and all(
                a == b for i, (a, b) in enumerate(zip(t.dims, x.dims, strict=True)) if i != axis
            )

        fitting = [n for n in self._computed if fits(self._tensors[n])]
        others = random.choice(fitting, int(random.integers(1, 3)))
        numbers = (last, *map(int, others))
        total = sum(self._tensors[n].dims[axis] for n in numbers)
        dims = tuple(total if i == axis else d for i, d in enumerate(x.dims))
        self._compute("concatenate", numbers, self._alike(x, dims), axes=(axis,))

    def _window(
        self, dims: tuple[int, ...], *, size: tuple[int, int] | None = None, pools: bool = False
    ) -> tuple[Window, tuple[int, int]]:
        """Return windows, and the height and width of their output."""
        random = self._random
        size = size or (int(random.integers(1, 5)), int(random.integers(1, 5)))
        parts = []
        for side, length in zip(dims, size, strict=False):
            stride, dilation = (
                int(random.integers(1, 4)),
                1 if pools else int(random.integers(1, 3)),
            )
            padding = int(random.integers(0, length))
            most = -(-(side + padding) // stride)  # windows that begin inside
            count = int(random.integers(1, most + (1 if pools else 3)))
            if random.random() < 0.5:  # all that end inside, or one
                count = max((side + 2 * padding - (length - 1) * dilation - 1) // stride + 1, 1)
                count = min(count, most)
            parts.append((stride, 0 if pools else dilation, padding, length if pools else 0, count))
        strides, dilations, paddings, sizes, counts = ((a, b) for a, b in zip(*parts, strict=True))
        return Window(strides, dilations, paddings, sizes), counts

    def _constants(self, x: Tensor, dims: tuple[int, ...], y: Tensor, *, bias: bool) -> list[int]:
        random, terms = self._random, math.prod(dims[1:])
        out = dims[0]
        if self._dtype == "float32":
            weights = Tensor("float32", dims, values=_floats(random.normal(0, terms**-0.5, dims)))
            biases = Tensor("float32", (out,), values=_floats(random.normal(0, 0.5, out)))
        else:
            own = random.integers(-127, 128, dims).astype(np.int8)
            several = random.random() < 0.7
            factors = random.uniform(0.2, 0.9, out if several else 1)
            scales = _floats(factors * y.scale / x.scale / 8 / np.sqrt(terms))
            weights = Tensor(
                *("int8", dims, 0.0 if several else float(scales[0]), 0, own),
                scales if several else None,
            )
            sums = np.clip(random.normal(0, 40, out) * y.scale / x.scale / scales, -1e6, 1e6)
            biases = Tensor("int32", (out,), values=sums.astype(np.int32))
        return [self._add(tensor) for tensor in (weights, biases)[: 1 + bias]]

    def _fresh(
        self, dims: tuple[int, ...], name: str = "", low: float = 0.02, high: float = 0.3
    ) -> Tensor:
        """Return a tensor with a quantization of its own."""
        if self._dtype == "float32":
            return Tensor("float32", dims, name=name)
        scale = float(np.float32(self._random.uniform(low, high)))
        return Tensor("int8", dims, scale, int(self._random.integers(-128, 128)), name=name)

    def _alike(self, x: Tensor, dims: tuple[int, ...]) -> Tensor:
        """Return a tensor with the quantization of another."""
        return Tensor(self._dtype, dims, x.scale, x.zero_point)

    def _activation(self) -> str:
        return str(self._random.choice(_ACTIVATIONS, p=(0.5, 0.25, 0.25)))

    def _compute(self, operator: str, inputs: tuple[int, ...], y: Tensor, **fields: Any) -> None:
        if not _fits(y):
            return
        number = self._add(y)
        self._computed.append(number)
        self._steps.append(Step(operator, inputs, number, **fields))

    def _add(self, tensor: Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def _fits(y: Tensor) -> bool:
    return math.prod(y.dims) <= _MAX_VALUES


def _floats(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
