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
_SCALED = 0.9  # the share of samples that reach a limit as often, if each is scaled to it
_MOST_SORTED = 10**5  # values, to see whether they are all different

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
    late = [is_no_chance(int(t), count, judged, own.shape[1]) for t in times]
    if wrong := at[late].tolist():
        yield Warned(
            "constant",
            name,
            f"{places(ours, wrong)} never vary in {count:,} calibration samples, and differ "
            f"from that in up to {times.max():,} of {judged:,} evaluation samples",
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
    columns = _columns(ours)
    found = []
    for column in columns:
        own, other = _column(ours, column), _column(theirs, column)
        if own.min() < own.max():  # else it is constant
            found.append((outside(own, own, other, other, len(columns)), column))
    times, column = max(found, default=(0, None), key=lambda each: each[0])
    if times:
        own, other = _column(ours, column), _column(theirs, column)
        yield Warned(
            "clipped",
            name,
            f"{_at(column)}{times:,} of {len(theirs):,} evaluation samples are far outside the "
            f"calibration range, {own.min():.4g} to {own.max():.4g}: they reach "
            f"{other.min():.4g} to {other.max():.4g}{_more(sum(n > 0 for n, _ in found) - 1)}",
            "calibrate with samples of the whole range that the device will see",
        )


def _columns(samples: Values) -> Sequence[int | None]:
    """Return the columns of a table, which have a range of their own, or None for all values."""
    is_table = samples.ndim == 2 and samples.shape[1] <= _MOST_COLUMNS
    return range(samples.shape[1]) if is_table else [None]


def _column(samples: Values, column: int | None) -> Values:
    """Return the values of a column, or all: (N, values)."""
    return samples.reshape(len(samples), -1) if column is None else samples[:, [column]]


def _at(column: int | None) -> str:
    return "" if column is None else f"column {column} (the first is 0): "


def _more(columns: int) -> str:
    return f"; other such columns: {columns}" if columns else ""


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
        more = f"; other such layers: {len(wrong) - 1}" if len(wrong) > 1 else ""
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
    limits = [(*_limit(_column(ours, column)), column) for column in _columns(ours)]
    found = [each for each in limits if each[0] and not _are_scaled(ours, each[2], each[1])]
    if found:
        share, limit, column = max(found, key=lambda each: each[0])
        yield Warned(
            "saturated",
            name,
            f"{_at(column)}{share:.1%} of the values are exactly {limit:.6g}, the limit, and the "
            f"others are all different{_more(len(found) - 1)}",
            "if the sensor was driven past its limit, record samples with less gain",
        )


def _limit(values: Values) -> tuple[float, float]:
    """Return the share of values at a limit, and the limit; (0, 0) if there is none."""
    low, high = values.min(), values.max()
    inside = values[(values > low) & (values < high)]
    if len(inside) < values.size / 2:
        return 0.0, 0.0
    limits = {float(low), float(high)} - {0.0}  # 0: nothing is there
    times, limit = max(((int((values == x).sum()), x) for x in limits), default=(0, 0.0))
    some = inside[:: max(1, len(inside) // _MOST_SORTED)]
    if times < max(_OFTEN, _AT_THE_LIMIT * values.size) or (
        len(np.unique(some)) < _CONTINUOUS * len(some)
    ):
        return 0.0, 0.0
    return times / values.size, limit


def _are_scaled(samples: Values, column: int | None, limit: float) -> bool:
    """Tell whether each sample was scaled to a limit, which its peak, or each channel's, is at.

    Args:
        samples: (N, ...).
        column: the column whose limit it is, or None for all.
        limit: the limit; the opposite peak is at -limit.
    """
    peaks = ((samples == limit) | (samples == -limit)).reshape(len(samples), -1).sum(axis=1)
    at_limit = (_column(samples, column) == limit).any(axis=1)
    channels = samples.shape[-1] if samples.ndim > 2 else 1
    usual = np.median(peaks)
    if not 0 < usual <= 2 * channels:
        return False
    return all((some == usual).mean() >= _SCALED for some in (peaks, peaks[at_limit]))
