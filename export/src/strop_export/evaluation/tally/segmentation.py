"""The counts of an output that decides a class for each pixel, or for each step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.evaluation.tally import bins
from strop_export.evaluation.tally.groups import Groups
from strop_export.evaluation.tally.part import (
    DENSE,
    Part,
    answers,
    check_outputs,
    checked_labels,
    classes_of,
)
from strop_export.evaluation.tally.sheet import Field


class Measured(NamedTuple):
    """What is counted of a batch: pixels, sample by sample."""

    decided: NDArray[np.int64]  # the number of classes for no answer
    labels: NDArray[np.int64] | None


class Segmentation(Part[Measured]):
    """The counts of pixels: labels and decisions by class, and both."""

    name = "segmentation"

    def __init__(self, spec: OutputSpec, *, whole: bool) -> None:
        self.classes = classes_of(spec)
        self.pixels = math.prod(size or 1 for size in spec.shape[1:-1])
        self.by_class = whole or self.classes <= DENSE
        self.dense = whole and self.classes <= DENSE
        super().__init__(spec, whole=whole)

    def fields(self) -> Mapping[str, Field]:
        """Return the fields of the sheet; the last decision is of no answer."""
        known, decided = self.classes, self.classes + 1
        fields = {"pixels": Field((3, 2))}  # without a label, wrong, right; answered or not
        if self.by_class:
            fields |= {
                "decided": Field((2, decided)),  # without and with a label
                "true": Field((known,)),
                "hits": Field((known,)),
            }
        if self.dense:
            fields["confusion"] = Field((known, decided))
        return fields

    @staticmethod
    def measure(spec: OutputSpec, outputs: NDArray[Any], labels: NDArray[Any] | None) -> Measured:
        """Look at a batch.

        Args:
            spec: the output.
            outputs: (N, ..., classes), or (N, ..., 1) with a threshold.
            labels: integers, (N, ...), or None.

        Raises:
            EvaluationError: they do not fit the output.
        """
        check_outputs(spec, outputs)
        truth = checked_labels(spec, labels, outputs.shape[:-1], classes_of(spec))
        _, decided = answers(spec, outputs)
        flat = None if truth is None else truth.ravel()
        return Measured(decided.ravel(), flat)

    def count(self, found: Measured, groups: Groups) -> None:
        """Count a batch."""
        sheet, decided, labels = self.sheet, found.decided, found.labels
        every = groups.repeated(self.pixels)
        known = labels is not None
        right = decided == labels if known else np.zeros(decided.size, np.bool_)
        state = 1 + right if known else 0
        sheet.count("pixels", every, state * 2 + (decided == self.classes))
        if self.by_class:
            sheet.count("decided", every, decided + (self.classes + 1) * known)
        if labels is None:
            return
        if self.by_class:
            sheet.count("true", every, labels)
            of_rows = every.of_rows
            own = Groups(every.places, None if of_rows is None else of_rows[right])
            sheet.count("hits", own, labels[right])
        if self.dense:
            sheet.count("confusion", every, labels * (self.classes + 1) + decided)

    def is_sound(self, group: int, samples: int) -> bool:
        """Tell whether a group's counts agree with each other and with the number of samples."""
        own = {name: self.sheet[name][group] for name in self.sheet.fields}
        unknown, wrong, right = own["pixels"].sum(axis=1).tolist()
        labelled = wrong + right
        sound = [unknown + labelled == samples * self.pixels]
        if self.by_class:
            sound += [
                own["decided"].sum(axis=1).tolist() == [unknown, labelled],
                own["true"].sum() == labelled,
                own["hits"].sum() == right,
            ]
        if self.dense:
            sound += [
                (own["confusion"].sum(axis=1) == own["true"]).all(),
                (own["confusion"].sum(axis=0) == own["decided"][1]).all(),
            ]
        return all(sound)

    def figures(self, group: int) -> dict[str, Any]:
        """Return the figures of a group; `accuracy` is of pixels, as in a proof.

        `label_iou` is the mean over the classes that labels or decisions have. A pixel whose answer
        is not finite counts as wrong.
        """
        pixels = self.sheet["pixels"][group]
        _, wrong, right = pixels.sum(axis=1).tolist()
        labelled = wrong + right
        figures: dict[str, Any] = {
            "pixels": int(pixels.sum()),
            "labelled": labelled,
            "not_finite": int(pixels[:, 1].sum()),
            "correct": right if labelled else None,
            "accuracy": bins.ratio(right, labelled),
        }
        if not self.by_class:
            return figures
        decided = self.sheet["decided"][group][:, : self.classes]
        true = self.sheet["true"][group].tolist()
        shares = ious(self.sheet["hits"][group].tolist(), true, decided[1].tolist())
        figures["label_iou"] = bins.mean(shares)
        if self.whole:
            both = {"decided": decided.sum(axis=0).tolist(), "labelled": true, "iou": shares}
            figures["by_class"] = both
            confusion = self.dense and labelled
            figures["confusion"] = (
                self.sheet["confusion"][group][:, : self.classes].tolist() if confusion else None
            )
        return figures


def ious(both: list[int], one: list[int], other: list[int]) -> list[float | None]:
    """Return the intersection over union of each class; None for one that neither has.

    Args:
        both: by class, the pixels that both have.
        one: by class, the pixels of one.
        other: by class, the pixels of the other.
    """
    return [bins.ratio(a, b + c - a) for a, b, c in zip(both, one, other, strict=True)]
