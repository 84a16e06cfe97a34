"""The reference engine: stacks of dense layers in NumPy, float32, on any Python anywhere.

Its weights come straight from Keras, through no converter. So when two engines disagree, it can
say which of them departs from the model.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np

from strop.engines.batches import LARGEST_BATCH, in_parts
from strop.engines.blas import forks, own, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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

    def __init__(self, model: bytes, features: int, units: int) -> None:
        """Read the layers.

        Args:
            model: an .npz file, as docs/bundle-format.md describes it.
            features: values of one sample.
            units: values of the output.

        Raises:
            ValueError: it is not such a file.
        """
        with np.load(io.BytesIO(model), allow_pickle=False) as weights:
            # Stored, as export writes them: a few kB that unpack to GB are not a model.
            if sum(entry.file_size for entry in weights.zip.infolist()) > len(model):
                raise ValueError("its arrays are larger than the file: store, do not compress them")
            activations = weights["activations"]
            if activations.size > len(weights.files):  # of no bytes each, there can be any number
                raise ValueError(
                    f"{activations.size} activations in a file of {len(weights.files)} arrays"
                )
            if activations.ndim != 1 or activations.dtype.kind != "U" or not activations.size:
                raise ValueError("`activations` must be a list of names")
            functions = [_activation(str(name)) for name in activations]
            layers = range(len(functions))
            kernels, biases, others = (
                [_floats(weights, name) for name in names]
                for names in (
                    [f"kernel_{i}" for i in layers],
                    [f"bias_{i}" for i in layers],
                    ["scale", "offset"],
                )
            )
            if len(weights.files) != 2 * len(functions) + 3:
                raise ValueError(f"{len(weights.files)} arrays for {len(functions)} layers")
        if any(array.shape for array in others):
            raise ValueError("`scale` and `offset` must be single numbers")
        for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
            if kernel.shape != (features, bias.size) or bias.ndim != 1:
                raise ValueError(
                    f"layer {i} is {kernel.shape} and {bias.shape}; it takes {features} values"
                )
            features = bias.size
        if features != units:
            raise ValueError(f"gives {features} values; the manifest says {units}")
        if not all(np.isfinite(array).all() for array in (*kernels, *biases, *others)):
            raise ValueError("holds values that are not finite")
        scale, offset = (float(array) for array in others)
        first = kernels[0].astype(np.float64)
        biases[0] = (biases[0] + offset * first.sum(0)).astype(np.float32)
        kernels[0] = (first * scale).astype(np.float32)
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


def _activation(name: str) -> Callable[[Floats], None]:
    if name not in ACTIVATIONS:
        raise ValueError(f"there is no activation {name[:20]!r}")
    return ACTIVATIONS[name]


def _floats(weights: Mapping[str, NDArray[Any]], name: str) -> Floats:
    """Return one array of the file, if it is there and of float32."""
    if name not in weights:
        raise ValueError(f"`{name}` is missing")
    array = weights[name]
    if array.dtype != np.float32:
        raise ValueError(f"`{name}` must be float32, got {array.dtype}")
    return array


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
            ValueError: it is not what the manifest says, or not a stack of dense layers.
        """
        if not len(variant.inputs) == len(variant.outputs) == 1:
            raise ValueError("a stack of layers has one input and one output")
        (source,), (result,) = variant.inputs, variant.outputs
        if not source.dtype == result.dtype == "float32":
            raise ValueError("a stack of layers takes and gives float32")
        sizes, units = (
            [size for size in tensor.shape[1:] if size is not None] for tensor in (source, result)
        )
        if len(sizes) != len(source.shape) - 1 or len(units) != 1 or len(result.shape) != 2:
            raise ValueError(
                f"a stack of layers has fixed sizes and gives (N, units), not {source.shape} and "
                f"{result.shape}"
            )
        return ReferenceSession(model, math.prod(sizes), units[0])


ENGINE = Reference()
