"""An engine for people's own tests: it opens any variant, needs nothing, and answers at once.

It is never chosen unless asked for (`strop.load(bundle, engine="fake")`). The answer depends on
the input alone: the class whose number is the sum of the input's values, rounded down, modulo the
number of classes, gets 1, the others 0. A test can so choose its answer by choosing its image. Of
several inputs the values are summed up together. An output of a single value is that sum, rounded
down, modulo 2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Variant
from strop.engines.batches import LARGEST_BATCH


class FakeSession:
    """A session whose answers follow from the input alone; any number of callers at once."""

    thread_safe = True
    batch: int | None = None
    largest = LARGEST_BATCH
    adapter = ""

    def __init__(self, variant: Variant) -> None:
        (output,) = variant.outputs
        self._shape = tuple(size or 1 for size in output.shape[1:])
        self._dtype = np.dtype(output.dtype)

    def run(self, samples: Any) -> Any:
        """Give 1 to the class that the sum of a sample's values selects, and 0 to the others.

        Args:
            samples: (N, ...), of any real dtype.

        Returns:
            (N, ...), of the shape and dtype of the file's output.
        """
        return _answer(_sums(samples), self._shape, self._dtype)

    def is_busy(self) -> bool:
        """Return False: this is all Python, and a thread may be stopped anywhere in it."""
        return False

    def close(self) -> None:
        """Do nothing: there is no native memory."""


class SeveralFakeSession(FakeSession):
    """The same for several inputs or outputs, each of which gets the answer of its own size."""

    def __init__(self, variant: Variant) -> None:
        self._outputs = [
            (tuple(size or 1 for size in output.shape[1:]), np.dtype(output.dtype))
            for output in variant.outputs
        ]

    def run(self, samples: Any) -> Any:
        """Answer as `FakeSession.run` does, by the sum of all inputs' values.

        Args:
            samples: a tuple of arrays (N, ...), of any real dtypes; or one, of one input.

        Returns:
            A tuple of arrays (N, ...), of the outputs' shapes and dtypes; or one, of one output.
        """
        arrays = samples if isinstance(samples, tuple) else (samples,)
        sums = np.add.reduce([_sums(array) for array in arrays])  # (N,)
        answers = tuple(_answer(sums, shape, dtype) for shape, dtype in self._outputs)
        return answers if len(answers) > 1 else answers[0]


def _sums(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Sum each sample's values up, float64 (N,)."""
    sums: NDArray[np.float64] = samples.reshape(len(samples), -1).sum(axis=1, dtype=np.float64)
    return sums


def _answer(
    sums: NDArray[np.float64], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Answer samples by their sums, (N, *shape)."""
    count, classes = len(sums), math.prod(shape)
    if classes == 1:
        return (np.floor(sums) % 2).astype(dtype).reshape(count, *shape)
    answer = np.zeros((count, classes), dtype)
    answer[np.arange(count), (np.floor(sums) % classes).astype(np.intp)] = 1
    return answer.reshape(count, *shape)


class Fake:
    """The fake engine."""

    def version(self) -> str:
        """Return a fixed version: there is no package."""
        return "1"

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> FakeSession:
        """Open a session on any variant; only the shapes and dtypes of its outputs count."""
        if len(variant.inputs) == len(variant.outputs) == 1:
            return FakeSession(variant)
        return SeveralFakeSession(variant)


ENGINE = Fake()
