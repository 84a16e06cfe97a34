"""The figures of one output by its kind: how far a run's answers are from Keras's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec

Values = NDArray[Any]  # (N, ...): float32, or an integer or bool dtype
Labels = NDArray[Any] | None  # (N,), or of the output's shape, or None

_ROUNDING = 1e-6  # a few units in the last place of float32, relative to a value's size
MOST_DB = 200.0  # for values without noise: a figure must be finite
DECIDED = ("class", "binary", "multilabel", "segmentation")  # kinds of output that are decisions


def decisions(spec: OutputSpec, outputs: Values) -> NDArray[np.int64]:
    """Return what an output decides: the best class, or whether each value is above the threshold.

    Args:
        spec: the output, of one of the `DECIDED` kinds.
        outputs: (N, ...).

    Returns:
        int64 (N,) for a class or a binary output, (N, labels) for a multilabel one, and one for
        each pixel or step, (N, ...), for a segmentation.
    """
    if spec.threshold is None:
        return np.asarray(outputs.argmax(axis=-1), np.int64)
    above = np.asarray(outputs > spec.threshold, np.int64)
    if spec.kind == "multilabel" or above.ndim == 1:
        return above
    return above[..., 0]


def decides_one_thing(spec: OutputSpec, keras: Values) -> bool:
    """Tell whether Keras decides the same for all samples, so that agreement shows nothing."""
    return spec.kind in DECIDED and bool(np.ptp(decisions(spec, keras), axis=0).max() == 0)


def compare(spec: OutputSpec, ours: Values, keras: Values, labels: Labels) -> dict[str, Any]:
    """Compare a run's answers for one output with Keras's.

    Args:
        spec: the output.
        ours: (N, ...), finite, of Keras's shape.
        keras: (N, ...).
        labels: the truth, or None if it is not known: int64 as `decisions` returns, or float
            values of a regression.

    Returns:
        The figures, by name, as docs/bundle-format.md lists them for the output's kind.
    """
    own = ours.astype(np.float64)
    figures: dict[str, Any] = {"max_abs_error": float(np.abs(own - keras).max())}
    if keras.dtype.kind != "f":
        differ = int((ours != keras).sum())
        figures |= {"disagreements": differ, "agreement": 1 - differ / keras.size}
    elif spec.kind in DECIDED:
        figures |= _decided(spec, ours, keras, labels)
        if decides_one_thing(spec, keras):
            figures |= {"judged_by": "error", **whole(own, keras)}
    elif spec.kind == "regression":
        figures |= _regression(own, keras, labels)
    else:
        figures |= whole(own, keras)
    return figures


def _decided(spec: OutputSpec, ours: Values, keras: Values, labels: Labels) -> dict[str, Any]:
    mine, theirs = decisions(spec, ours), decisions(spec, keras)
    differ = int((mine != theirs).sum())
    figures: dict[str, Any] = {
        "disagreements": differ,
        "accuracy": None if labels is None else float((mine == labels).mean()),
        "keras_accuracy": None if labels is None else float((theirs == labels).mean()),
    }
    agreement = 1 - differ / mine.size
    if spec.kind == "class":
        return {**figures, "top1_agreement": agreement}
    figures["agreement"] = agreement
    if spec.kind == "segmentation":
        figures["mean_iou"] = mean_iou(mine, theirs)
        figures["label_iou"] = None if labels is None else mean_iou(mine, labels)
        figures["keras_label_iou"] = None if labels is None else mean_iou(theirs, labels)
        return figures
    for name, decided, scores in (("", mine, ours), ("keras_", theirs, keras)):
        figures[f"{name}f1"] = None if labels is None else f1(decided, labels)
        figures[f"{name}auc"] = None if labels is None else auc(scores, labels)
    return figures


def _regression(own: Values, keras: Values, labels: Labels) -> dict[str, Any]:
    """Return the figures of each column: taken together, a large one would hide a small one."""
    mine, theirs = columns(own), columns(keras)
    rounding = _ROUNDING * np.abs(theirs).max(axis=0)  # float32 can do no better
    share = np.maximum(rmse(mine, theirs) - rounding, 0) / spread(theirs)
    figures: dict[str, Any] = {"rmse_share": share.tolist()}
    truth = None if labels is None else columns(labels)
    for name, values in (("", mine), ("keras_", theirs)):
        figures[f"{name}rmse"] = None if truth is None else rmse(values, truth).tolist()
        figures[f"{name}r2"] = (
            None if truth is None else (1 - (rmse(values, truth) / spread(truth)) ** 2).tolist()
        )
    return figures


def whole(own: Values, keras: Values) -> dict[str, Any]:
    """Return the figures of a whole tensor: signal to noise in dB, cosine, largest error."""
    theirs = keras.astype(np.float64)
    noise = float(((own - theirs) ** 2).mean())
    signal = float(theirs.var())
    sizes = float(np.linalg.norm(own) * np.linalg.norm(theirs))
    return {
        "sqnr_db": float(decibels(signal, noise)),
        "cosine": float((own * theirs).sum() / sizes) if sizes else None,
        "max_error_share": float(np.abs(own - theirs).max() / max(theirs.std(), 1e-300)),
    }


def decibels(signal: Any, noise: Any) -> NDArray[np.float64]:
    """Return ratios of signal to noise in dB, within `MOST_DB`.

    Args:
        signal: variances.
        noise: mean squares of the errors, of the same shape; an infinite or NaN one is the worst.
    """
    worst = np.nan_to_num(noise, nan=np.inf, posinf=np.inf)
    with np.errstate(divide="ignore", over="ignore"):
        found = 10 * np.log10(np.maximum(signal, 1e-300) / worst)
    return np.asarray(np.clip(found, -MOST_DB, MOST_DB))


def columns(values: Values) -> NDArray[np.float64]:
    """Return values as float64 (N, columns), with all values of a sample in one row."""
    return np.asarray(values, np.float64).reshape(len(values), -1)


def by_column(values: Values) -> NDArray[np.float64]:
    """Return values as float64 (rows, positions of the last axis)."""
    last = values.shape[-1] if values.ndim > 1 else 1
    return np.asarray(values, np.float64).reshape(-1, last)


def rmse(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean square difference of each column, float64 (columns,)."""
    return np.asarray(np.sqrt(((ours - theirs) ** 2).mean(axis=0)))


