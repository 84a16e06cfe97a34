"""The judgement of a file's answers for one output, by the kind of the output."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Judged, OutputSpec
from strop_export.figures import (
    DECIDED,
    Labels,
    Values,
    by_column,
    compare,
    decisions,
    rmse,
    whole,
)
from strop_export.rules import (
    Interval,
    allowed_count,
    allowed_of_few,
    is_open,
    is_past,
    paired_loss,
    proportion,
    settling_samples,
)
from strop_export.tolerances import Tolerance

# The least spread of an output column, as a share of the outputs' scale; less is noise. A class may
# never be likely, and a pixel almost never lit. If there are few values, even a small one counts.
_LEAST_SPREAD = 0.01
_LEAST_VALUE_SPREAD = 1e-4
_MOST_CHANNELS = 16
_MOST_TIMES = 100  # the median column's size
_MIDDLE = (5, 95)  # percentiles
_LEAST_MIDDLE = 1e-6  # spread of a column's middle values, relative to them; less is rounding
_CLASS_FACTOR = 5  # the bound for one class, as a multiple of the bound for all
_NAMED_CLASSES = 2  # of those lost, in a message
_MOST_ERROR = 0.9  # root mean square, as a share of the column's spread; a constant mean has 1


def judge(
    spec: OutputSpec,
    ours: Values,
    keras: Values,
    labels: Labels,
    tolerance: Tolerance,
    *,
    few: bool = False,
) -> tuple[Judged, list[str]]:
    """Judge a run's answers for one output.

    Args:
        spec: the output.
        ours: the run's answers.
        keras: Keras's, (N, ...).
        labels: the truth, or None.
        tolerance: the tolerance on the run's device.
        few: the samples are the few that select a file: shares are judged by plain counts.

    Returns:
        The figures with their bounds, and a line for each figure that misses its bound. Answers of
        another shape, or not finite, have no figures.
    """
    labelled = labels is not None and spec.kind != "raw"
    tolerance = tolerance.of_output(spec, labelled=labelled)
    if few:  # the root mean square of N samples is known to a share of about 1 / sqrt(2 N)
        slack = 1 + 2 / math.sqrt(2 * len(keras))
        tolerance = replace(tolerance, rmse_share=tolerance.rmse_share * slack)
    bounds = tolerance.bounds(spec)
    if ours.shape != keras.shape:
        return Judged({}, bounds), [f"gives {ours.shape} instead of {keras.shape}"]
    if not np.isfinite(ours).all():
        return Judged({}, bounds), ["gives NaN or infinity"]
    figures = compare(spec, ours, keras, labels)
    past = []
    if keras.dtype.kind != "f":
        return Judged(figures, bounds), _wrong_integers(figures, keras.size, tolerance, few=few)
    if spec.kind == "multilabel" and labels is None:  # it may be values, not labels
        figures |= whole(ours, keras)
        bounds |= tolerance.named("sqnr_db")
        past += _too_noisy(figures, tolerance)
    if figures.get("judged_by") == "error":
        bounds |= tolerance.named("sqnr_db")
        past += _too_noisy(figures, tolerance)
    if spec.kind in DECIDED:
        if few:
            bounds |= _of_few(spec, tolerance, decisions(spec, keras).size)
        past += _wrong_decisions(spec, figures, ours, keras, labels, tolerance, few=few)
        most = tolerance.max_abs_error * scale(keras)
        if not figures["max_abs_error"] <= most:
            past.append(f"max abs error {figures['max_abs_error']:.3g}, at most {most:.3g} allowed")
    elif spec.kind == "regression":
        past += _wrong_columns(figures, tolerance)
    else:
        past += _too_noisy(figures, tolerance)
    if blind := _uninformed(spec, ours, keras):
        some = f"{', '.join(map(str, blind[:8]))}{' and others' if len(blind) > 8 else ''}"
        past.append(
            f"column {some} is hardly closer to Keras's than a constant would be, so it does not "
            "depend on the input"
        )
    return Judged(figures, bounds), past


def _of_few(spec: OutputSpec, tolerance: Tolerance, total: int) -> dict[str, float]:
    """Return the bounds that few samples are judged by: at least two of them may differ."""
    name = "pixels" if spec.kind == "segmentation" else "disagreements"
    return {
        each: allowed_of_few(getattr(tolerance, each), total) / total
        for each in (name, "accuracy_loss")
    }


def _wrong_decisions(
    spec: OutputSpec,
    figures: dict[str, Any],
    ours: Values,
    keras: Values,
    labels: Labels,
    tolerance: Tolerance,
    *,
    few: bool,
) -> list[str]:
    """Check decisions against their bounds, and add the limits of the intervals to the figures."""
    mine, theirs = decisions(spec, ours), decisions(spec, keras)
    differ, total = figures["disagreements"], mine.size
    bound = tolerance.pixels if spec.kind == "segmentation" else tolerance.disagreements
    loss = None
    if labels is not None:
        loss = paired_loss((theirs == labels).ravel(), (mine == labels).ravel())
    what = {"segmentation": "pixels or steps", "multilabel": "labels"}.get(spec.kind, "samples")
    said = f"{differ} of {total} {what} get another class than from Keras"
    past = []
    if few or tolerance.plain:
        most = (allowed_of_few if few else allowed_count)(bound, total)
        if differ > most:
            past.append(f"{said}, at most {most} allowed")
        worst = tolerance.accuracy_loss
        if few:
            worst = allowed_of_few(worst, total) / total
        if loss and loss.share > worst + 1e-9:
            past.append(_accuracy_said(figures, worst))
        return past + ([] if tolerance.plain else _lost_classes(spec, mine, theirs, what, bound))
    found = proportion(differ, total)
    figures["disagreements_limits"] = [found.low, found.high]
    settled = settling_samples(differ, total, bound) if is_open(found, bound) else None
    figures["settled_by"] = settled and math.ceil(settled * len(mine) / total)
    if is_past(found, bound):
        past.append(f"{said}, {_limits(found)}, at most {bound:.2%} allowed")
    past += _lost_classes(spec, mine, theirs, what, bound)
    if loss:
        figures["accuracy_loss_limits"] = [loss.low, loss.high]
        if is_past(loss, tolerance.accuracy_loss):
            past.append(f"{_accuracy_said(figures, tolerance.accuracy_loss)} ({_limits(loss)})")
    return past


def _lost_classes(
    spec: OutputSpec, mine: NDArray[np.int64], theirs: NDArray[np.int64], what: str, bound: float
) -> list[str]:
    """Find the classes that a file loses: rare ones hardly count among all decisions.

    Args:
        spec: the output.
        mine: the run's decisions.
        theirs: Keras's.
        what: the word for the things decided, for messages.
        bound: the share of all decisions that may differ.
    """
    groups = (
        [(f"label {i}", column == 1, i) for i, column in enumerate(theirs.T)]
        if spec.kind == "multilabel"
        else [(f"class {kind}", theirs == kind, None) for kind in np.unique(theirs)]
    )
    past = []
    for title, own, column in groups:
        changed = mine != theirs if column is None else mine[:, column] != theirs[:, column]
        lost, total = int(changed[own].sum()), int(own.sum())
        if lost and is_past(found := proportion(lost, total), _CLASS_FACTOR * bound):
            past.append(
                f"{lost} of the {total} {what} to which Keras gives {title} get another, "
                f"{_limits(found)}, at most {_CLASS_FACTOR * bound:.2%} allowed"
            )
    more = len(past) - _NAMED_CLASSES
    return [*past[:_NAMED_CLASSES], f"so do samples of {more} more"] if more > 0 else past


def _wrong_integers(
    figures: dict[str, Any], total: int, tolerance: Tolerance, *, few: bool
) -> list[str]:
    """Check integers and booleans against the share that may differ: they differ or are equal."""
    differ, bound = figures["disagreements"], tolerance.disagreements
    said = f"{differ} of {total} values differ from Keras's"
    if few:
        most = allowed_of_few(bound, total)
        return [f"{said}, at most {most} allowed"] if differ > most else []
    found = proportion(differ, total)
    if not is_past(found, bound):
        return []
    return [f"{said}, {_limits(found)}, at most {bound:.2%} allowed"]


def _accuracy_said(figures: dict[str, Any], most: float) -> str:
    return (
        f"accuracy {figures['accuracy']:.4f} against Keras's {figures['keras_accuracy']:.4f}, a "
        f"loss of at most {most:.4f} allowed"
    )


def _limits(found: Interval) -> str:
    return f"with 95 % confidence {found.low:.2%} to {found.high:.2%}"


def _wrong_columns(figures: dict[str, Any], tolerance: Tolerance) -> list[str]:
    shares = figures["rmse_share"]
    return [
        f"column {i}: an RMSE of {share:.2%} of its spread, at most {tolerance.rmse_share:.2%} "
        "allowed"
        for i, share in enumerate(shares)
        if not share <= tolerance.rmse_share
    ]


def _too_noisy(figures: dict[str, Any], tolerance: Tolerance) -> list[str]:
    found = figures["sqnr_db"]
    if found >= tolerance.sqnr_db:
        return []
    return [f"signal to noise {found:.1f} dB, at least {tolerance.sqnr_db:.1f} dB wanted"]


def _uninformed(spec: OutputSpec, outputs: Values, keras: Values) -> list[int]:
    """Find the output columns that a run predicts hardly better than Keras's mean would.

    Top classes, and figures of a whole tensor, hide one ruined column among larger ones. A column
    is a position of the last axis: in boxes with scores, say, the score of every box.

    Args:
        spec: the output.
        outputs: the run's answers, (N, ...).
        keras: Keras's, (N, ...).
    """
    ours, theirs = by_column(outputs), by_column(keras)
    own = theirs.std(axis=0)
    few = spec.kind not in DECIDED and theirs.shape[1] <= _MOST_CHANNELS
    least = _LEAST_VALUE_SPREAD if few else _LEAST_SPREAD
    telling = own > least * np.abs(theirs).max()
    ruined = telling & (rmse(ours, theirs) > _MOST_ERROR * own)
    if few:  # outliers widen the spread, which would hide errors in all others
        for column in np.flatnonzero(~ruined):
            low, high = np.percentile(theirs[:, column], _MIDDLE)
            middle = (theirs[:, column] >= low) & (theirs[:, column] <= high)
            true, found = theirs[middle, column], ours[middle, column]
            size = np.abs(true).max()
            error = np.sqrt(((found - true) ** 2).mean()) - _LEAST_MIDDLE * size
            ruined[column] = true.std() > _LEAST_MIDDLE * size and error > _MOST_ERROR * true.std()
    return [int(column) for column in np.flatnonzero(ruined)]


def scale(keras: Values) -> float:
    """Return the factor for error bounds, which are meant for outputs of size about 1.

    It is larger for larger outputs, and never below 1.

    Args:
        keras: Keras's answers, (N, ...).
    """
    return max(1.0, float(np.abs(usual(by_column(keras))).max()))


def usual(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the columns of usual size: a masked logit of -1e9 says nothing about the others.

    Args:
        values: (rows, columns).
    """
    size = np.abs(values).max(axis=0)
    return values[:, size <= _MOST_TIMES * max(float(np.median(size)), 1e-300)]
