"""Precision, recall and F1 from counts, for classes, labels and pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strop_export.evaluation.tally.bins import mean, ratio


def by_class(true: Sequence[int], decided: Sequence[int], hits: Sequence[int]) -> dict[str, Any]:
    """Return the figures of each class; None where nothing is of a class.

    Args:
        true: by class, how many have it as their label.
        decided: by class, how many it was decided for, among those with a label.
        hits: by class, how many both are.
    """
    both = [a + b for a, b in zip(true, decided, strict=True)]
    return {
        "labelled": list(true),
        "precision": [ratio(hit, n) for hit, n in zip(hits, decided, strict=True)],
        "recall": [ratio(hit, n) for hit, n in zip(hits, true, strict=True)],
        "f1": [ratio(2 * hit, n) for hit, n in zip(hits, both, strict=True)],
    }


def macro(found: Mapping[str, Sequence[Any]]) -> dict[str, float | None]:
    """Return the means over the classes that are either a label or decided.

    As in scikit-learn, a class that is never decided has a precision of 0 in the mean, and one that
    is no label a recall of 0.

    Args:
        found: the figures by class that `by_class` returns.
    """
    there = [i for i, f1 in enumerate(found["f1"]) if f1 is not None]
    return {
        f"macro_{name}": mean([found[name][i] or 0.0 for i in there])
        for name in ("precision", "recall", "f1")
    }
