"""Messages for inputs of the wrong dtype, with the expression that converts them.

Imported only when inputs are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strop.errors import InputError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec


def refusal(inputs: Any, array: NDArray[Any], spec: InputSpec, name: str) -> InputError:
    """Return the error to raise for inputs of the wrong dtype.

    Args:
        inputs: the inputs as the app gave them.
        array: the same as a NumPy array.
        spec: the model's input.
        name: the model's name, or the model's and the input's.
    """
    found = f"{array.dtype} {array.shape}"
    dtype = np.dtype(spec.dtype)
    x = "x" if isinstance(inputs, np.ndarray) else "np.asarray(x)"
    return InputError(
        f"{name} takes {wanted(spec)}; got {found}{_range(array, dtype)}", _mend(array, spec, x)
    )


def wanted(spec: InputSpec) -> str:
    """Describe the inputs that a model takes: "uint8 (0..255) of shape (N, 28, 28) or (28, 28)"."""
    sample = ", ".join(str(size) for size in spec.shape[1:])
    limits = "any..any" if spec.range is None else f"{spec.range[0]:g}..{spec.range[1]:g}"
    batch = f"(N, {sample})" if sample else "(N,)"
    return f"{spec.dtype} ({limits}) of shape {batch} or ({sample})"


def _range(array: NDArray[Any], dtype: np.dtype[Any]) -> str:
    """Describe the values' range where it shows the likely mistake."""
    if dtype != np.uint8 or array.dtype.kind != "f" or not array.size:
        return ""
    if not np.isfinite(array).all():
        return " with values that are not finite"
    return " in 0..1" if array.min() >= 0 and array.max() <= 1 else ""


def _mend(array: NDArray[Any], spec: InputSpec, x: str) -> str:
    """Return the expression that converts the array to the model's input; empty if none does."""
    if array.dtype.kind not in "fiub" or not array.size:
        return ""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return ""
    if spec.dtype == "float32":
        return _floats(array, spec, x)
    if spec.dtype == "uint8":
        return _pixels(array, x)
    if spec.dtype in ("int32", "int64"):
        return f"give whole numbers, {x}.astype(np.{spec.dtype})"
    if spec.dtype == "bool":
        return f"give {x}.astype(bool)" if array.dtype.kind in "iu" else ""
    return ""  # int8: its meaning is unknown here


def _floats(array: NDArray[Any], spec: InputSpec, x: str) -> str:
    """Return the conversion of integers to floats, scaled where the range says how."""
    real = f"{x}.astype(np.float32)"
    if spec.range is None:
        return f"give {real}, scaled as in training"
    low, high = spec.range
    if array.dtype == np.uint8 and low >= 0 and high <= 1:
        return f"give {real} / 255"
    if array.dtype == np.uint8 and -1 <= low < 0 and high <= 1:
        return f"give {real} / 127.5 - 1"
    return f"give {real}; it was proven on values of {low:g}..{high:g}"


def _pixels(array: NDArray[Any], x: str) -> str:
    """Return the conversion to bytes."""
    if array.dtype.kind == "b":
        return ""
    if array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
        return f"give raw pixels, ({x} * 255).round().astype(np.uint8)"
    if array.min() < 0 or array.max() > 255:  # a cast would wrap them round
        return "give raw pixels, 0..255"
    return f"give raw pixels, {x}.astype(np.uint8)"