def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each column, float64 (columns,).

    For a column that never varies this is the column's largest magnitude; if that is zero too, the
    largest magnitude of all columns.
    """
    size = np.abs(values).max(axis=0)
    instead = np.where(size > 0, size, max(float(size.max(initial=0.0)), 1e-9))
    return np.asarray(np.where(varies(values), values.std(axis=0), instead))


def varies(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each column whether it varies by more than float32's rounding, bool (columns,)."""
    return np.asarray(values.std(axis=0) > _ROUNDING * np.abs(values).max(axis=0))


def f1(decided: NDArray[np.int64], labels: NDArray[Any]) -> float | None:
    """Return the F1 score of the positive class, 0..1, or None if nothing is positive."""
    hits = int(((decided == 1) & (labels == 1)).sum())
    total = int((decided == 1).sum() + (labels == 1).sum())
    return 2 * hits / total if total else None


def auc(scores: Values, labels: NDArray[Any]) -> float | None:
    """Return the area under the ROC curve, 0..1: the mean over columns with both classes.

    It is the share of pairs of a positive and a negative that are in the right order (Mann and
    Whitney, Annals of Mathematical Statistics 18, 1947).

    Args:
        scores: (N,), (N, 1) or (N, labels).
        labels: 0 or 1, (N,) or (N, labels).

    Returns:
        The area, or None if no column has both classes.
    """
    from scipy.stats import mannwhitneyu

    values, truth = columns(scores), columns(labels)
    areas = []
    for column, known in zip(values.T, truth.T, strict=True):
        yes, no = column[known == 1], column[known == 0]
        if len(yes) and len(no):
            areas.append(mannwhitneyu(yes, no).statistic / (len(yes) * len(no)))
    return float(np.mean(areas)) if areas else None


def mean_iou(ours: NDArray[np.int64], theirs: NDArray[Any]) -> float:
    """Return the intersection over union, 0..1: the mean over the classes that either has."""
    shares = []
    for kind in np.union1d(np.unique(ours), np.unique(theirs)):
        mine, other = ours == kind, theirs == kind
        shares.append((mine & other).sum() / (mine | other).sum())
    return float(np.mean(shares))
