"""The Keras layer that a tensor of a converted file comes from.

TensorFlow names tensors after layers, but appends numbers of its own: `dense_1` may be the layer
`dense` or the layer `dense_1`. So layers are numbered while TensorFlow reads them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from strop_export.formats.base import Origin

if TYPE_CHECKING:
    import keras

# At the start of a part of a path: a layer's own name has no slash, so it cannot look like a mark.
_MARK = re.compile(r"(?<![^/;])strop_layer(\d+)\.")


@contextlib.contextmanager
def numbered(model: keras.Model) -> Iterator[tuple[str, ...]]:
    """Put a number before each layer's name for the block, so that `layer_of` finds it again.

    Args:
        model: the model; layers of models inside it are numbered too.

    Yields:
        The layers' own names, by number.
    """
    layers = list(dict.fromkeys(model._flatten_layers(include_self=False)))
    names = tuple(layer.name for layer in layers)
    try:
        for number, layer in enumerate(layers):
            layer.name = f"strop_layer{number}.{layer.name}"
        yield names
    finally:
        for layer, name in zip(layers, names, strict=True):
            layer.name = name


def layer_of(tensor: str, names: Sequence[str]) -> str:
    """Return the name of the Keras layer that computes a tensor.

    Args:
        tensor: TensorFlow's name of a tensor; a fused operator has the names of several, joined
            by ";", and the layer of the first counts.
        names: from `numbered`.

    Returns:
        The innermost layer's name; for an operator outside all layers, its own name.
    """
    first = tensor.partition(";")[0]
    marks = _MARK.findall(first) or _MARK.findall(tensor)
    if marks:
        return names[int(marks[-1])]
    return first.rpartition("/")[2].partition(":")[0]


def is_marked(tensor: str) -> bool:
    """Tell whether a tensor's name has the number of a layer."""
    return bool(_MARK.search(tensor))


def last_layers(model: keras.Model) -> list[str]:
    """Return the name of the innermost layer that computes each output of a model.

    Call it outside of `numbered`.
    """
    return [innermost_layer(tensor) for tensor in model.outputs]


def innermost_layer(tensor: Any) -> str:
    """Return the name of the innermost layer that gives a tensor of a Keras model."""
    history = tensor._keras_history
    # A model inside another; a subclassed one has no outputs of its own.
    while inner := getattr(history.operation, "outputs", None):
        history = inner[history.tensor_index]._keras_history
    return str(history.operation.name)


def origin_of(tensor: str, names: Sequence[str]) -> Origin:
    """Return the origin of a tensor that TensorFlow named.

    TensorFlow counts the models made since the process began. Those counts stand before the first
    mark of a name, so two conversions of one model agree on what follows.

    Args:
        tensor: as `layer_of` takes it.
        names: from `numbered`.
    """
    parts = [
        part[mark.start() :] if (mark := _MARK.search(part)) else part.rpartition("/")[2]
        for part in tensor.split(";")
    ]
    return Origin(";".join(parts), layer_of(tensor, names) if _MARK.search(tensor) else "")
