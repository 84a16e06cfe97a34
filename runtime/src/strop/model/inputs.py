"""The check of what a model takes: arrays of the manifest's shape and dtype, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strop.errors import InputError

if TYPE_CHECKING:  # an app waits for every import
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import TensorSpec


def admit(inputs: Any, spec: TensorSpec, name: str) -> NDArray[Any]:
    """Return the inputs as a batch of the right shape and dtype, or refuse them.

    The dtype must be the model's own or, where that is a float, any real one. It is not converted.

    Args:
        inputs: what the app gives: a batch (N, ...), or one sample (...).
        spec: the model's input.
        name: of the model, for messages.

    Returns:
        (N, ...), of the dtype given: the model's own (uint8, int8 or float32), or another real one;
        N is 1 for one sample.

    Raises:
        InputError: it is no such array; the message says what is taken, and the likely mistake.
    """
    dtype, sample = np.dtype(spec.dtype), spec.shape[1:]
    try:
        array = np.asarray(inputs)
    except Exception as error:  # noqa: BLE001  a ragged list; an object's own conversion, anything
        raise InputError(f"{name} takes {wanted(spec)}; {error}") from None
    if array.dtype != dtype and not (dtype.kind == "f" and array.dtype.kind in "fiu"):
        raise InputError(
            f"{name} takes {wanted(spec)}; got {array.dtype} {array.shape}{_range(array, dtype)}",
            _cast(array, dtype),
        )
    if array.shape == sample:
        array = array[np.newaxis]
    elif array.shape[1:] != sample or not len(array):
        found = "an empty batch" if array.shape[1:] == sample else f"shape {array.shape}"
        raise InputError(f"{name} takes {wanted(spec)}; got {found}")
    return array


def finite(array: NDArray[Any], spec: TensorSpec, name: str) -> None:
    """Require that all values are finite, and stay so in the dtype the model takes.

    Args:
        array: (N, ...), of any real dtype.
        spec: the model's input.
        name: of the model, for messages.

    Raises:
        InputError: a value is NaN, infinite, or too large for that dtype.
    """
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused
        array = array.astype(spec.dtype, copy=False)
    if not np.isfinite(array).all():
        raise InputError(f"{name} takes finite values; got NaN or infinity")


def wanted(spec: TensorSpec) -> str:
    """Describe what a model takes, as in "uint8 (0..255) of shape (N, 28, 28) or (28, 28)"."""
    sample = ", ".join(str(size) for size in spec.shape[1:])
    low, high = spec.range or ("any", "any")
    return f"{spec.dtype} ({low}..{high}) of shape (N, {sample}) or ({sample})"


def _range(array: NDArray[Any], dtype: np.dtype[Any]) -> str:
    """Describe the values' range, where it gives away the likely mistake behind a wrong dtype."""
    if dtype != np.uint8 or array.dtype.kind != "f" or not array.size:
        return ""
    if not np.isfinite(array).all():
        return " with values that are not finite"
    return " in 0..1" if array.min() >= 0 and array.max() <= 1 else ""


def _cast(array: NDArray[Any], dtype: np.dtype[Any]) -> str:
    """Give the expression that makes bytes of the array that was given; empty if none does."""
    if dtype != np.uint8 or array.dtype.kind not in "fiu" or not array.size:
        return ""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return ""
    if array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
        return "give raw pixels, (x * 255).round().astype(np.uint8)"
    if array.min() < 0 or array.max() > 255:  # a cast would wrap them round
        return "give raw pixels, 0..255"
    return "give raw pixels, x.astype(np.uint8)"
