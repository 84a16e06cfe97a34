"""The referee: dense stacks in NumPy, float32, on any Python anywhere.

Its weights come straight from Keras, through no converter, so that when two engines disagree it
can say which of them left the model.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strop.engines.base import Arrays
from strop.manifest import Variant

Floats = NDArray[np.float32]


def _relu(x: Floats) -> Floats:
    return np.maximum(x, np.float32(0))


def _sigmoid(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp(large) is inf, and 1 / inf the right answer
        return np.float32(1) / (np.float32(1) + np.exp(-x))


def _softmax(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # -large - large is -inf, and exp(-inf) the right answer
        e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def _linear(x: Floats) -> Floats:
    return x


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "linear": _linear,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}


class ReferenceSession:
    """scale * x + offset, flattened, then a dense layer for each kernel."""

    thread_safe = True
    batch: int | None = None
    adapter = ""

    def __init__(self, model: bytes) -> None:
        with np.load(io.BytesIO(model), allow_pickle=False) as weights:
            self._scale: Floats = weights["scale"]
            self._offset: Floats = weights["offset"]
            self._layers = [
                (weights[f"kernel_{i}"], weights[f"bias_{i}"], ACTIVATIONS[str(name)])
                for i, name in enumerate(weights["activations"])
            ]

    def run(self, inputs: Arrays) -> Arrays:
        x = inputs[0]  # (N, ...)
        x = (x * self._scale + self._offset).reshape(len(x), -1)  # (N, features)
        for kernel, bias, activation in self._layers:
            x = activation(x @ kernel + bias)  # (N, units)
        return (x,)

    def close(self) -> None:
        """The arrays go with this object, after the last call in flight."""


class Reference:
    name = "reference"
    format = "weights"
    devices = ("cpu",)
    takes_threads = False

    def version(self) -> str:
        return str(np.__version__)

    def open(
        self, model: bytes, variant: Variant, *, device: str, threads: int
    ) -> ReferenceSession:
        return ReferenceSession(model)


ENGINE = Reference()
