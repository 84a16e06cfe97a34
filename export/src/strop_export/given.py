"""The model and samples that a script gives, written to the files that an export reads.

The converter works in a process of its own, so a model in memory has to become a file as well. The
files have the same bytes each time, so that an export can tell whether anything has changed.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop.model.arrays import npz
from strop_export.errors import SourceError, reason
from strop_export.source.arrays import INPUTS, LABELS

_FRAMEWORKS: Final = ("keras", "tf_keras")
_AUTOMATIC: Final = ("sequential", "functional", "model")  # names of models that nobody named
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first date that a ZIP can hold
_MOST_BYTES: Final = 2**33  # of a dataset: an endless one must end
_METADATA: Final = "metadata.json"


def model_file(model: Any, folder: Path) -> Path:
    """Return the path of a model, which is written into a folder if it is in memory.

    Args:
        model: a Keras model, or the path of a saved one.
        folder: for the file.

    Raises:
        SourceError: it is neither, or cannot be saved.
    """
    if isinstance(model, str | Path):
        return Path(model)
    modules = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if not modules.intersection(_FRAMEWORKS) or not hasattr(model, "save"):
        raise SourceError(
            f"the model is of type {type(model).__name__}",
            "give a Keras model, or the path of a .keras or .h5 file or of a SavedModel",
        )
    path = folder / "model.keras"
    try:
        model.save(path)
    except Exception as error:  # a model's own code
        raise SourceError(f"Keras cannot save the model: {reason(error)}") from error
    _remove_dates(path)
    return path


def name_of(model: Any) -> str:
    """Return a name for a model's bundles: its own, or its file's; "model" if nobody named it."""
    if isinstance(model, str | Path):
        return Path(model).stem
    name = str(getattr(model, "name", "") or "model")
    return "model" if name.rstrip("0123456789").rstrip("_") in _AUTOMATIC else name


def arrays_file(given: Any, path: Path, model: Any) -> Path:
    """Return the path of an .npz of samples, which is written if they are in memory.

    Args:
        given: a path; or samples, as an array, a list with one for each input, or a dict by input
            name, which may hold `labels` too; or a tuple of samples and labels, the labels in the
            same forms by output; or a `tf.data.Dataset` of batches of samples, or of such tuples.
        path: where to write them.
        model: the model they are for, which knows the names for lists; or its path.

    Raises:
        SourceError: they are nothing of that.
    """
    if isinstance(given, str | Path):
        return Path(given)
    if hasattr(given, "element_spec"):
        given = _joined(given, path.stem)
    if isinstance(given, tuple) and len(given) != 2:
        raise SourceError(
            f"{path.stem} is a tuple of {len(given)}",
            "give (inputs, labels); sample weights are not used, and several inputs are a list or "
            "a dict",
        )
    samples, labels = given if isinstance(given, tuple) else (given, None)
    arrays = _named(samples, INPUTS, "", _names(model, "input"))
    if labels is not None:
        arrays |= _named(labels, LABELS, f"{LABELS}.", _names(model, "output"))
    numbers = {name: _numbers(path.stem, name, each) for name, each in arrays.items()}
    path.write_bytes(npz(numbers))
    return path


def labels_file(given: str | Path | Sequence[str] | None, path: Path) -> Path | None:
    """Return the path of a file of class names, which is written if they are in memory.

    Raises:
        SourceError: a name has a line break.
    """
    if given is None or isinstance(given, str | Path):
        return None if given is None else Path(given)
    if not isinstance(given, Iterable):
        raise SourceError(f"labels is {given!r}", "give the names of the classes, in order")
    names = [str(name) for name in given]
    for name in names:
        if len(name.splitlines()) != 1:
            raise SourceError(f"{name!a} cannot be the name of a class: it must be one line")
    path.write_text("\n".join(names) + "\n", encoding="utf-8")
    return path


def _names(model: Any, side: str) -> Collection[str]:
    """Return the names of a model's inputs or outputs, as the rest of an export has them.

    Args:
        model: a Keras model.
        side: "input" or "output".

    Returns:
        The names in order; a dict for a model that takes or returns dicts, which have none; empty
        if the model does not say.
    """
    tensors = getattr(model, side, None)
    if isinstance(tensors, Mapping):
        return dict.fromkeys(tensors)
    if side == "output" or not isinstance(tensors, list | tuple):
        return list(getattr(model, f"{side}_names", None) or ())
    return [str(tensor.name) for tensor in tensors]


def _numbers(what: str, name: str, values: Any) -> NDArray[Any]:
    """Return values as an array of numbers.

    Raises:
        SourceError: they are none.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # of different sizes, or on a GPU
        raise SourceError(
            f"{what}: {name} cannot be an array: {' '.join(str(error).split())}",
            "give one array (N, ...); several inputs or labels go by name, in a dict",
        ) from None
    if array.dtype.kind not in "iufb":
        raise SourceError(
            f"{what}: {name} is an array of {array.dtype}",
            "give numbers, as the device's sensor does",
        )
    return array


