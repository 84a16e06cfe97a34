"""Scales balanced between neighbouring layers, channel by channel, with the function unchanged.

A tensor of activations has one scale in an int8 file, so a channel of small values beside one of
large values is lost. A layer's outputs are divided by a factor for each channel, and the weights of
the layers that read them are multiplied by it: Nagel et al., "Data-free quantization through weight
equalization and bias correction", ICCV 2019. The factor balances the largest activation and the
largest weight, as in SmoothQuant (Xiao et al., 2022). It is a power of two, so that the float
outputs stay the same to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from strop_export.errors import NothingToEqualize
from strop_export.formats.channels import Link, find_links
from strop_export.formats.graph import plain_copy
from strop_export.formats.samples import spread

_MOST_SAMPLES: Final = 256  # for the largest activations
_BATCH: Final = 32
_MOST_VALUES: Final = 2**24  # of all watched tensors at once
_MOST_ROUNDS: Final = 8
_LARGEST: Final = 30  # exponent of a factor


class Equalizer:
    """The same model with balanced scales; it is made when it is first asked for.

    Args:
        model: the model, which is not changed.
        calibration: (N, *input) for each input.
    """

    def __init__(self, model: keras.Model, calibration: Sequence[np.ndarray]) -> None:
        self._given, self._calibration = model, calibration

    @property
    def model(self) -> keras.Model:
        """The model with balanced scales; it shares the layers that did not change.

        Raises:
            NothingToEqualize: no scales of it can be balanced.
        """
        return self._made[0]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The (producer, consumer) whose scales were balanced; see `model`."""
        return self._made[1]

    @cached_property
    def _made(self) -> tuple[keras.Model, tuple[tuple[str, str], ...]]:
        links = find_links(self._given)
        largest = _largest(self._given, links, spread(self._calibration, _MOST_SAMPLES))
        weights = {
            layer.name: [np.array(w) for w in layer.get_weights()]
            for link in links
            for layer in (link.producer, *(user.layer for user in link.users))
        }
        changed = _balance(links, largest, weights)
        if not changed:
            raise NothingToEqualize(
                "no two neighbouring layers have scales that can be balanced",
                "leave `equalized` out",
            )
        pairs = tuple((link.producer.name, u.layer.name) for link in changed for u in link.users)
        return _with_weights(self._given, weights, {name for pair in pairs for name in pair}), pairs


def _largest(
    model: keras.Model, links: Sequence[Link], samples: Sequence[np.ndarray]
) -> list[NDArray[np.float64]]:
    """Return the largest magnitude of each channel of each link's tensor."""
    if not links:
        return []
    found = [np.zeros(link.channels) for link in links]
    watched = keras.Model(list(model.inputs), [link.tensor for link in links])
    sizes = [math.prod(size or 1 for size in link.tensor.shape[1:]) for link in links]
    size = max(1, min(_BATCH, _MOST_VALUES // sum(sizes)))
    for start in range(0, len(samples[0]), size):
        batch = [
            np.asarray(array[start : start + size], tensor.dtype)
            for array, tensor in zip(samples, model.inputs, strict=True)
        ]
        for i, values in enumerate(keras.tree.flatten(watched(batch, training=False))):
            each = np.abs(np.asarray(values)).reshape(-1, links[i].channels).max(axis=0)
            found[i] = np.maximum(found[i], each)
    return found


def _balance(
    links: Sequence[Link],
    largest: Sequence[NDArray[np.float64]],
    weights: dict[str, list[np.ndarray]],
) -> list[Link]:
    """Balance all links in turn until nothing changes; return those that changed.

    Args:
        links: the links.
        largest: (channels,) of each link: the largest activations, changed in place.
        weights: the weights of each layer by its name, changed in place.
    """
    changed: dict[str, Link] = {}
    for _ in range(_MOST_ROUNDS):
        settled = True
        for link, activations in zip(links, largest, strict=True):
            exponents = _exponents(activations, link.largest_weights(weights))
            if exponents.any():
                link.scale(weights, exponents)
                activations *= np.exp2(-exponents)
                changed[link.producer.name] = link
                settled = False
        if settled:
            break
    return [link for link in links if link.producer.name in changed]


def _exponents(activations: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the exponent of the factor of two that balances each channel.

    The factors' mean is one: what counts is how the channels compare. A channel that is always zero
    keeps its scale.
    """
    live = (activations > 0) & (weights > 0)
    exponents = np.zeros(len(activations))
    if live.any():
        exponents[live] = (np.log2(activations[live]) - np.log2(weights[live])) / 2
        exponents[live] -= np.median(exponents[live])
    return np.clip(np.rint(exponents), -_LARGEST, _LARGEST).astype(np.int64)


def _with_weights(
    model: keras.Model, weights: dict[str, list[np.ndarray]], changed: set[str]
) -> keras.Model:
    """Return a model with copies of the changed layers, which have other weights."""

    def copy(layer: Any) -> Any:
        return plain_copy(layer) if layer.name in changed else layer

    other = keras.models.clone_model(
        keras.Model(list(model.inputs), list(model.outputs)), clone_function=copy
    )
    for layer in other.layers:
        if layer.name in changed:
            layer.set_weights(weights[layer.name])
    return other
