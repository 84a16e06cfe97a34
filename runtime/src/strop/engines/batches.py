"""Batches, as far as every engine has them alike: the shapes of tensors, and runs in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import FileTensor
    from strop.engines.base import Session

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


def require_same(tensor: FileTensor, dtype: str, shape: tuple[int | None, ...]) -> None:
    """See that a file's tensor is what the manifest says it is.

    Args:
        tensor: what the manifest says.
        dtype, shape: what the file has; its batch is free (None) or of one sample.

    Raises:
        ValueError: they differ.
    """
    if dtype != tensor.dtype or shape[:1] not in ((1,), (None,)) or shape[1:] != tensor.shape[1:]:
        raise ValueError(
            f"{tensor.name} is {dtype} {shape} in the file, "
            f"{tensor.dtype} {tensor.shape} in the manifest"
        )


class InParts:
    """A session over another, that takes batches of any size and any real dtype.

    Some files take one sample; and of real numbers a copy of the model's own dtype might not fit
    beside a large batch. All of a call is one run of this, so that it ends as it began, whoever
    closes the model meanwhile.
    """

    batch: int | None = None

    def __init__(self, session: Session, dtype: str) -> None:
        self.thread_safe = session.thread_safe
        self.largest = session.batch or session.largest
        self.adapter = session.adapter
        self._session = session
        self._dtype = np.dtype(dtype)

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        if len(samples) > self.largest:
            return in_parts(self.run, samples, self.largest)
        return self._session.run(samples.astype(self._dtype, copy=False))

    def is_busy(self) -> bool:
        return self._session.is_busy()

    def close(self) -> None:
        self._session.close()
