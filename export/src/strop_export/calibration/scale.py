"""The check of the scale of an input: whether it is what the model's first layer expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop_export.calibration.values import places
from strop_export.calibration.warning import Warned
from strop_export.formats import quiet

if TYPE_CHECKING:
    import keras

_FLAT = 0.02  # size of values that a first layer should have scaled to about 1
_FAR = 10.0  # standard deviations of the training samples
_BYTES_FROM = 128  # the least maximum of floats that are taken for bytes
_MOST_VALUES = 2**24  # that are scaled at once

Values = NDArray[Any]


def check(model: keras.Model, name: str, tensor: Any, ours: Values) -> Iterator[Warned]:
    """Look for samples of another scale than the model's first layer expects.

    Args:
        model: a model that takes and returns lists.
        name: the input's name.
        tensor: the input's tensor in the model.
        ours: calibration samples, (N, ...).
    """
    import keras

    if _are_bytes(ours):
        yield Warned(
            "scale",
            name,
            f"the samples are {ours.dtype} and hold whole numbers, {ours.min():.0f} to "
            f"{ours.max():.0f}",
            "give bytes as uint8, as the sensor does: the device then converts nothing",
        )
    for layer in model.layers:
        if layer.name == tensor.name or not any(tensor is each for each in _inputs_of(layer)):
            continue
        if isinstance(layer, keras.layers.Rescaling):
            size = max(abs(float(ours.min())), abs(float(ours.max())))
            largest = size * float(np.abs(layer.scale).max())
            if ours.dtype.kind == "f" and 0 < largest < _FLAT:
                yield Warned(
                    "scale",
                    name,
                    f"the samples are {ours.min():.4g} to {ours.max():.4g}, and layer "
                    f"{layer.name} multiplies them by {np.max(layer.scale):.4g}",
                    "give samples as the sensor does, before any scaling",
                )
        elif isinstance(layer, keras.layers.Normalization):
            yield from _normalized(name, layer, ours)


def _are_bytes(samples: Values) -> bool:
    """Tell whether samples are pictures of bytes that were converted to floats."""
    if samples.dtype.kind != "f" or samples.ndim != 4 or samples.shape[3] not in (1, 3):
        return False
    is_wide = samples.min() >= 0 and _BYTES_FROM <= samples.max() <= 255
    return bool(is_wide and (samples == np.round(samples)).all())


def _inputs_of(layer: keras.Layer) -> list[Any]:
    nodes = getattr(layer, "_inbound_nodes", ())
    return [tensor for node in nodes for tensor in node.input_tensors]


def _normalized(name: str, layer: keras.layers.Normalization, ours: Values) -> Iterator[Warned]:
    """Compare columns with the mean and spread of the training samples, as the layer knows them."""
    some = ours[:: max(1, ours.size // _MOST_VALUES)]
    with quiet():
        scaled = np.asarray(layer(some.astype(layer.compute_dtype)))
    spread = np.asarray(layer.variance).ravel()
    if spread.size != ours.shape[-1]:
        scaled = scaled.reshape(-1, 1)
    columns = scaled.reshape(-1, scaled.shape[-1])
    middle, spreads = np.median(columns, axis=0), columns.std(axis=0)
    off = (np.abs(middle) > _FAR) | ((spreads > 0) & (spreads < _FLAT)) | (spreads > 1 / _FLAT)
    off &= spread > 0 if spread.size == len(off) else True
    if wrong := np.flatnonzero(off).tolist():
        first = wrong[0]
        yield Warned(
            "scale",
            name,
            f"{places(ours, wrong)} are of another scale than layer {layer.name} was adapted to: "
            f"the median of the first is {middle[first]:+.3g} standard deviations from the mean, "
            f"its own spread {spreads[first]:.3g} of them",
            "give samples in the units that the model was trained on",
        )
