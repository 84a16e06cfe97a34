"""Runs of a model in batches that fit into memory, of Keras 3 or of tf-keras."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FEW: Final = 256  # samples, for the comparison of two models that should be the same
_MOST_VALUES: Final = 2**24  # of samples that run at once
_MOST_SAMPLES: Final = 1000


def run(
    call: Callable[[list[NDArray[Any]]], Iterable[Any]],
    samples: Sequence[NDArray[Any]],
    size: int | None = None,
) -> tuple[NDArray[Any], ...]:
    """Run a model over samples, batch by batch.

    Args:
        call: takes a batch, (n, ...) for each input, and returns (n, ...) for each output.
        samples: (N, ...) for each input.
        size: samples in a batch; by default as many as fit.

    Returns:
        (N, ...) for each output.
    """
    largest = max(array[0].size for array in samples)
    size = size or max(1, min(_MOST_SAMPLES, _MOST_VALUES // max(largest, 1)))
    parts = []
    for start in range(0, len(samples[0]), size):
        answers = call([array[start : start + size] for array in samples])
        parts.append([np.asarray(answer) for answer in answers])
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
