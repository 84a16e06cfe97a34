"""The layers of a model whose channels may be scaled, and the layers that can undo it.

Only layers of the model itself count, not those of models inside it, and only channels that come
last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

_L = keras.layers
_KERNELS: Final = (_L.Dense, _L.Conv1D, _L.Conv2D, _L.DepthwiseConv2D)
_NORMS: Final = (_L.BatchNormalization, _L.LayerNormalization)
# Layers that keep channels apart, and that give c * y for c * x where c is positive.
_KEEP: Final = (
    *(_L.LeakyReLU, _L.Dropout, _L.SpatialDropout1D, _L.SpatialDropout2D),
    *(_L.MaxPooling1D, _L.MaxPooling2D, _L.AveragePooling1D, _L.AveragePooling2D),
    *(_L.GlobalMaxPooling1D, _L.GlobalMaxPooling2D),
    *(_L.GlobalAveragePooling1D, _L.GlobalAveragePooling2D),
    *(_L.ZeroPadding1D, _L.ZeroPadding2D, _L.Cropping1D, _L.Cropping2D),
    *(_L.UpSampling1D, _L.UpSampling2D),
)

Weights = Mapping[str, list[np.ndarray]]


class User(NamedTuple):
    """A layer that reads the channels.

    Attributes:
        layer: the layer.
        channels: (inputs,): the producer's channel of each of its input channels.
    """

    layer: Any
    channels: NDArray[np.int64]


class Link(NamedTuple):
    """A layer whose channels may be scaled, and all that reads them.

    Attributes:
        producer: the layer.
        tensor: its output; the channels are the last axis.
        users: the layers that read it, behind those that keep channels apart.
    """

    producer: Any
    tensor: Any
    users: tuple[User, ...]

    @property
    def channels(self) -> int:
        """The number of the producer's channels."""
        return int(self.tensor.shape[-1])

    def largest_weights(self, weights: Weights) -> NDArray[np.float64]:
        """Return the largest magnitude of the users' weights for each channel, (channels,)."""
        found = np.zeros(self.channels)
        for user in self.users:
            kernel = np.abs(_by_input(weights[user.layer.name][0]))
            np.maximum.at(found, user.channels, kernel.max(axis=(0, 2)))
        return found

    def scale(self, weights: Weights, exponents: NDArray[np.int64]) -> None:
        """Divide the producer's channels by powers of two, and multiply the users' weights.

        Args:
            weights: the weights of each layer by its name, changed in place.
            exponents: (channels,) of the powers of two.
        """
        own = weights[self.producer.name]
        for i in range(len(own) if isinstance(self.producer, _KERNELS) else 2):  # gamma and beta
            depthwise = isinstance(self.producer, _L.DepthwiseConv2D) and i == 0
            shape = own[i].shape[-2:] if depthwise else (-1,)  # (in, multiplier)
            own[i] = np.ldexp(own[i], -exponents.reshape(shape))
        for user in self.users:
            kernel = weights[user.layer.name][0]
            scaled = np.ldexp(_by_input(kernel), exponents[user.channels][:, np.newaxis])
            weights[user.layer.name][0] = scaled.reshape(kernel.shape)


def _by_input(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel as (places, channels in, channels out), its last axes in every layer."""
    return kernel.reshape(-1, *kernel.shape[-2:])


def find_links(model: keras.Model) -> list[Link]:
    """Find the layers of a model whose channels may be scaled, in the order they run."""
    graph = keras.Model(list(model.inputs), list(model.outputs))
    depths = sorted(graph._nodes_by_depth.items(), reverse=True)
    nodes = [node for _, level in depths for node in level if not node.is_input]
    calls: dict[int, int] = defaultdict(int)
    users: dict[int, list[Any]] = defaultdict(list)
    for node in nodes:
        calls[id(node.operation)] += 1
        for tensor in node.input_tensors:
            users[id(tensor)].append(node)
    walk = _Walk(users, calls, {id(tensor) for tensor in graph.outputs})
    links = []
    for node in nodes:
        if calls[id(node.operation)] == 1 and _is_producer(node.operation, node.outputs[0]):
            tensor = node.outputs[0]
            found = walk.readers(tensor, np.arange(tensor.shape[-1]))
            if found:
                links.append(Link(node.operation, tensor, tuple(found)))
    return links


class _Walk(NamedTuple):
    """A walk from a tensor to the layers that read its channels."""

    users: Mapping[int, list[Any]]  # nodes, by the id of a tensor that they read
    calls: Mapping[int, int]  # number of calls, by the id of a layer
    outputs: set[int]  # ids of the tensors that leave the model

    def readers(self, tensor: Any, channels: NDArray[np.int64]) -> list[User] | None:
        """Return all that reads a tensor; None if anything would notice a change of scale.

        Args:
            tensor: the tensor.
            channels: the producer's channel of each element of its last axis.
        """
        if id(tensor) in self.outputs:
            return None
        found: list[User] = []
        for node in self.users[id(tensor)]:
            layer = node.operation
            if _is_consumer(layer) and self.calls[id(layer)] == 1:
                found.append(User(layer, channels))
                continue
            (result,) = node.outputs if len(node.outputs) == 1 else (None,)
            mapped = _mapped(layer, tensor, result, channels)
            behind = None if mapped is None else self.readers(result, mapped)
            if behind is None:
                return None
            found += behind
        return found


def _mapped(
    layer: Any, tensor: Any, result: Any, channels: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Return the channels of a layer's result; None if the layer mixes them or is not linear."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    kind = type(layer)
    if kind in (_L.Flatten, _L.Reshape):
        return _tiled(channels, tensor.shape[-1], result.shape[-1])
    linear = kind is _L.ReLU and layer.max_value is None and not layer.threshold
    linear = linear or (kind is _L.Activation and _is_homogeneous(layer.activation))
    return channels if linear or kind in _KEEP else None


def _tiled(channels: NDArray[np.int64], size: int, new: int) -> NDArray[np.int64] | None:
    """Return the channels of an array whose last axis of `size` was merged into one of `new`."""
    return np.tile(channels, new // size) if new % size == 0 else None


def _is_homogeneous(activation: Any) -> bool:
    return activation in (keras.activations.linear, keras.activations.relu)


def _is_producer(layer: Any, tensor: Any) -> bool:
    if type(layer) in _NORMS:
        axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
        last = axes in ([-1], [len(tensor.shape) - 1])
        # RMS normalization has no offset, whatever `center` says.
        return bool(layer.scale and layer.center and last and len(layer.get_weights()) >= 2)
    return _is_consumer(layer) and _is_homogeneous(layer.activation)


def _is_consumer(layer: Any) -> bool:
    """Tell whether a layer's channels come last, and none belongs to a group.

    A layer with more weights than a kernel and a bias, as LoRA adds, does not count.
    """
    if type(layer) not in _KERNELS or len(layer.weights) != 1 + bool(layer.use_bias):
        return False
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return last and getattr(layer, "groups", 1) == 1
