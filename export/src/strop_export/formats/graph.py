"""The Keras side of every conversion: the check of a model, and a simpler graph of it."""

import math
from typing import Any

import keras
import numpy as np

from strop.bundle.manifest import DTYPES
from strop_export.errors import ConversionError

_ONLY_MOVE = (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Dropout)
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def check_borders(model: keras.Model) -> None:
    """Check that a model's inputs and outputs have fixed shapes, except for the batch.

    Raises:
        ConversionError: it has none before it is called, or one has a free axis or an unsupported
            dtype.
    """
    for side in ("input", "output"):
        tensors = list(getattr(model, f"{side}s", None) or ())  # a subclass may have none
        if not tensors:
            raise ConversionError(
                f"the model has no {side}s known before a call",
                "wrap it in a functional keras.Model",
            )
        for tensor in tensors:
            if tensor.dtype not in DTYPES or None in tensor.shape[1:]:
                raise ConversionError(
                    f"the model's {side} {tensor.name} is {tensor.dtype} of shape "
                    f"{tuple(tensor.shape)}",
                    f"give every size but the batch, and one of {', '.join(DTYPES)}",
                )


def rebuild(model: keras.Model, **options: Any) -> keras.Model:
    """Return a graph of new calls of a model's own layers, in the order of computation.

    Args:
        model: a functional or a Sequential one; it is not changed.
        options: those of `keras.models.clone_model`: other inputs, or another way to call a layer.
    """
    graph = keras.Model(list(model.inputs), list(model.outputs))
    return keras.models.clone_model(graph, clone_function=lambda layer: layer, **options)


def simplify(model: keras.Model, *, fold_rescaling: bool) -> keras.Model:
    """Return the same function as a simpler graph.

    Each Flatten becomes a reshape to `(-1, size)`: Keras computes the batch from the input's shape
    at run time, which costs a converted graph up to six operators.

    Args:
        model: the model, which is not changed; the result shares its layers.
        fold_rescaling: multiply each scalar Rescaling into the weights that follow:
            `w @ (scale * x + offset)` is `(scale * w) @ x + offset * sum(w)`. This saves one
            operation over every pixel, and an int8 file can feed raw bytes straight to its first
            layer. Only exact cases are folded: a Rescaling that reaches a Dense, or a convolution
            without padding, through layers that only move values. Any other user of its result
            still gets the Rescaling.
    """
    rewrite = _Rewrite(fold_rescaling=fold_rescaling)
    simplified = rebuild(model, call_function=rewrite.call)
    if any(map(rewrite.owes, simplified.outputs)):  # a Rescaling comes last
        return keras.Model(simplified.inputs, [*map(rewrite.settle, simplified.outputs)])
    return simplified


class _Rewrite:
    """A rewrite that calls layers in order, and delays each Rescaling until a layer absorbs it."""

    def __init__(self, *, fold_rescaling: bool) -> None:
        self._fold_rescaling = fold_rescaling
        self._owed: dict[int, tuple[Any, keras.layers.Rescaling]] = {}

    def owes(self, tensor: Any) -> bool:
        return id(tensor) in self._owed

    def call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        tensor = args[0] if args else None
        if self._fold_rescaling and is_scalar_rescaling(layer) and not self.owes(tensor):
            return self._owe(keras.ops.copy(tensor), layer)
        if self.owes(tensor):
            _, rescaling = self._owed[id(tensor)]
            if isinstance(layer, _ONLY_MOVE):
                return self._owe(_plain_call(layer, *args, **kwargs), rescaling)
            if _absorbs(layer, rescaling):
                return _rescaled_call(layer, rescaling, tensor)
        args, kwargs = keras.tree.map_structure(self.settle, (args, kwargs))
        return _plain_call(layer, *args, **kwargs)

    def _owe(self, tensor: Any, rescaling: keras.layers.Rescaling) -> Any:
        self._owed[id(tensor)] = (tensor, rescaling)  # kept, or its id could be reused
        return tensor

    def settle(self, value: Any) -> Any:
        """Return a value with its delayed Rescaling applied, if it has one."""
        return self._owed[id(value)][1](value) if self.owes(value) else value


def _plain_call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    if type(layer) is keras.layers.Flatten and layer.data_format == "channels_last":
        return keras.ops.reshape(args[0], (-1, math.prod(args[0].shape[1:])))
    return layer(*args, **kwargs)


def is_scalar_rescaling(layer: Any) -> bool:
    """Tell whether a layer is a Rescaling whose scale and offset are single numbers."""
    return isinstance(layer, keras.layers.Rescaling) and not (
        np.ndim(layer.scale) or np.ndim(layer.offset)
    )


def _absorbs(layer: Any, rescaling: keras.layers.Rescaling) -> bool:
    if type(layer) in _CONVOLUTIONS:  # padding adds zeros after the rescaling
        linear = layer.padding == "valid" or rescaling.offset == 0
    else:
        linear = type(layer) is keras.layers.Dense
    return bool(linear and (layer.use_bias or rescaling.offset == 0))


def _rescaled_call(layer: Any, rescaling: keras.layers.Rescaling, tensor: Any) -> Any:
    """Call a copy of a layer on the raw tensor, with the rescaling in its weights."""
    scaled = plain_copy(layer, name=f"{layer.name}_rescaled")
    # As the Rescaling does; for float32 nothing is computed. The symbolic dtype may be wrong: that
    # of a padding of bytes is float32.
    output = scaled(keras.ops.cast(tensor, rescaling.compute_dtype))
    kernel = np.asarray(layer.kernel, np.float64)  # (..., channels out)
    weights = [kernel * rescaling.scale]
    if layer.use_bias:
        sums = kernel.sum(axis=tuple(range(kernel.ndim - 1)))
        weights.append(np.asarray(layer.bias) + rescaling.offset * sums)
    scaled.set_weights(weights)
    return output


def plain_copy(layer: Any, **config: Any) -> Any:
    """Return an unbuilt copy of a layer with an activation, without what only training uses.

    Args:
        layer: the layer.
        config: settings in which the copy differs.
    """
    own = {
        key: value
        for key, value in layer.get_config().items()
        if not key.endswith(("_initializer", "_regularizer", "_constraint"))
    }
    if hasattr(layer, "activation"):  # it may be a function that no config can name
        own["activation"] = None
    copy = type(layer).from_config({**own, **config})
    if hasattr(layer, "activation"):
        copy.activation = layer.activation
    return copy
