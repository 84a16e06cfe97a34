"""An engine for people's own tests: opens any variant, needs nothing, answers at once.

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
    thread_safe = True
    batch: int | None = None
    largest = LARGEST_BATCH
    adapter = ""

    def __init__(self, variant: Variant) -> None:
        (output,) = variant.outputs
        self._shape = tuple(size or 1 for size in output.shape[1:])
        self._dtype = np.dtype(output.dtype)

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        count = len(samples)
        sums = samples.reshape(count, -1).sum(axis=1, dtype=np.float64)  # (N,)
        answer = np.zeros((count, math.prod(self._shape)), self._dtype)
        answer[np.arange(count), (np.floor(sums) % answer.shape[1]).astype(np.intp)] = 1
        return answer.reshape(count, *self._shape)

    def is_busy(self) -> bool:
        """It is all Python."""
        return False

    def close(self) -> None:
        """There is nothing to let go of."""


class Fake:
    def version(self) -> str:
        return "1"

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> FakeSession:
        return FakeSession(variant)


ENGINE = Fake()
