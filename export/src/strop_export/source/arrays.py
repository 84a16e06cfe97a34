"""The arrays of an .npz file: samples, one array for each input; labels, one for each output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import SourceError
from strop_export.formats.samples import fault

Arrays = dict[str, NDArray[Any]]
INPUTS, LABELS = "inputs", "labels"
_RECORDED = ("outputs",)


def read_arrays(path: Path) -> Arrays:
    """Read the arrays of an .npz; pickled arrays are refused, never loaded.

    Raises:
        SourceError: it cannot be read, or is not an .npz.
    """
    try:
        content = np.load(path, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise SourceError(f"{path} is a single array", "save it with numpy.savez, by name")
        with content:
            return {name: content[name] for name in content.files}
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001  numpy's readers raise anything on bad bytes
        reason = " ".join(str(error).split())
        raise SourceError(
            f"cannot read arrays from {path}: {reason}", "write it with numpy.savez"
        ) from None


@dataclass(frozen=True)
class Wanted:
    """The properties of an input that samples must fit."""

    name: str
    shape: tuple[int | None, ...]  # of one sample; None: any size
    dtype: str  # the model's; "" if it is not known yet


def samples(path: Path, arrays: Mapping[str, NDArray[Any]], inputs: Sequence[Wanted]) -> Arrays:
    """Take the samples of each input from a file's arrays, as the app will give them.

    Reals become float32, whatever their precision; integers become the integer dtype of the input.

    Args:
        path: the file, for messages.
        arrays: its arrays.
        inputs: the model's inputs; empty if they are not known yet: then each array that is neither
            labels nor recorded outputs is an input.

    Returns:
        One array (N, ...) for each input, by name; "inputs" for a single input of unknown name.

    Raises:
        SourceError: an array is missing, or does not fit its input.
    """
    others = [n for n in arrays if n not in _RECORDED and n.partition(".")[0] != LABELS]
    if not inputs:
        inputs = [Wanted(n, (), "") for n in others]
    found: Arrays = {}
    for wanted in inputs:
        name = INPUTS if len(inputs) == 1 and INPUTS in arrays else wanted.name
        if name not in arrays:
            names = ", ".join(INPUTS if len(inputs) == 1 else each.name for each in inputs)
            raise SourceError(
                f"{path} has no array {INPUTS if len(inputs) == 1 else name!r}; it has "
                f"{', '.join(arrays) or 'none'}, and the model takes {names}",
                f"write it with numpy.savez({path.name!r}, "
                f"{', '.join(f'{each}=...' for each in names.split(', '))})",
            )
        try:
            found[wanted.name] = _as_given(arrays[name], wanted)
        except SourceError as error:
            raise error.within(f"{path}: {name}") from None
    counts = {name: len(array) for name, array in found.items() if array.ndim}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise SourceError(
            f"{path}: inputs have different numbers of samples: {said}", "give as many of each"
        )
    if not found:
        raise SourceError(
            f"{path} holds no samples; it has {', '.join(arrays) or 'no arrays'}",
            f"write an array {INPUTS} with numpy.savez",
        )
    return found


def _as_given(array: NDArray[Any], wanted: Wanted) -> NDArray[Any]:
    """Convert samples to the dtype that the app will give.

    Raises:
        SourceError: they do not fit the input.
    """
    if array.dtype.kind == "f":
        if wanted.dtype and not wanted.dtype.startswith("float"):
            raise _mistyped(array, wanted)
        with np.errstate(over="ignore"):  # infinity is refused below
            array = array.astype(np.float32, copy=False)
    elif array.dtype.kind in "iu" and array.dtype not in (np.uint8, np.int8):
        into = wanted.dtype if wanted.dtype in ("int32", "int64") else "int32"
        if wanted.dtype in ("uint8", "int8", "bool"):
            into = wanted.dtype
        limits = (0, 1) if into == "bool" else (np.iinfo(into).min, np.iinfo(into).max)
        if array.size and not limits[0] <= array.min() <= array.max() <= limits[1]:
            raise SourceError(
                f"values {array.min()} to {array.max()} do not fit {into}", "give smaller values"
            )
        array = array.astype(into, copy=False)
    elif wanted.dtype in ("int32", "int64") and array.dtype != np.bool_:
        array = array.astype(wanted.dtype)
    if wanted.dtype in ("uint8", "int8", "bool") and array.dtype != wanted.dtype:
        raise _mistyped(array, wanted)
    if wrong := fault(array, wanted.shape if wanted.dtype else array.shape[1:]):
        raise SourceError(*wrong)
    return array


def _mistyped(array: NDArray[Any], wanted: Wanted) -> SourceError:
    problem = f"samples are {array.dtype}, the model takes {wanted.dtype}"
    return SourceError(problem, f"convert them with .astype({wanted.dtype!r})")


def labels_of(
    path: Path | None, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str], count: int
) -> list[NDArray[Any] | None]:
    """Take the labels of each output from a file's arrays.

    Args:
        path: the file, for messages.
        arrays: its arrays.
        outputs: the names of the model's outputs; empty if they are not known yet.
        count: the number of samples.

    Returns:
        For each output its labels, (N, ...), or None.

    Raises:
        SourceError: labels are of another number, are not numbers, or belong to no output.
    """
    given = {n: a for n, a in arrays.items() if n.partition(".")[0] == LABELS}
    for name, array in given.items():
        if array.dtype.kind not in "iufb" or not array.ndim or len(array) != count:
            raise SourceError(
                f"{path}: {name} are {array.dtype} {array.shape}",
                f"give numbers, one for each of the {count} samples",
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SourceError(f"{path}: {name} hold NaN or infinity", "remove those samples")
    if not outputs:
        return []
    known = {LABELS} if len(outputs) == 1 else set()
    known |= {f"{LABELS}.{name}" for name in outputs}
    for name in given:
        if name not in known:
            ways = ", ".join(f"{LABELS}.{output}" for output in outputs)
            raise SourceError(f"{path}: {name} belong to no output", f"call them {ways}")
    return [
        given.get(f"{LABELS}.{name}", given.get(LABELS) if len(outputs) == 1 else None)
        for name in outputs
    ]
