"""What samples must be, wherever they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = ("uint8", "float32")


def fault(samples: NDArray[Any], shape: tuple[int, ...]) -> str:
    """Say what keeps samples from being a model's input; "" if nothing does.

    Args:
        samples: (N, ...), uint8 or float32, as the device's sensor gives them.
        shape: of one sample, as the model takes it.
    """
    if samples.dtype.name not in DTYPES:
        return (
            f"inputs are {samples.dtype}; give what the device's sensor gives, "
            f"{' or '.join(DTYPES)}"
        )
    if samples.shape[1:] != shape or not len(samples):
        sizes = ", ".join(map(str, shape))
        return f"inputs have shape {samples.shape}, the model takes (N, {sizes}) with N at least 1"
    if not np.isfinite(samples).all():
        return "inputs hold NaN or infinity; remove those samples"
    return ""
