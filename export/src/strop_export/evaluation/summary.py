"""What people are shown first of an evaluation's figures: the choice, the words and the order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from strop_export.columns import shown

Figures = Mapping[str, Any]

LABEL_FIGURES: Final = {
    "yes": "labelled",
    "F1": "f1",
    "precision": "precision",
    "recall": "recall",
    "AUC": "auc",
    "KS": "ks",
    "ECE": "ece",
}
VALUE_FIGURES: Final = {
    "bias": "bias",
    "MAE": "mae",
    "RMSE": "rmse",
    "largest error": "largest_error",
    "R²": "r2",
    "mean": "mean",
    "std": "std",
}
_PLAIN: Final = (  # figures of a whole output, in the order that they are shown
    ("accuracy", "accuracy"),
    ("top 5 accuracy", "top5_accuracy"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("F1", "f1"),
    ("mean IoU", "label_iou"),
    ("macro precision", "macro_precision"),
    ("macro recall", "macro_recall"),
    ("macro F1", "macro_f1"),
    ("AUC", "auc"),
    ("KS", "ks"),
    ("ECE", "ece"),
    ("macro ECE", "macro_ece"),
    ("mean confidence", "confidence"),
    ("mean probability of yes", "mean_score"),
    ("agreement with the reference", "top1_agreement"),
    ("agreement with the reference", "agreement"),
    ("mean IoU with the reference", "mean_iou"),
    ("largest difference from the reference", "max_abs_error"),
    ("mean difference from the reference", "mean_abs_error"),
)
_KEY: Final = {  # the figure that stands for an output in a table of slices, and its words
    "class": ("accuracy", "accuracy"),
    "binary": ("accuracy", "accuracy"),
    "multilabel": ("f1", "F1"),
    "segmentation": ("label_iou", "mean IoU"),
    "regression": ("rmse", "RMSE"),
    "raw": ("rmse", "RMSE"),
}


def summary(own: Figures) -> list[tuple[str, str, str]]:
    """Return the figures of a whole output: what it is, its value, and what belongs to it.

    Args:
        own: the figures of an output.
    """
    rows = [
        (title, number(own[name]), _beside(own, name))
        for title, name in _PLAIN
        if own.get(name) is not None
    ]
    if own["labelled"] == 0:
        rows.insert(0, ("labels", "none", ""))
    for name, what in (
        ("not_finite", "answers that are not finite"),
        ("labels_not_finite", "labels that are not finite"),
    ):
        if own.get(name):
            rows.append((what, f"{own[name]:,}", ""))
    return rows


def _beside(own: Figures, name: str) -> str:
    """Return the limits of a figure, or its error, where there are some."""
    if limits := own.get(f"{name}_limits"):
        return f"{limits[0]:.4f} to {limits[1]:.4f}"
    if error := own.get(f"{name}_error"):
        return f"off by {error:.1g} at most"
    if name in ("top1_agreement", "agreement"):
        return f"{own['disagreements']:,} differ"
    return ""


def key_figures(whole: Figures, own: Figures) -> dict[str, str]:
    """Return the cells of an output in a table of slices, by their titles.

    Args:
        whole: the output's figures of all samples, which say what there is.
        own: those of a slice.
    """
    name, title = _KEY[whole["kind"]]
    cells = {}
    if whole["labelled"]:
        cells[title] = number(own.get(name))
        if "accuracy_limits" in whole:
            limits = own["accuracy_limits"]
            cells["95 % limits"] = f"{limits[0]:.4f} to {limits[1]:.4f}" if limits else "-"
    elif (name := "confidence") in whole or (name := "mean_score") in whole:
        cells[name.replace("_", " ")] = number(own[name])
    for name in ("top1_agreement", "agreement"):
        if whole.get(name) is not None:
            cells["agreement"] = number(own[name])
    if not cells:
        cells["mean"] = number(own.get("mean"))
    return cells


class Key(NamedTuple):
    """The one figure of a slice that says how good it is.

    Attributes:
        title: what it is.
        value: itself.
        limits: of its 95 % interval; None if it has none.
        goodness: what slices are sorted by, less is worse.
    """

    title: str
    value: float
    limits: tuple[float, float] | None
    goodness: float


def key_of(whole: Figures, own: Figures) -> Key | None:
    """Return the figure that says how good a slice is; None if there is none.

    It is the one of `_KEY`, or else agreement with the reference, or else confidence. A share is
    sorted by the upper limit of its interval, so that a slice of a few samples is not the worst by
    chance. An error is a share of that of all samples, by the column that is worst.

    Args:
        whole: the output's figures of all samples.
        own: those of a slice.
    """
    name, title = _KEY[whole["kind"]]
    found = own.get(name)
    if isinstance(found, list):
        pairs = zip(found, whole[name], strict=True)
        shares = [mine / every for mine, every in pairs if mine is not None and every]
        if shares:
            value = max(shares)
            return Key(f"{title} as a share of that of all samples", value, None, -value)
        found = None
    others = {"agreement with the reference": "top1_agreement", "agreement": "agreement"}
    others |= {"mean confidence": "confidence", "mean probability of yes": "mean_score"}
    if found is None:
        known = ((each, own[key]) for each, key in others.items() if own.get(key) is not None)
        title, found = next(known, ("", None))
    if found is None:
        return None
    limits = own.get("accuracy_limits")
    return Key(title, found, limits and (limits[0], limits[1]), limits[1] if limits else found)


def by_badness(values: Mapping[str, Figures], outputs: Mapping[str, Figures]) -> list[str]:
    """Return the values of a column, the worst first; see `key_of`.

    Args:
        values: the figures of each value.
        outputs: the figures of all samples, by output. The first with a figure decides.
    """

    def goodness(value: str) -> tuple[float, str]:
        keys = (key_of(outputs[name], values[value]["outputs"][name]) for name in outputs)
        return next((key.goodness for key in keys if key), math.inf), value

    return sorted(values, key=goodness)


def worst_first(figures: Sequence[float | None]) -> list[int]:
    """Return the places of some figures, the lowest first and those that are None last."""
    known = [(float("inf") if figure is None else figure) for figure in figures]
    return sorted(range(len(known)), key=known.__getitem__)


def confused(own: Figures) -> list[tuple[int, int, int]]:
    """Return the label, the decision and the count of what is confused, most often first."""
    confusion: Any = own.get("confusion") or []
    dense = own["kind"] != "class" or len(confusion) == len(own["by_class"]["labelled"])
    cells: Iterable[tuple[int, int, int]] = (
        ((a, b, count) for a, row in enumerate(confusion) for b, count in enumerate(row))
        if dense
        else map(tuple, confusion)
    )
    wrong = [(a, b, count) for a, b, count in cells if a != b and count]
    return sorted(wrong, key=lambda cell: (-cell[2], cell))


def label_of(labels: Sequence[str], place: int) -> str:
    """Return the name of a class or column; its number if it has none."""
    return labels[place] if place < len(labels) else str(place)


def number(figure: Any) -> str:
    """Write a figure of any size: shares with four digits, others with four that count."""
    if figure is None or isinstance(figure, int):
        return shown(figure)
    if isinstance(figure, list):
        return ", ".join(map(number, figure[:4])) + (", .." if len(figure) > 4 else "")
    return f"{figure:.4f}" if figure == 0 or 0.001 <= abs(figure) < 10 else f"{figure:.4g}"
