"""The check of a model's inputs: arrays of the manifest's shape and dtype."""

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

    A float model takes any real dtype but no array of integers, which are usually pixels that were
    not scaled. A model of int32 or int64 takes any integers that fit. Others take their own dtype
    only.

    Args:
        inputs: a batch (N, ...) or one sample (...), or a dict that holds it.
        spec: the model's input.
        name: of the model, or of the input too, for messages.

    Returns:
        (N, ...), of the model's dtype; for float32, of any real dtype, not converted.
        N is 1 for one sample.

    Raises:
        InputError: the shape or dtype is wrong; the message says what the model takes, and the
            likely mistake.
    """
    dtype, sample = np.dtype(spec.dtype), spec.shape[1:]
    if type(inputs) is not np.ndarray and is_masked(inputs):
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
            from strop.model.mends import refusal  # slow to import, rarely needed

            raise refusal(inputs, array, spec, name)
    if array.shape == sample:
        array = array[np.newaxis]
    elif array.shape[1:] != sample or not len(array):
        found = "an empty batch" if array.shape[1:] == sample else f"shape {array.shape}"
        raise _refused(spec, name, f"got {found}")
    return array


def finite(array: NDArray[Any], spec: InputSpec, name: str) -> None:
    """Require that all values are finite, also in the model's dtype.

    Args:
        array: (N, ...), of any real dtype.
        spec: the model's input.
        name: of the model, for messages.

    Raises:
        InputError: a value is NaN, infinite, or too large for that dtype.
    """
    with np.errstate(over="ignore"):  # a value that does not fit becomes infinite and is refused
        array = array.astype(spec.dtype, copy=False)
    if not np.isfinite(array).all():
        raise InputError(f"{name} takes finite values; got NaN or infinity")


def is_masked(inputs: Any) -> bool:
    """Tell whether inputs are NumPy's masked arrays, or a list of them, which lose their masks."""
    if isinstance(inputs, list | tuple):
        return any(map(is_masked, inputs))
    return isinstance(inputs, np.ndarray) and hasattr(inputs, "mask")


def _is_written(inputs: Any, array: NDArray[Any]) -> bool:
    """Return whether inputs are Python integers or lists of them, such as a row of measurements."""
    return isinstance(inputs, list | tuple | int) and array.dtype == np.dtype(int)


def _fitting(array: NDArray[Any], dtype: np.dtype[Any], spec: InputSpec, name: str) -> NDArray[Any]:
    """Convert integers to the model's dtype; refuse them if one does not fit."""
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
