"""The examination of a source's calibration samples: warnings, and how the ranges settle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from strop_export.calibration import ranges, samples, scale, settling, values
from strop_export.calibration.ranges import Layer
from strop_export.calibration.warning import Warned
from strop_export.source import Source

_FEWEST = 100  # that need not show that the ranges have settled
_TOO_FEW = 30  # settled or not
_WIDER = 1 / 3  # by the second half of the samples: a few of them decide the range


def examine(source: Source) -> dict[str, Any]:
    """Examine the calibration samples.

    Returns:
        Plain JSON values: the number of `samples` that calibrate, and of those `held_out`;
        `warnings`, each with `kind`, `input`, `found` and `mend`; and `settling`, from
        `settling.settle`, or None for one sample or a model without floats.
    """
    names = [spec.name for spec in source.inputs]
    layers = ranges.measure(source.model, names, source.calibration)
    finite = [layer for layer in layers if layer.is_finite]
    count = len(source.calibration[0])
    settled = settling.settle(finite) if finite and count > 1 else None
    warnings = [
        *_few(count + len(source.selection[0]), settled),
        *_of_inputs(source),
        *_infinite(layers),
        *samples.copies(source.given_for_calibration, source.samples),
        *samples.classes(source.outputs, source.calibration_keras, source.keras),
    ]
    if all(warned.kind not in ("clipped", "constant") for warned in warnings):
        chosen = np.linspace(0, len(source.samples[0]) - 1, count).round().astype(np.int64)
        some = [array[np.unique(chosen)] for array in source.samples]  # at most as many
        judged = ranges.measure(source.model, names, some, inner=False)
        warnings += values.clipped_layers(finite, [x for x in judged if x.is_finite])
    return {
        "samples": count,
        "held_out": len(source.selection[0]),
        "warnings": [warned._asdict() for warned in warnings],
        "settling": settled,
    }


def _of_inputs(source: Source) -> Iterator[Warned]:
    """Check each input by itself."""
    for spec, tensor, ours, theirs in zip(
        source.inputs, source.model.inputs, source.calibration, source.samples, strict=True
    ):
        yield from values.constant(spec.name, ours, theirs)
        yield from values.clipped(spec.name, ours, theirs)
        yield from values.saturated(spec.name, ours)
        yield from scale.check(source.model, spec.name, tensor, ours)


def _few(count: int, settled: dict[str, Any] | None) -> Iterator[Warned]:
    """Warn of too few samples: by their number, and by whether the ranges settle.

    Args:
        count: the number of samples that were given, those held out too.
        settled: from `settling.settle`, for those that calibrate.
    """
    mend = f"give {max(_FEWEST, 2 * count):,} or more, of every kind that the device will see"
    if count < _TOO_FEW:
        yield Warned("few", "", f"there are only {count:,} calibration samples", mend)
        return
    if settled is None or settled["settled_at"] is not None:
        return
    widened = settled["widened"]
    if count < _FEWEST or widened is None or widened > _WIDER:
        yield Warned("few", "", f"{count:,} samples, and {settling.last_doubling(settled)}", mend)


def _infinite(layers: Sequence[Layer]) -> Iterator[Warned]:
    """Warn of layers that give values without a range."""
    if names := [layer.name for layer in layers if not layer.is_finite]:
        yield Warned(
            "infinite",
            "",
            f"layer {names[0]}{' and others' if len(names) > 1 else ''} gives NaN or infinity for "
            "calibration samples",
            "change the layer, or remove those samples: no quantizer can take its range",
        )
