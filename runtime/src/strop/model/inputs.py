"""The check of what a model takes: arrays of the manifest's shape and dtype, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from strop.errors import InputError

if TYPE_CHECKING:  # an app waits for every import
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec


def admit(inputs: Any, spec: InputSpec, name: str) -> NDArray[Any]:
    """Return the inputs as a batch of the right shape and dtype, or refuse them.

    A float model takes any real numbers, but no array of integers: bytes given to one are most
    often pixels that nobody has scaled. A model of int32 or int64 takes any integers that fit. Any
    other takes its own dtype alone.

    Args:
        inputs: what the app gives: a batch (N, ...), or one sample (...); or a dict that has it.
        spec: the model's input.
        name: of the model, or of the input too, for messages.

    Returns:
        (N, ...), of the model's own dtype; or, for float32, of any real one: it is not converted.
        N is 1 for one sample.

    Raises:
        InputError: it is no such array; the message says what is taken, and the likely mistake.
    """
    dtype, sample = np.dtype(spec.dtype), spec.shape[1:]
    if type(inputs) is not np.ndarray and _is_masked(inputs):
        raise _refused(
            spec, name, "got a masked array", "put values where it has none: x.filled(0)"
        )
    try:
        array = np.asarray(inputs)
    except Exception as error:  # noqa: BLE001  a ragged list; an object's own conversion, anything
        raise _refused(spec, name, str(error)) from None
    if array.dtype != dtype and not (dtype.kind == "f" and array.dtype.kind == "f"):
        if isinstance(inputs, Mapping):
            from strop.model.named import by_name

            (inputs,) = by_name(inputs, (spec,), name)
            if not isinstance(inputs, Mapping):
                return admit(inputs, spec, name)
        if array.dtype.kind in "iu" and dtype.kind == "i" and dtype.itemsize > 1:
            array = _fitting(array, dtype, spec, name)
        elif dtype.kind != "f" or not _is_written(inputs, array):
            from strop.model.mends import refusal  # it takes its time, and is rarely wanted

            raise refusal(inputs, array, spec, name)
    if array.shape == sample:
        array = array[np.newaxis]
    elif array.shape[1:] != sample or not len(array):
        found = "an empty batch" if array.shape[1:] == sample else f"shape {array.shape}"
        raise _refused(spec, name, f"got {found}")
    return array


def finite(array: NDArray[Any], spec: InputSpec, name: str) -> None:
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


def _is_masked(inputs: Any) -> bool:
    """Tell whether inputs are NumPy's masked arrays, or a list of them, which lose their masks."""
    several = inputs if isinstance(inputs, list | tuple) else (inputs,)
    return any(isinstance(one, np.ndarray) and hasattr(one, "mask") for one in several)


def _is_written(inputs: Any, array: NDArray[Any]) -> bool:
    """Tell whether inputs are whole numbers written in Python, as a row of measurements may be."""
    return isinstance(inputs, list | tuple | int) and array.dtype == np.dtype(int)


def _fitting(array: NDArray[Any], dtype: np.dtype[Any], spec: InputSpec, name: str) -> NDArray[Any]:
    """Convert integers to the model's own, or refuse them if one does not fit."""
    if array.size:
        low, high = int(array.min()), int(array.max())
        bounds = np.iinfo(dtype)
        if low < bounds.min or high > bounds.max:
            raise _refused(
                spec,
                name,
                f"got {array.dtype} {array.shape} of {low}..{high}",
                f"give whole numbers of {bounds.min}..{bounds.max}",
            )
    return array.astype(dtype)


def _refused(spec: InputSpec, name: str, why: str, mend: str = "") -> InputError:
    from strop.model.mends import wanted

    return InputError(f"{name} takes {wanted(spec)}; {why}", mend)
