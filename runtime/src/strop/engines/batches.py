"""Batches, as far as every engine treats them alike: the shapes of tensors, and runs in parts."""

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
    """Run a batch of more than `size` samples in parts, and join their outputs.

    Args:
        run: runs one part: (n, ...) -> float32 (n, ...).
        samples: (N, ...), of any dtype that `run` takes.
        size: samples in one part; the last part may have fewer.

    Returns:
        float32 (N, ...).
    """
    starts = range(0, len(samples), size)
    return np.concatenate([run(samples[start : start + size]) for start in starts])


def batch_shape(tensor: FileTensor, size: int) -> tuple[int, ...]:
    """Return the shape of a tensor for a batch; any other axis that is free counts as one.

    Args:
        tensor: what the manifest says of it.
        size: samples in the batch.
    """
    return (size, *(axis or 1 for axis in tensor.shape[1:]))


def require_same(tensor: FileTensor, dtype: str, shape: tuple[int | None, ...]) -> None:
    """Check that a file's tensor is what the manifest says it is.

    Args:
        tensor: what the manifest says.
        dtype: the dtype in the file.
        shape: the shape in the file; its batch is free (None) or of one sample.

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

    Some files take one sample at a time. And a copy of a large batch of real numbers, in the
    model's own dtype, might not fit into memory beside it. A whole call is one run of this session:
    it ends on the session that it began on, even if another thread closes the model meanwhile.
    """

    batch: int | None = None

    def __init__(self, session: Session, dtype: str) -> None:
        self.thread_safe = session.thread_safe
        self.largest = session.batch or session.largest
        self.adapter = session.adapter
        self._session = session
        self._dtype = np.dtype(dtype)

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Run samples of any real dtype, (N, ...), in parts that are converted one by one.

        Returns:
            float32 (N, ...).
        """
        if len(samples) > self.largest:
            return in_parts(self.run, samples, self.largest)
        return self._session.run(samples.astype(self._dtype, copy=False))

    def is_busy(self) -> bool:
        """Tell whether the session underneath is busy."""
        return self._session.is_busy()

    def close(self) -> None:
        """Close the session underneath."""
        self._session.close()
