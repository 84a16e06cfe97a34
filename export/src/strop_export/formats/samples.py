"""The one check of samples, wherever they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = (np.dtype(np.uint8), np.dtype(np.float32))


def fault(samples: NDArray[Any], shape: tuple[int, ...]) -> str:
    """Say why samples cannot be a model's input.

    Args:
        samples: (N, ...), uint8 or float32, as the device's sensor gives them.
        shape: of one sample, as the model takes it.

    Returns:
        One line, or "" if the samples fit.
    """
    if samples.dtype not in DTYPES:
        return (
            f"inputs are {samples.dtype}; give what the device's sensor gives, "
            f"{' or '.join(dtype.name for dtype in DTYPES)}"
        )
    if samples.shape[1:] != shape or not len(samples):
        sizes = ", ".join(map(str, shape))
        return f"inputs have shape {samples.shape}, the model takes (N, {sizes}) with N at least 1"
    if not np.isfinite(samples).all():
        return "inputs hold NaN or infinity; remove those samples"
    return ""
