"""The Keras model of a source: loaded, in float32, with fixed sizes except for the batch."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import SourceError
from strop_export.formats import quiet
from strop_export.source.files import Loading
from strop_export.source.own_code import reason, run_file

if TYPE_CHECKING:
    import keras

_AUTOMATIC = re.compile(r"(input|input_layer|keras_tensor)(_\d+)?")  # names that Keras makes
_MOST_VALUES = 2**24  # of samples that Keras runs at once
_ALONE = 4  # samples that are also run one by one
_MOST_APART = 1e-3  # of the outputs' size: more than rounding in another order


@dataclass(frozen=True)
class Loaded:
    """A model as lists of inputs and outputs, and the structure that its user knows.

    Attributes:
        model: a model that takes and returns lists, in the order of the names.
        inputs: the names of its inputs.
        outputs: the names of its outputs; "" for a single one without a name.
        structure: the structure that Keras returns: "one", "list" or "dict".
    """

    model: keras.Model
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    structure: str


def load(loading: Loading, samples: Mapping[str, NDArray[Any]]) -> Loaded:
    """Load a model.

    Args:
        loading: the file, checked by `header.check`, and what is allowed.
        samples: (N, ...) by input name; they set free sizes, and the inputs of a subclass.

    Raises:
        SourceError: the file holds no model that runs on these samples.
    """
    with quiet():
        import keras
    custom = _custom_objects(loading)
    try:
        with quiet():
            model = keras.saving.load_model(
                loading.path, compile=False, safe_mode=not loading.trust, custom_objects=custom
            )
            model = _in_float32(model, custom, trust=loading.trust)
    except Exception as error:  # noqa: BLE001  hostile files make Keras raise anything
        raise SourceError(f"Keras cannot load {loading.path}: {reason(error)}") from None
    try:
        with quiet():
            return _functional(model, loading, samples)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001  a model's own code
        raise SourceError(
            f"the model of {loading.path} cannot be called on inputs of fixed shapes: "
            f"{reason(error)}",
            "give shapes that it takes with --shape",
        ) from None


def predict(model: keras.Model, samples: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """Run Keras in parts that fit into memory.

    Args:
        model: a model that takes and returns lists.
        samples: (N, ...) for each input.

    Returns:
        (N, ...) for each output.

    Raises:
        SourceError: the model fails on them, or its answer to a sample depends on other samples.
    """
    try:
        with quiet():
            answers = _predict(model, samples)
            few = [array[:_ALONE] for array in samples]
            alone = _predict(model, few, size=1)
    except Exception as error:  # noqa: BLE001  a model's own code, on values it does not expect
        raise SourceError(
            f"Keras cannot run the model on these samples: {reason(error)}",
            "give samples as in training",
        ) from None
    count = len(samples[0])
    for answer, single in zip(answers, alone, strict=True):
        if len(answer) != count or len(single) != len(few[0]):
            raise SourceError(
                f"the model gives {len(answer)} rows for {count} samples",
                "give one for each sample",
            )
        apart = np.abs(answer[: len(single)].astype(np.float64) - single).max(initial=0.0)
        if apart > _MOST_APART * max(1.0, float(np.abs(answer).max())):
            raise SourceError(
                "the model's answer to a sample depends on the other samples of its batch, or on "
                f"those before it (by {apart:.3g}): no device can reproduce it",
                "remove what mixes samples, or keeps state",
            )
    return answers


def _predict(
    model: keras.Model, samples: Sequence[NDArray[Any]], size: int | None = None
) -> tuple[NDArray[Any], ...]:
    import keras

    count = len(samples[0])
    largest = max(array[0].size for array in samples)
    size = size or max(1, min(1000, _MOST_VALUES // max(largest, 1)))
    parts = []
    for start in range(0, count, size):
        feed = [
            array[start : start + size].astype(tensor.dtype)
            for array, tensor in zip(samples, model.inputs, strict=True)
        ]
        answers = keras.tree.flatten(model(feed, training=False))
        parts.append([np.asarray(answer) for answer in answers])
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _custom_objects(loading: Loading) -> dict[str, Any]:
    """Run the module with the user's own classes, and return its classes and functions by name.

    Raises:
        SourceError: it cannot be read, or fails.
    """
    if loading.custom is None:
        return {}
    module = run_file(loading.custom, "--custom")
    return {
        name: value
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


def _in_float32(model: keras.Model, custom: dict[str, Any], *, trust: bool) -> keras.Model:
    """Remove a mixed-precision policy: its casts are for the training machine, not the device.

    Returns:
        The model itself, or one with the same weights that computes in float32.
    """
    import keras

    layers = [model, *_all_layers(model)]
    if not any("float16" in getattr(x.dtype_policy, "compute_dtype", "") for x in layers):
        return model
    config = _without_policies(keras.saving.serialize_keras_object(model))
    plain = keras.saving.deserialize_keras_object(
        config, custom_objects=custom, safe_mode=not trust
    )
    plain.set_weights(model.get_weights())
    return plain


def _all_layers(model: keras.Model) -> list[Any]:
    return list(model._flatten_layers(include_self=False))


def _without_policies(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        plain = {key: _without_policies(value) for key, value in config.items()}
        if plain.get("dtype") in ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16"):
            plain["dtype"] = "float32"
        return plain
    if isinstance(config, list | tuple):
        return type(config)(_without_policies(value) for value in config)
    return config


def _functional(
    model: keras.Model, loading: Loading, samples: Mapping[str, NDArray[Any]]
) -> Loaded:
    import keras

    tensors = list(getattr(model, "inputs", None) or ())
    if tensors:
        names = _input_names(model, tensors)
        shapes = [_fixed(t, n, loading, samples) for t, n in zip(tensors, names, strict=True)]
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
    if len(tensors) == 1 and _AUTOMATIC.fullmatch(tensors[0].name):
        return ("",)
    return tuple(tensor.name for tensor in tensors)


def _fixed(
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
