"""Samples of a model's inputs: their check, and a choice of some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import DTYPES


def fault(samples: NDArray[Any], shape: tuple[int | None, ...]) -> tuple[str, str] | None:
    """Say why samples cannot be a model's input.

    Args:
        samples: (N, ...), as the device's sensor gives them.
        shape: the shape of one sample that the model takes; None: any size.

    Returns:
        The problem and the mend; None if the samples fit.
    """
    if samples.dtype.name not in DTYPES or not samples.dtype.isnative:
        mend = f"give what the device's sensor gives, one of {', '.join(DTYPES)}"
        return f"inputs are {samples.dtype}", mend
    found = samples.shape[1:]
    fits = len(found) == len(shape) and all(
        want in (None, size) for want, size in zip(shape, found, strict=True)
    )
    if not samples.ndim or not fits or not len(samples):
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        takes = f"(N, {sizes}) with N at least 1"
        return f"inputs have shape {samples.shape}, the model takes {takes}", "give that shape"
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        return "inputs hold NaN or infinity", "remove those samples"
    return None


def spread(samples: Sequence[NDArray[Any]], count: int | None) -> list[NDArray[Any]]:
    """Return `count` samples that lie evenly apart.

    Args:
        samples: (N, ...) for each input.
        count: how many; None or more than N: all.
    """
    total = len(samples[0])
    if count is None or count >= total:
        return list(samples)
    chosen = np.arange(count) * total // count
    return [array[chosen] for array in samples]
