"""The checks of the values of an input: constant, clipped, saturated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.calibration.ranges import Layer
from strop_export.calibration.warning import Warned, is_no_chance

_MOST_COLUMNS = 64  # of a table, whose columns are named one by one
_MOST_NAMED = 5  # columns in one line
_OUTSIDE = 0.05  # of a range's width: a value farther out than this is clipped
_CONTINUOUS = 0.9  # the share of different values between the smallest and the largest
_AT_THE_LIMIT, _OFTEN = 0.02, 5  # the share and the number of values that show a sensor's limit

Values = NDArray[Any]


def constant(name: str, ours: Values, theirs: Values) -> Iterator[Warned]:
    """Look for values that never vary in calibration, though they do in evaluation.

    Args:
        name: the input's name.
        ours: calibration samples, (N, ...).
        theirs: evaluation samples, (M, ...).
    """
    count, judged = len(ours), len(theirs)
    own, other = ours.reshape(count, -1), theirs.reshape(judged, -1)
    fixed = (own == own[0]).all(axis=0)
    if fixed.all() and count > 1:
        yield Warned(
            "constant",
            name,
            f"all {count:,} calibration samples are equal",
            "give samples that differ, as the device will see them",
        )
        return
    at = np.flatnonzero(fixed)
    times = (other[:, at] != own[0, at]).sum(axis=0)
    late = [int(t) for t in times if is_no_chance(int(t), count, judged, own.shape[1])]
    if late:
        wrong = [int(i) for i, t in zip(at, times, strict=True) if int(t) in set(late)]
        yield Warned(
            "constant",
            name,
            f"{places(ours, wrong)} never vary in {count:,} calibration samples, and differ "
            f"from that in up to {max(late):,} of {judged:,} evaluation samples",
            "calibrate with samples in which they vary, as on the device",
        )


def places(samples: Values, wrong: Sequence[int]) -> str:
    """Name the columns of a table, or count the values of anything else.

    Args:
        samples: (N, ...).
        wrong: the places in a flat sample.
    """
    size = samples[0].size
    if samples.ndim == 2 and size <= _MOST_COLUMNS:
        named = ", ".join(map(str, wrong[:_MOST_NAMED]))
        return f"columns {named}{', ..' if len(wrong) > _MOST_NAMED else ''} (the first is 0)"
    return f"{len(wrong):,} of its {size:,} values"


def clipped(name: str, ours: Values, theirs: Values) -> Iterator[Warned]:
    """Look for evaluation samples far outside the range of the calibration samples.

    Args:
        name: the input's name; those of whole numbers are not clipped.
        ours: calibration samples, (N, ...).
        theirs: evaluation samples, (M, ...).
    """
    if ours.dtype.kind != "f":
        return
    is_table = ours.ndim == 2 and ours.shape[1] <= _MOST_COLUMNS
    columns = range(ours.shape[1]) if is_table else [...]
    for column in columns:
        own = ours[:, column].reshape(len(ours), -1)
        other = theirs[:, column].reshape(len(theirs), -1)
        if own.min() == own.max():  # told as constant
            continue
        found = outside(own, own, other, other, len(columns))
        if found:
            where = f"column {column} (the first is 0): " if is_table else ""
            yield Warned(
                "clipped",
                name,
                f"{where}{found:,} of {len(theirs):,} evaluation samples are far outside the "
                f"calibration range, {own.min():.4g} to {own.max():.4g}: they reach "
                f"{other.min():.4g} to {other.max():.4g}",
                "calibrate with samples of the whole range that the device will see",
            )


def clipped_layers(ours: Sequence[Layer], theirs: Sequence[Layer]) -> Iterator[Warned]:
    """Look for layers that evaluation samples drive far outside the calibration range.

    Args:
        ours: the layers on calibration samples.
        theirs: the same layers on evaluation samples.
    """
    others = {layer.name: layer for layer in theirs}
    pairs = [(layer, others[layer.name]) for layer in ours if layer.name in others]
    found = [
        (outside(own.low, own.high, other.low, other.high, len(pairs)), own, other)
        for own, other in pairs
    ]
    if wrong := [each for each in found if each[0]]:
        times, own, other = wrong[0]  # it drives the others
        more = f", and {len(wrong) - 1} more layers" if len(wrong) > 1 else ""
        yield Warned(
            "clipped",
            "",
            f"{times:,} of {len(other.low):,} evaluation samples drive layer {own.name} far "
            f"outside its calibration range, {own.low.min():.4g} to {own.high.max():.4g}: to "
            f"{other.low.min():.4g} to {other.high.max():.4g}{more}",
            "calibrate with samples of every kind that the device will see",
        )


def outside(low: Values, high: Values, other_low: Values, other_high: Values, tests: int) -> int:
    """Count the evaluation samples far above, or far below, a calibration range.

    Args:
        low: (N, ...) values of the calibration samples; the smallest are among them.
        high: likewise, with the largest.
        other_low: (M, ...) values of the evaluation samples.
        other_high: likewise.
        tests: the number of ranges that are checked.

    Returns:
        The larger of the two counts; 0 if chance explains it.
    """
    bottom, top = float(low.min()), float(high.max())
    beyond = _OUTSIDE * (top - bottom)
    above = int((other_high.max(axis=1) > top + beyond).sum())
    below = int((other_low.min(axis=1) < bottom - beyond).sum())
    most = max(above, below)
    return most if is_no_chance(most, len(low), len(other_low), 2 * tests) else 0


def saturated(name: str, ours: Values) -> Iterator[Warned]:
    """Look for a continuous quantity that stops at a limit, as a sensor that is driven too far.

    Args:
        name: the input's name.
        ours: calibration samples, (N, ...).
    """
    if ours.dtype.kind != "f":
        return
    is_table = ours.ndim == 2 and ours.shape[1] <= _MOST_COLUMNS
    for column in range(ours.shape[1]) if is_table else [...]:
        values = ours[:, column].ravel()
        for limit in {float(values.min()), float(values.max())} - {0.0}:  # 0: nothing is there
            times = int((values == limit).sum())
            inside = values[(values > values.min()) & (values < values.max())]
            share = times / len(values)
            if times < _OFTEN or share <= _AT_THE_LIMIT or len(inside) < len(values) / 2:
                continue
            if len(np.unique(inside)) >= _CONTINUOUS * len(inside):
                where = f"column {column} (the first is 0): " if is_table else ""
                yield Warned(
                    "saturated",
                    name,
                    f"{where}{share:.1%} of the values are exactly {limit:.6g}, the limit, and "
                    "the others are all different",
                    "if the sensor was driven past its limit, record samples with less gain",
                )
