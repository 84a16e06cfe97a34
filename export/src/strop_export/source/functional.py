"""A Keras model as a functional one: lists of inputs and outputs, and fixed sizes but the batch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import SourceError
from strop_export.source.files import Loading

if TYPE_CHECKING:
    import keras

# Names that Keras makes.
AUTOMATIC = re.compile(r"(input|inputs|input_layer|keras_tensor|args)(_\d+)?")


@dataclass(frozen=True)
class Loaded:
    """A model as lists of inputs and outputs, and the structure that its user knows.

    Attributes:
        model: a model that takes and returns lists, in the order of the names.
        inputs: the names of its inputs.
        outputs: the names of its outputs; "" for a single one without a name.
        structure: the structure that Keras returns: "one", "list" or "dict".
        mixed: the model as it was saved, if that is of mixed precision.
    """

    model: keras.Model
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    structure: str
    mixed: keras.Model | None = None


def functional(model: keras.Model, loading: Loading, samples: Mapping[str, NDArray[Any]]) -> Loaded:
    """Return a model as lists of inputs and outputs of fixed sizes, except for the batch.

    Args:
        model: the model, as Keras loads it.
        loading: the file, for the shapes that are given.
        samples: (N, ...) by input name; they set free sizes, and the inputs of a subclass.

    Raises:
        SourceError: shapes do not fit, or the outputs have a form that no bundle holds.
    """
    import keras

    tensors = list(getattr(model, "inputs", None) or ())
    if tensors:
        names = _input_names(model, tensors)
        shapes = [fixed(t, n, loading, samples) for t, n in zip(tensors, names, strict=True)]
        if any(None in tensor.shape[1:] for tensor in tensors):
            fresh = [
                keras.Input(shape, dtype=t.dtype, name=t.name)
                for t, shape in zip(tensors, shapes, strict=True)
            ]
            answer = model(_like(model, fresh))
        else:
            fresh = tensors
            answer = None
    else:  # a subclass, which has inputs only after a call
        names = tuple(samples)
        fresh = [
            keras.Input(
                loading.shapes.get(n, loading.shapes.get("", a.shape[1:])),
                dtype=_float_or(a.dtype),
                name=n,
            )
            for n, a in samples.items()
        ]
        answer = model(fresh[0] if len(fresh) == 1 else dict(zip(names, fresh, strict=True)))
    if unknown := loading.shapes.keys() - {"", *names}:
        raise SourceError(
            f"--shape names {', '.join(sorted(unknown))}; the model's inputs are "
            f"{', '.join(name or 'one without a name' for name in names)}",
            "name one of these",
        )
    probe = [np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in fresh]
    if answer is None:
        given = model(_like(model, probe), training=False)
        results = list(model.outputs)
    else:
        given, results = answer, keras.tree.flatten(answer)
    if len({id(tensor) for tensor in (*fresh, *results)}) < len(fresh) + len(results):
        raise SourceError(
            "an output of the model is one of its inputs unchanged, or occurs twice", "remove it"
        )
    structure, outputs = _structure(given, results)
    plain = keras.Model(fresh, results)
    return Loaded(plain, names, outputs, structure)


def _like(model: Any, values: list[Any]) -> Any:
    """Arrange the inputs as the model takes them: one, a list, or a dict."""
    struct = getattr(model, "_inputs_struct", None)
    if isinstance(struct, dict):
        return dict(zip(_keys(struct), values, strict=True))
    return values[0] if len(values) == 1 and not isinstance(struct, list | tuple) else values


def _input_names(model: Any, tensors: list[Any]) -> tuple[str, ...]:
    struct = getattr(model, "_inputs_struct", None)
    if isinstance(struct, dict):
        return _keys(struct)
    if len(tensors) == 1 and AUTOMATIC.fullmatch(tensors[0].name):
        return ("",)
    return tuple(tensor.name for tensor in tensors)


def fixed(
    tensor: Any, name: str, loading: Loading, samples: Mapping[str, NDArray[Any]]
) -> tuple[int, ...]:
    """Return the shape of one sample, with its free sizes from --shape, or else from the samples.

    Raises:
        SourceError: --shape or the samples do not fit the model.
    """
    own = tuple(tensor.shape[1:])
    only = next(iter(samples.values())) if len(samples) == 1 else None
    array = samples.get(name, only)
    wanted = loading.shapes.get(name, loading.shapes.get(""))
    if wanted is None:
        wanted = own if None not in own else tuple(array.shape[1:]) if array is not None else own
    fits = len(wanted) == len(own) and all(
        size in (None, given) for size, given in zip(own, wanted, strict=True)
    )
    if not fits or None in wanted:
        raise SourceError(
            f"input {name or tensor.name!r} takes {own}, and the shape given is {wanted}",
            "give one that fits with --shape",
        )
    return wanted


def _structure(given: Any, results: list[Any]) -> tuple[str, tuple[str, ...]]:
    """Return the structure of Keras's answer, and its outputs' names in the order of `keras.tree`.

    Raises:
        SourceError: outputs are nested in each other.
    """
    if isinstance(given, dict):
        nested = any(isinstance(value, dict | list | tuple) for value in given.values())
        names = _keys(given)
    elif isinstance(given, list | tuple):
        nested = any(isinstance(value, dict | list | tuple) for value in given)
        names = _unique([_producer_name(tensor) for tensor in results])
    else:
        return "one", ("",)
    if nested or not names:
        raise SourceError("the model's outputs are nested", "give one array, a list or a dict")
    return ("dict" if isinstance(given, dict) else "list"), names


def _keys(given: dict[str, Any]) -> tuple[str, ...]:
    """Return the keys of a dict in the order in which keras.tree flattens its values."""
    import keras

    return tuple(keras.tree.flatten(type(given)((key, key) for key in given)))


def _producer_name(tensor: Any) -> str:
    return str(tensor._keras_history.operation.name)


def _unique(names: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in found:
            candidate = f"{name}_{number}"
            number += 1
        found.append(candidate)
    return tuple(found)


def _float_or(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.name in ("int32", "int64", "bool") else "float32"
