"""The counts of an output that is one class of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.evaluation.tally import bins
from strop_export.evaluation.tally.bins import NO_ANSWER, NO_RANK, RANKS, RELIABILITY
from strop_export.evaluation.tally.groups import Groups
from strop_export.evaluation.tally.part import (
    DENSE,
    RANKED,
    TOO_MANY,
    Part,
    answers,
    check_outputs,
    checked_labels,
    classes_of,
    limits,
    softmax,
)
from strop_export.evaluation.tally.scores import by_class, macro
from strop_export.evaluation.tally.sheet import Field, damaged, is_count

_BEST = 5  # of top5
_UNKNOWN, _WRONG, _RIGHT = 0, 1, 2  # states of a sample: without a label, or decided so


class Measured(NamedTuple):
    """What is counted of a batch of N samples."""

    decided: NDArray[np.int64]  # (N,), the number of classes for no answer
    bins: NDArray[np.intp]  # (N,), of reliability
    confidence: NDArray[np.float64]  # (N,), in fixed point
    labels: NDArray[np.int64] | None  # (N,)
    states: NDArray[np.int64]  # (N,)
    in_best: NDArray[np.bool_] | None  # (N,), whether the label is among the five best
    ranks: NDArray[np.intp] | None  # (N, classes)


class Classes(Part[Measured]):
    """The counts of a class: decisions, confidence, reliability, confusion, ranks."""

    name = "class"

    def __init__(self, spec: OutputSpec, *, whole: bool) -> None:
        self.classes = classes_of(spec)
        self.by_class = whole or self.classes <= DENSE
        self.dense = whole and self.classes <= DENSE
        self.ranked = whole and self.classes <= RANKED
        self.pairs: Counter[int] | None = Counter() if whole and not self.dense else None
        super().__init__(spec, whole=whole)

    def fields(self) -> Mapping[str, Field]:
        """Return the fields of the sheet; the last decision and bin is of no answer."""
        known, decided = self.classes, self.classes + 1
        fields = {
            "reliability": Field((NO_ANSWER + 1, 3)),  # by state
            "confidence": Field((NO_ANSWER + 1, 2)),  # sums, without and with a label
        }
        if known > _BEST:
            fields["best"] = Field((2,))
        if self.by_class:
            fields |= {
                "decided": Field((2, decided)),  # without and with a label
                "true": Field((known,)),
                "hits": Field((known,)),
            }
        if self.dense:
            fields["confusion"] = Field((known, decided))
        if self.ranked:
            fields |= {"ranks": Field((known, NO_RANK + 1)), "yes": Field((known, NO_RANK + 1))}
        return fields

    @staticmethod
    def measure(spec: OutputSpec, outputs: NDArray[Any], labels: NDArray[Any] | None) -> Measured:
        """Look at a batch.

        Args:
            spec: the output.
            outputs: (N, classes).
            labels: integers, (N,), or None.

        Raises:
            EvaluationError: they do not fit the output.
        """
        check_outputs(spec, outputs)
        rows, classes = outputs.shape
        truth = checked_labels(spec, labels, (rows,), classes)
        clean, decided = answers(spec, outputs)
        none = None if clean is outputs else decided == classes
        scores = softmax(clean) if spec.logits else clean
        confidence = scores[np.arange(rows), np.minimum(decided, classes - 1)]
        found, sums = bins.reliability_bins(confidence)
        ranks = bins.rank_bins(scores) if truth is not None and classes <= RANKED else None
        states, in_best = np.zeros(rows, np.int64), None
        if truth is not None:
            right = np.asarray(decided == truth)
            states += _WRONG + right
            if classes > _BEST:
                in_best = _in_best(clean, truth, right)
        if none is not None:
            found[none], sums[none] = NO_ANSWER, 0
            if ranks is not None:
                ranks[none] = NO_RANK
            if in_best is not None:
                in_best &= ~none
        return Measured(decided, found, sums, truth, states, in_best, ranks)

    def count(self, found: Measured, groups: Groups) -> None:
        """Count a batch."""
        sheet, decided, labels = self.sheet, found.decided, found.labels
        known = labels is not None
        sheet.count("reliability", groups, found.bins * 3 + found.states)
        sheet.count("confidence", groups, found.bins * 2 + known, found.confidence)
        if self.by_class:
            sheet.count("decided", groups, decided + (self.classes + 1) * known)
        if labels is None:
            return
        if found.in_best is not None:
            sheet.count("best", groups, found.in_best)
        if self.by_class:
            sheet.count("true", groups, labels)
            self._count_hits(found, labels, groups)
        pairs = labels * (self.classes + 1) + decided
        if self.dense:
            sheet.count("confusion", groups, pairs)
        if self.pairs is not None:
            cells, counts = np.unique(pairs, return_counts=True)
            for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
                self.pairs[cell] += count
        if self.ranked and found.ranks is not None:
            lines = np.arange(self.classes) * (NO_RANK + 1)
            every = (found.ranks + lines).ravel()
            sheet.count("ranks", groups.repeated(self.classes), every)
            own = np.arange(0, every.size, self.classes) + labels
            sheet.count("yes", groups, every[own])

    def _count_hits(self, found: Measured, labels: NDArray[np.int64], groups: Groups) -> None:
        right = found.states == _RIGHT
        of_rows = groups.of_rows
        own = Groups(groups.places, None if of_rows is None else of_rows[right])
        self.sheet.count("hits", own, labels[right])

    def merge(self, other: Part[Measured], places: NDArray[np.intp]) -> None:
        """Add the counts of another part of the same output, whose groups have these places."""
        super().merge(other, places)
        if self.pairs is not None and isinstance(other, Classes) and other.pairs is not None:
            self.pairs.update(other.pairs)

    def to_json(self, group: int) -> Any:
        """Return a group's counts; a sparse confusion as pairs of a cell and its count."""
        made = super().to_json(group)
        if self.pairs is not None:
            made["pairs"] = sorted(map(list, self.pairs.items()))
        return made

    def put_json(self, group: int, value: Any) -> None:
        """Put a group's counts as `to_json` gave them.

        Raises:
            EvaluationError: they are not.
        """
        if self.pairs is not None:
            if not isinstance(value, dict):
                raise damaged("no object")
            value = dict(value)
            self.pairs = _read_pairs(value.pop("pairs", None), self.classes)
        super().put_json(group, value)

    def is_sound(self, group: int, samples: int) -> bool:
        """Tell whether a group's counts agree with each other and with the number of samples."""
        own = {name: self.sheet[name][group] for name in self.sheet.fields}
        unknown, wrong, right = own["reliability"].sum(axis=0).tolist()
        labelled = wrong + right
        sound = [unknown + labelled == samples]
        if "best" in own:
            sound.append(own["best"].sum() == labelled)
        if self.by_class:
            sound += [
                own["decided"].sum(axis=1).tolist() == [unknown, labelled],
                own["true"].sum() == labelled,
                own["hits"].sum() == right,
                (own["hits"] <= own["true"]).all(),
            ]
        if self.dense:
            sound += [
                (own["confusion"].sum(axis=1) == own["true"]).all(),
                (own["confusion"].sum(axis=0) == own["decided"][1]).all(),
                (np.diag(own["confusion"]) == own["hits"]).all(),
            ]
        if self.pairs is not None:
            sound.append(self.pairs.total() == labelled)
        if self.ranked:
            sound += [
                (own["ranks"].sum(axis=1) == labelled).all(),
                (own["yes"].sum(axis=1) == own["true"]).all(),
                (own["yes"] <= own["ranks"]).all(),
            ]
        return all(sound)

    def figures(self, group: int) -> dict[str, Any]:
        """Return the figures of a group.

        `correct`, `accuracy` and all that follows is of the samples with labels; an answer that is
        not finite counts as wrong. `confidence` is the mean probability of the decided class.
        """
        states = self.sheet["reliability"][group]
        sums = self.sheet["confidence"][group].tolist()
        wrong, right = (states[:, state].tolist() for state in (_WRONG, _RIGHT))
        correct, labelled = sum(right), sum(wrong) + sum(right)
        answered = int(states[:RELIABILITY].sum())
        own = bins.reliability(
            wrong[:RELIABILITY], right[:RELIABILITY], [known for _, known in sums[:RELIABILITY]]
        )
        figures: dict[str, Any] = {
            "samples": int(states.sum()),
            "labelled": labelled,
            "not_finite": int(states[NO_ANSWER].sum()),
            "correct": correct if labelled else None,
            "accuracy": bins.ratio(correct, labelled),
            "accuracy_limits": limits(correct, labelled),
            "confidence": bins.ratio(sum(map(sum, sums)), answered * bins.ONE),
            "ece": own.ece,
        }
        if self.classes > _BEST:
            best = self.sheet["best"][group].tolist()
            figures["top5_accuracy"] = bins.ratio(best[1], sum(best))
        if self.by_class:
            figures |= self._by_class(group)
        if self.whole:
            figures |= {
                "confidences": states[:RELIABILITY].sum(axis=1).tolist(),
                "reliability": own._asdict(),
                **self._auc(group, labelled),
                "confusion": self._confusion(group) if labelled else None,
            }
            figures["reliability"].pop("ece")
        return figures

    def _by_class(self, group: int) -> dict[str, Any]:
        decided = self.sheet["decided"][group][:, : self.classes]
        true = self.sheet["true"][group].tolist()
        found = by_class(true, decided[1].tolist(), self.sheet["hits"][group].tolist())
        if not self.whole:
            return macro(found)
        both = {"decided": decided.sum(axis=0).tolist(), **found}
        return {**macro(found), "by_class": both}

    def _auc(self, group: int, labelled: int) -> dict[str, Any]:
        """Return the mean one-versus-rest AUC over the classes that have positives and negatives.

        Its error is at most the mean of theirs; see `bins.auc`.
        """
        if not self.ranked:
            return {"auc": None, "auc_error": None, "auc_reason": TOO_MANY}
        every, yes = self.sheet["ranks"][group], self.sheet["yes"][group]
        no = (every - yes)[:, :RANKS].tolist()
        areas = [bins.auc(a, b) for a, b in zip(no, yes[:, :RANKS].tolist(), strict=True)]
        known = [area for area in areas if area]
        why = "no class has positives and negatives" if labelled else "no labels"
        return {
            "auc": bins.mean(area.value for area in known),
            "auc_error": bins.mean(area.error for area in known),
            "auc_reason": None if known else why,
        }

    def _confusion(self, group: int) -> Any:
        """Return rows of labels and columns of decisions; or triples of both and the count."""
        if self.pairs is None:
            return self.sheet["confusion"][group][:, : self.classes].tolist()
        triples = ([*divmod(cell, self.classes + 1), n] for cell, n in sorted(self.pairs.items()))
        return [triple for triple in triples if triple[1] < self.classes]


def _in_best(
    scores: NDArray[Any], labels: NDArray[np.int64], right: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell whether the label is among the five best; of equals, lower classes are better."""
    inside = right.copy()
    others = np.flatnonzero(~right)
    some, label = scores[others], labels[others, None]
    own = np.take_along_axis(some, label, axis=1)
    better = (some > own) | ((some == own) & (np.arange(scores.shape[1]) < label))
    inside[others] = np.count_nonzero(better, axis=1) < _BEST
    return inside


def _read_pairs(value: Any, classes: int) -> Counter[int]:
    if not isinstance(value, list):
        raise damaged("pairs: no list")
    made: Counter[int] = Counter()
    last = -1
    for item in value:
        sound = isinstance(item, list) and len(item) == 2 and all(map(is_count, item))
        if not sound or not last < item[0] < classes * (classes + 1) or not item[1]:
            raise damaged("pairs: not cells and counts in order")
        last, made[item[0]] = item[0], item[1]
    return made