def _named(values: Any, alone: str, prefix: str, names: Collection[str]) -> dict[str, Any]:
    """Give each array the name that it has in an .npz.

    Args:
        values: an array, a list of arrays, or a dict.
        alone: the name of a single array.
        prefix: of the names of several.
        names: from `_names`.

    Raises:
        SourceError: a list has another number of arrays.
    """
    if isinstance(values, Mapping):
        reserved = (alone, LABELS)
        named = {str(name): each for name, each in values.items()}
        return {
            name if name in reserved or name.startswith(f"{LABELS}.") else f"{prefix}{name}": each
            for name, each in named.items()
        }
    if not isinstance(values, list | tuple) or len(names) < 2:
        return {alone: values}
    if len(values) != len(names):
        raise SourceError(
            f"{len(values)} arrays were given for {', '.join(names)}",
            "give a dict of arrays by name",
        )
    if isinstance(names, Mapping) or len(set(names)) < len(names):
        raise SourceError(
            f"{', '.join(map(str, names))} have no order that a list could follow",
            "give a dict of arrays by name",
        )
    return {f"{prefix}{name}": each for name, each in zip(names, values, strict=True)}


def _joined(dataset: Any, what: str) -> Any:
    """Join the batches of a dataset, in the structure of its elements.

    Raises:
        SourceError: it is empty, or does not end within 8 GiB.
    """
    import tensorflow as tf

    parts: list[list[NDArray[Any]]] = []
    size = 0
    for element in dataset:
        tensors = tf.nest.flatten(element)
        if not all(isinstance(tensor, tf.Tensor) for tensor in tensors):
            raise SourceError(
                f"{what}: the dataset gives ragged or sparse tensors", "make them dense in its map"
            )
        parts.append([tensor.numpy() for tensor in tensors])
        size += sum(array.nbytes for array in parts[-1])
        if size > _MOST_BYTES:
            raise SourceError(
                f"{what}: the dataset has more than {_MOST_BYTES >> 30} GiB, or no end",
                "give a part of it: dataset.take(20)",
            )
    if not parts:
        raise SourceError(f"{what}: the dataset is empty")
    if any(not array.ndim for array in parts[0]):
        raise SourceError(
            f"{what}: the dataset gives samples one by one", "give batches: dataset.batch(32)"
        )
    try:
        arrays = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    except ValueError:
        raise SourceError(
            f"{what}: the dataset's samples have different shapes",
            "bring them to one: dataset.padded_batch, or resize them",
        ) from None
    return tf.nest.pack_sequence_as(dataset.element_spec, arrays)


def _remove_dates(path: Path) -> None:
    """Write a .keras file again without the time at which it was saved."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in sorted(archive.namelist())}
    said = json.loads(members[_METADATA])
    said.pop("date_saved", None)
    members[_METADATA] = json.dumps(said).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
