"""The kind of each output, which decides how it is judged: by activation, shape and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import KINDS
from strop_export.errors import SourceError

_MOVING = ("Reshape", "Flatten", "Dropout", "Identity", "Permute", "Squeeze", "ExpandDims", "Cast")
_MOST_COLUMNS = 16  # of a plain dense layer that counts as a regression


class Kind(NamedTuple):
    """The meaning of an output."""

    kind: str
    logits: bool  # softmax or sigmoid is not applied yet
    threshold: float | None


def find(
    tensor: Any,
    inputs: Sequence[Any],
    labels: NDArray[Any] | None,
    *,
    head: str,
    named: bool,
    asked: str | None,
) -> Kind:
    """Find the meaning of an output.

    Args:
        tensor: the output, a KerasTensor.
        inputs: the model's inputs, KerasTensors.
        labels: the truth for it, or None.
        head: its activation, from `head`.
        named: whether its classes have names.
        asked: a kind that overrides the detected one, or None.

    Raises:
        SourceError: the output cannot be of the kind asked for.
    """
    shape = tuple(tensor.shape[1:])
    last = shape[-1] if shape else 1
    integers = "float" not in str(tensor.dtype)
    kind = asked or (
        "raw" if integers else _kind(shape, head, labels, named, _mirrors(shape, inputs, tensor))
    )
    _require(kind, shape, last, integers=integers)
    by_threshold = kind in ("binary", "multilabel") or (kind == "segmentation" and last == 1)
    probabilities = head == ("sigmoid" if by_threshold else "softmax")
    # One sigmoid for each class, say, is not a softmax, and can be compared without one.
    logits = kind in ("class", "binary", "multilabel", "segmentation") and (
        not probabilities and head not in ("softmax", "sigmoid")
    )
    threshold = (0.0 if logits else 0.5) if by_threshold else None
    return Kind(kind, logits, threshold)


def _kind(
    shape: tuple[int, ...],
    head: str,
    labels: NDArray[Any] | None,
    named: bool,
    mirrors: bool,
) -> str:
    last = shape[-1] if shape else 1
    whole = labels is not None and _is_whole(labels)
    if len(shape) > 1:
        if head == "softmax" and last > 1:
            return "segmentation"
        if whole and labels is not None and labels.shape[1:] in (shape[:-1], (*shape[:-1], 1)):
            return "segmentation"
        return "segmentation" if head == "sigmoid" and last == 1 and not mirrors else "raw"
    if head == "softmax" and last > 1:
        return "class"
    if labels is not None and not whole:
        return "regression"
    one_hot = whole and labels is not None and last > 1 and _is_one_hot(labels, last)
    if one_hot and head != "sigmoid":
        return "class"
    if head == "sigmoid" and (not mirrors or (whole and last > 1)):
        if last == 1:
            return "binary"
        return "class" if whole and labels is not None and labels.ndim == 1 else "multilabel"
    if whole and labels is not None:
        if last > 1 and labels.ndim == 1:
            return "class"
        if last == 1 and set(np.unique(labels)) <= {0, 1} and labels.dtype.kind != "f":
            return "binary"
    if named and last > 1 and (labels is None or whole):  # else the names are those of columns
        return "class"
    if labels is not None:
        return "regression"
    return "raw" if mirrors or last > _MOST_COLUMNS or head != "linear" else "regression"


def _is_one_hot(labels: NDArray[Any], last: int) -> bool:
    return labels.shape[1:] == (last,) and bool(
        ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
    )


def _is_whole(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "iub" or bool((labels == np.round(labels)).all())


def _mirrors(shape: tuple[int, ...], inputs: Sequence[Any], tensor: Any) -> bool:
    """Tell whether an output has the shape of an input, as a reconstruction does."""
    return bool(shape) and shape != (1,) and any(tuple(i.shape[1:]) == shape for i in inputs)


def _require(kind: str, shape: tuple[int, ...], last: int, *, integers: bool) -> None:
    if kind not in KINDS:
        raise SourceError(f"there is no kind {kind!r}", f"--task takes {', '.join(KINDS)}")
    sound = {
        "class": len(shape) == 1 and last > 1,
        "binary": len(shape) <= 1 and last == 1,
        "multilabel": len(shape) == 1,
        "segmentation": len(shape) > 1,
    }.get(kind, True)
    if not sound or (integers and kind != "raw"):
        raise SourceError(
            f"an output of shape (N, {', '.join(map(str, shape))}) cannot be of kind {kind!r}",
            "choose another with --task, or none",
        )


def head(tensor: Any, answers: NDArray[Any], labels: NDArray[Any] | None) -> str:
    """Return the activation of an output, from its layers, or else from the range of its answers.

    Args:
        tensor: the output, a KerasTensor.
        answers: Keras's answers, (N, ...).
        labels: the truth for it, or None.
    """
    found = activation(tensor)
    if found or answers.dtype.kind != "f" or not (0 <= answers.min() <= answers.max() <= 1):
        return found
    if answers.ndim > 1 and answers.shape[-1] > 1 and np.allclose(answers.sum(-1), 1, atol=1e-3):
        return "softmax"
    return "sigmoid" if labels is not None and set(np.unique(labels)) <= {0, 1} else ""


def activation(tensor: Any) -> str:
    """Return the name of the activation that an output comes from, such as "softmax".

    This skips layers that only move values, and looks into models inside the model.

    Args:
        tensor: a KerasTensor.

    Returns:
        "linear" if there is none, "" if no plain layer makes the output.
    """
    history = tensor._keras_history
    operation, index = history.operation, history.tensor_index
    if inner := getattr(operation, "outputs", None):  # a model as a layer
        return activation(inner[index])
    if heads := getattr(operation, "heads", None):  # the signature of a SavedModel
        return str(heads[index])
    name = type(operation).__name__
    if name in ("Softmax", "Sigmoid", "LogSoftmax"):
        return {"Softmax": "softmax", "Sigmoid": "sigmoid"}.get(name, "log_softmax")
    if name in _MOVING:
        before = operation._inbound_nodes[history.node_index].input_tensors
        return activation(before[0])
    function = getattr(operation, "activation", None)
    if function is None:
        return ""
    return str(getattr(function, "__name__", "") or getattr(function, "name", ""))
