"""An engine for people's own tests: it opens any variant, needs nothing, and answers at once.

It is never chosen unless asked for (`strop.load(bundle, engine="fake")`). The answer depends on
the input alone: the class whose number is the sum of the input's values, rounded down, modulo the
number of classes, gets 1, the others 0. A test can so choose its answer by choosing its image.
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

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Give 1 to the class that the sum of a sample's values selects, and 0 to the others.

        Args:
            samples: (N, ...), of any real dtype.

        Returns:
            (N, ...), of the shape and dtype of the file's output, float32.
        """
        count = len(samples)
        sums = samples.reshape(count, -1).sum(axis=1, dtype=np.float64)  # (N,)
        answer = np.zeros((count, math.prod(self._shape)), self._dtype)
        answer[np.arange(count), (np.floor(sums) % answer.shape[1]).astype(np.intp)] = 1
        return answer.reshape(count, *self._shape)

    def is_busy(self) -> bool:
        """Return False: this is all Python, and a thread may be stopped anywhere in it."""
        return False

    def close(self) -> None:
        """Do nothing: there is no native memory."""


class Fake:
    """The fake engine."""

    def version(self) -> str:
        """Return a fixed version: there is no package."""
        return "1"

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> FakeSession:
        """Open a session on any variant; only the shape and dtype of its output count."""
        return FakeSession(variant)


ENGINE = Fake()
