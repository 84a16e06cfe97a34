"""Batches, as far as every engine has them alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from strop.manifest import FileTensor

# Samples that a session on the CPU runs at once. More are run in parts of so many: what lies
# between the layers then stays in the cache, and a large batch takes no more memory than this.
LARGEST_BATCH = 1024


def in_parts(
    run: Callable[[NDArray[Any]], NDArray[Any]], samples: NDArray[Any], size: int = LARGEST_BATCH
) -> NDArray[Any]:
    """Run a batch of more than `size` samples."""
    starts = range(0, len(samples), size)
    return np.concatenate([run(samples[start : start + size]) for start in starts])


def batch_shape(tensor: FileTensor, size: int) -> tuple[int, ...]:
    """The shape of a tensor for so many samples; another axis that is free counts as one."""
    return (size, *(axis or 1 for axis in tensor.shape[1:]))
