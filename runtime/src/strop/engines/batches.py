"""Batches, as far as every engine treats them alike: the shapes of tensors, and runs in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Callable, Iterable
    from typing import Any

    from strop.bundle.manifest import FileTensor
    from strop.engines.base import Arrays, Session

# Samples that a session on the CPU runs at once. More are run in parts of so many: what lies
# between the layers then stays in the cache, and a large batch takes no more memory than this.
LARGEST_BATCH = 1024


def in_parts(run: Callable[[Any], Any], samples: Arrays, size: int = LARGEST_BATCH) -> Any:
    """Run a batch of more than `size` samples in parts, and join their outputs.

    Args:
        run: runs one part, as a session does: one array (n, ...), or a tuple of them.
        samples: (N, ...), of any dtype that `run` takes; or a tuple of such arrays.
        size: samples in one part; the last part may have fewer.

    Returns:
        What `run` returns, (N, ...): one array, or a tuple of them.
    """
    starts = range(0, count(samples), size)
    parts = [run(pick(samples, slice(start, start + size))) for start in starts]
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    return np.concatenate(parts)


def count(samples: Arrays) -> int:
    """Return the number of samples in one array, or in each of several."""
    return len(samples[0]) if isinstance(samples, tuple) else len(samples)


def pick(samples: Arrays, which: Any) -> Any:
    """Pick samples by number: index one array, or each of several.

    Args:
        samples: (N, ...); or a tuple of such arrays.
        which: what NumPy takes as an index: a number, a slice, or an array of numbers.
    """
    if isinstance(samples, tuple):
        return tuple(array[which] for array in samples)
    return samples[which]


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

    def run(self, samples: Any) -> Any:
        """Run samples of any real dtype, (N, ...), in parts that are converted one by one.

        Returns:
            What the session underneath returns, (N, ...).
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


class SeveralInParts(InParts):
    """The same over a session whose file has several inputs: it takes a tuple of arrays."""

    def __init__(self, session: Session, dtypes: Iterable[str]) -> None:
        first, *others = dtypes
        super().__init__(session, first)
        self._dtypes = (self._dtype, *map(np.dtype, others))

    def run(self, samples: Any) -> Any:
        """Run a tuple of arrays (N, ...) of any real dtypes, as `InParts.run` does one."""
        if len(samples[0]) > self.largest:
            return in_parts(self.run, samples, self.largest)
        pairs = zip(samples, self._dtypes, strict=True)
        return self._session.run(tuple(array.astype(dtype, copy=False) for array, dtype in pairs))
