"""The reference engine: stacks of dense layers in NumPy, float32, on any Python anywhere.

Its weights come straight from Keras, through no converter. So when two engines disagree, it can
say which of them departs from the model.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from strop.engines.batches import LARGEST_BATCH, in_parts
from strop.engines.blas import forks, own, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import Variant

    Floats = NDArray[np.float32]

# Activations work in place: at this size an array made costs as much as what is put into it.


def _relu(x: Floats) -> None:
    np.maximum(x, np.float32(0), out=x)


def _sigmoid(x: Floats) -> None:
    np.negative(x, out=x)
    with np.errstate(over="ignore"):  # exp(large) is inf, and 1 / inf the right answer
        np.exp(x, out=x)
    x += np.float32(1)
    np.reciprocal(x, out=x)


def _softmax(x: Floats) -> None:
    with np.errstate(over="ignore"):  # -large - large is -inf, and exp(-inf) the right answer
        x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)


def _linear(x: Floats) -> None:
    pass


ACTIVATIONS: dict[str, Callable[[Floats], None]] = {
    "linear": _linear,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}


class ReferenceSession:
    """A stack of dense layers over `scale * x + offset`, flattened; one layer for each kernel.

    Scale and offset are made part of the first layer, in float64: one rounding instead of two,
    and nothing left to do for each value.
    """

    thread_safe = True
    batch: int | None = None
    largest = LARGEST_BATCH
    adapter = ""

    def __init__(self, model: bytes) -> None:
        with np.load(io.BytesIO(model), allow_pickle=False) as weights:
            # Stored, as export writes them: a few kB that unpack to GB are no model.
            if sum(entry.file_size for entry in weights.zip.infolist()) > len(model):
                raise ValueError("its arrays are larger than the file: store, do not compress them")
            activations = weights["activations"]
            if activations.size > len(weights.files):  # of no bytes each, there can be any number
                raise ValueError(
                    f"{activations.size} activations in a file of {len(weights.files)} arrays"
                )
            names = [str(name) for name in activations]
            kernels = [weights[f"kernel_{i}"] for i in range(len(names))]
            biases = [weights[f"bias_{i}"] for i in range(len(names))]
            scale, offset = weights["scale"], weights["offset"]
        first = kernels[0].astype(np.float64)
        biases[0] = (biases[0] + np.full(len(first), offset) @ first).astype(np.float32)
        kernels[0] = (first * scale).astype(np.float32)
        functions = (ACTIVATIONS[name] for name in names)
        self._layers = list(zip(kernels, biases, functions, strict=True))

    def run(self, samples: NDArray[Any]) -> Floats:
        """Run the layers one after the other.

        Args:
            samples: (N, ...), of any real dtype.

        Returns:
            float32 (N, units of the last layer), a new array.
        """
        if len(samples) > LARGEST_BATCH:
            answers: Floats = in_parts(self.run, samples)
            return answers
        x = samples  # (N, ...)
        x = x.reshape(len(x), -1).astype(np.float32, copy=False)  # (N, features)
        if forks:
            wait()
        with own.lock:  # no fork meanwhile
            for kernel, bias, activation in self._layers:
                x = x @ kernel  # (N, units)
                x += bias
                activation(x)
        return x

    def is_busy(self) -> bool:
        """Return False: a thread may be stopped anywhere in NumPy."""
        return False

    def close(self) -> None:
        """Do nothing: the arrays go with this object, after the last call in flight."""


class Reference:
    """The reference engine, on the CPU; the number of threads makes no difference."""

    def version(self) -> str:
        """Return the version of NumPy, which is all that this engine needs."""
        return str(np.__version__)

    def open(
        self, model: bytes, variant: Variant, *, device: str, threads: int
    ) -> ReferenceSession:
        """Read the weights of a model, an .npz file, into a session.

        Raises:
            ValueError: the manifest says that it has several inputs or outputs.
        """
        if not len(variant.inputs) == len(variant.outputs) == 1:
            raise ValueError("a stack of layers has one input and one output")
        return ReferenceSession(model)


ENGINE = Reference()
