"""The Keras model of a source: loaded, in float32, with fixed sizes except for the batch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import SourceError, reason
from strop_export.formats import quiet
from strop_export.source import batches, mixed_precision
from strop_export.source.files import Loading
from strop_export.source.functional import Loaded, functional
from strop_export.source.header import Header
from strop_export.source.own_code import run_file
from strop_export.source.saved_model import Signature

if TYPE_CHECKING:
    import keras

_ALONE = 4  # samples that are also run one by one
_MOST_APART = 1e-3  # of the outputs' size: more than rounding in another order


def load(loading: Loading, known: Header, samples: Mapping[str, NDArray[Any]]) -> Loaded:
    """Load a model.

    Args:
        loading: the file or folder, and what is allowed.
        known: from `header.check`, which found that it may be loaded.
        samples: (N, ...) by input name; they set free sizes, and the inputs of a subclass.

    Raises:
        SourceError: it holds no model that runs on these samples.
    """
    if known.signature is not None:
        return _saved_model(loading, known.signature, samples)
    with quiet():
        import keras
    custom = _custom_objects(loading)
    try:
        with quiet():
            model = keras.saving.load_model(
                loading.path, compile=False, safe_mode=not loading.trust, custom_objects=custom
            )
            mixed = model
            if mixed_precision.computes_in(model) != "float32":
                model = mixed_precision.in_float32(
                    mixed, keras, safe_mode=not loading.trust, custom_objects=custom
                )
    except Exception as error:  # noqa: BLE001  hostile files make Keras raise anything
        raise SourceError(f"Keras cannot load {loading.path}: {reason(error)}") from None
    try:
        with quiet():
            loaded = functional(model, loading, samples)
            return loaded if model is mixed else replace(loaded, mixed=mixed)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001  a model's own code
        raise SourceError(
            f"the model of {loading.path} cannot be called on inputs of fixed shapes: "
            f"{reason(error)}",
            "give shapes that it takes with --shape",
        ) from None


def _saved_model(
    loading: Loading, signature: Signature, samples: Mapping[str, NDArray[Any]]
) -> Loaded:
    try:
        with quiet():
            from strop_export.source import signature_layer

            model = signature_layer.model(loading, signature, samples)
            return functional(model, loading, samples)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001  hostile files make TensorFlow raise anything
        raise SourceError(
            f"TensorFlow cannot load {loading.path}: {reason(error)}",
            "write the SavedModel again",
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


def check_float32(
    loaded: Loaded,
    loading: Loading,
    samples: Sequence[NDArray[Any]],
    answers: Sequence[NDArray[Any]],
) -> None:
    """Check that a model in float32 answers like the model of mixed precision that was saved.

    Args:
        loaded: the model.
        loading: the way it was loaded.
        samples: (N, ...) for each input.
        answers: the model's answers to them, (N, ...) for each output.

    Raises:
        SourceError: it does not, or the one that was saved cannot run here.
    """
    if loaded.mixed is None:
        return
    dtype = mixed_precision.computes_in(loaded.mixed)
    try:
        with quiet():
            by_name = dict(zip(loaded.inputs, samples, strict=True))
            mixed = functional(loaded.mixed, loading, by_name).model
            before = _predict(mixed, [array[: batches.FEW] for array in samples])
    except Exception as error:  # noqa: BLE001  a model's own code, or an operator without this dtype
        raise SourceError(
            f"Keras cannot run the model in {dtype}, to compare it with float32: {reason(error)}",
            "save it with a float32 policy",
        ) from None
    mixed_precision.check(before, [array[: batches.FEW] for array in answers], dtype)


def _predict(
    model: keras.Model, samples: Sequence[NDArray[Any]], size: int | None = None
) -> tuple[NDArray[Any], ...]:
    import keras

    def call(batch: list[NDArray[Any]]) -> list[Any]:
        feed = [a.astype(tensor.dtype) for a, tensor in zip(batch, model.inputs, strict=True)]
        answers: list[Any] = keras.tree.flatten(model(feed, training=False))
        return answers

    return batches.run(call, samples, size)


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
