"""The order of a model's layers by what they lose when they are quantized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import ConversionError
from strop_export.figures import MOST_DB, by_column, decibels, varies
from strop_export.figures import spread as deviations
from strop_export.formats.base import Converted, Ranked, VariantSpec
from strop_export.formats.samples import spread
from strop_export.formats.steps import Work
from strop_export.formats.trial import run

if TYPE_CHECKING:
    import keras

_MOST_SAMPLES: Final = 64
_LEAST_SAMPLES: Final = 16
_SAMPLE_OPERATIONS: Final = 2**33  # multiply-accumulates in all trials; large models get fewer
_HARMLESS_DB: Final = 45.0
_NEVER_LIKELY: Final = 1e-3  # deviation of a class, as a share of the largest


class Format(Protocol):
    """The conversions of one model to one format."""

    def convert(self, spec: VariantSpec) -> Converted:
        """Convert the model."""

    def works(self, spec: VariantSpec) -> dict[str, Work]:
        """Return the size of each layer."""


def rank(
    format: Format, spec: VariantSpec, model: keras.Model, held_out: Sequence[NDArray[Any]]
) -> tuple[Ranked, ...]:
    """Quantize each layer alone, and compare the outputs with those of Keras.

    Layers that are not quantized are left out, and so are those without weights if all of them
    together do no harm.

    Args:
        format: makes the files.
        spec: how they are quantized.
        model: the Keras model.
        held_out: (N, *input) for each input.

    Returns:
        The layers, those that lose most first.
    """
    works = format.works(spec)
    each = max(1, sum(work.operations for work in works.values()) * len(works))
    count = int(np.clip(_SAMPLE_OPERATIONS // each, _LEAST_SAMPLES, _MOST_SAMPLES))
    samples = spread(held_out, count)
    wanted = _keras(model, samples)

    def damage(layers: Sequence[str]) -> float | None:
        """Return the outputs' ratio if only these layers are quantized; None if nothing is."""
        others = tuple(name for name in works if name not in layers)
        alone = replace(
            spec,
            precision="mixed" if others else "int8",
            quantization=replace(spec.quantization, float_layers=others),
        )
        try:
            file = format.convert(alone)
        except ConversionError:  # nothing in the file is quantized
            return None
        pairs = zip(wanted, run(file, spec.format, samples), strict=True)
        return min(worst_channel_db(keras, ours) for keras, ours in pairs)

    light = [name for name, work in works.items() if not work.weights]
    together = damage(light) if len(light) > 1 else None
    harmless = light if together is not None and together >= _HARMLESS_DB else []
    found = {name: damage([name]) for name in works if name not in harmless}
    ranked = [Ranked(name, db, *works[name]) for name, db in found.items() if db is not None]
    return tuple(sorted(ranked, key=lambda layer: layer.damage_db))


def worst_channel_db(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the signal-to-noise ratio of the channel that has the most noise, in dB.

    A channel's signal is its variance: a small channel beside large ones, and the deviations of a
    channel from a large mean, count in full. Constant channels count only if all are. Nor does a
    class of a softmax that is never likely: it decides nothing.

    Args:
        wanted: (N, ...); the last axis has the channels.
        found: of the same shape.
    """
    truth, ours = by_column(wanted), by_column(found)
    noise = ((ours - truth) ** 2).mean(axis=0)
    if not np.isfinite(noise).all():
        return -MOST_DB
    counted = varies(truth)
    if truth.min() >= 0 and np.allclose(truth.sum(axis=1), 1):
        deviation = truth.std(axis=0)
        counted &= deviation > _NEVER_LIKELY * deviation.max()
    ratios = decibels(deviations(truth) ** 2, noise)
    return float(ratios[counted].min() if counted.any() else ratios.min())


def _keras(model: keras.Model, samples: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    import keras

    outputs = []
    for start in range(0, len(samples[0]), _LEAST_SAMPLES):
        batch = [
            np.asarray(array[start : start + _LEAST_SAMPLES], tensor.dtype)
            for array, tensor in zip(samples, model.inputs, strict=True)
        ]
        outputs.append([np.asarray(x) for x in keras.tree.flatten(model(batch, training=False))])
    return [np.concatenate(column) for column in zip(*outputs, strict=True)]
