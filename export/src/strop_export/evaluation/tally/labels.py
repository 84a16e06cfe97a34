"""The counts of yes or no: one for a binary output, one for each label of a multilabel one."""

from __future__ import annotations

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
    Part,
    answers,
    check_outputs,
    checked_labels,
    columns_of,
    sigmoid,
)
from strop_export.evaluation.tally.scores import by_class
from strop_export.evaluation.tally.sheet import Field

_STATES = 3  # of a value: without a label, labelled no, labelled yes


class Measured(NamedTuple):
    """What is counted of a batch of N samples with C columns: N * C values, sample by sample."""

    decided: NDArray[np.int64]  # 0, 1, or 2 for no answer
    bins: NDArray[np.intp]  # of reliability
    scores: NDArray[np.float64]  # probabilities of yes, in fixed point
    states: NDArray[np.int64]
    ranks: NDArray[np.intp] | None


class Labels(Part[Measured]):
    """The counts of each column: decisions, probabilities of yes, ranks.

    Slices take more than `DENSE` labels together, as one column.
    """

    def __init__(self, spec: OutputSpec, *, whole: bool) -> None:
        self.labels = columns_of(spec)
        self.columns = self.labels if whole or self.labels <= DENSE else 1
        self.ranked = self.labels <= (RANKED if whole else 1)
        super().__init__(spec, whole=whole)

    def fields(self) -> Mapping[str, Field]:
        """Return the fields of the sheet; the last decision and bin is of no answer."""
        fields = {
            "decisions": Field((self.columns, _STATES, 3)),
            "reliability": Field((self.columns, NO_ANSWER + 1, _STATES)),
            "scores": Field((self.columns, NO_ANSWER + 1, 2)),  # sums, without and with a label
        }
        if self.ranked:
            fields["ranks"] = Field((self.columns, 2, NO_RANK + 1))  # of no and of yes
        return fields

    @staticmethod
    def measure(spec: OutputSpec, outputs: NDArray[Any], labels: NDArray[Any] | None) -> Measured:
        """Look at a batch.

        Args:
            spec: the output.
            outputs: (N,), (N, 1) or (N, labels).
            labels: 0 and 1, (N,) of a binary output and (N, labels) of a multilabel one; or None.

        Raises:
            EvaluationError: they do not fit the output.
        """
        check_outputs(spec, outputs)
        shape = outputs.shape if spec.kind == "multilabel" else (len(outputs),)
        truth = checked_labels(spec, labels, shape, 2)
        clean, decided = answers(spec, outputs)
        scores = (sigmoid(clean) if spec.logits else clean).ravel()
        decided = decided.ravel()
        found, sums = bins.reliability_bins(scores)
        none = None if clean is outputs else decided == 2
        states = np.zeros(decided.size, np.int64) if truth is None else 1 + truth.ravel()
        ranked = truth is not None and columns_of(spec) <= RANKED
        ranks = bins.rank_bins(scores) if ranked else None
        if none is not None:
            found[none], sums[none] = NO_ANSWER, 0
            if ranks is not None:
                ranks[none] = NO_RANK
        return Measured(decided, found, sums, states, ranks)

    def count(self, found: Measured, groups: Groups) -> None:
        """Count a batch."""
        sheet, states = self.sheet, found.states
        every = groups.repeated(self.labels)
        column = np.arange(found.decided.size) % self.columns
        lines = column * (NO_ANSWER + 1) + found.bins
        sheet.count("decisions", every, (column * _STATES + states) * 3 + found.decided)
        sheet.count("reliability", every, lines * _STATES + states)
        sheet.count("scores", every, lines * 2 + (states > 0), found.scores)
        if self.ranked and found.ranks is not None:
            cells = (column * 2 + states - 1) * (NO_RANK + 1) + found.ranks
            sheet.count("ranks", every, cells)

    def is_sound(self, group: int, samples: int) -> bool:
        """Tell whether a group's counts agree with each other and with the number of samples."""
        states = self.sheet["decisions"][group].sum(axis=2)
        sound = [
            (states.sum(axis=1) * self.columns == samples * self.labels).all(),
            (self.sheet["reliability"][group].sum(axis=1) == states).all(),
        ]
        if self.ranked:
            sound.append((self.sheet["ranks"][group].sum(axis=2) == states[:, 1:]).all())
        return all(sound)

    def confusion(self, group: int, column: int) -> list[list[int]]:
        """Return rows of labels and columns of decisions: no, yes, and no answer."""
        found: list[list[int]] = self.sheet["decisions"][group, column, 1:].tolist()
        return found

    def common(self, group: int) -> dict[str, Any]:
        """Return the figures that both kinds have; decisions are counted over all columns.

        An answer that is not finite counts as wrong. `decided` has, for each column, the samples
        decided as yes; `mean_score` is the mean probability of yes.
        """
        decisions = self.sheet["decisions"][group]
        known = decisions[:, 1:].sum(axis=0)
        labelled, correct = int(known.sum()), int(known[0, 0] + known[1, 1])
        answered = self.sheet["reliability"][group][:, :RELIABILITY]
        sums = self.sheet["scores"][group]
        return {
            "samples": int(decisions.sum()) // self.labels,
            "labelled": labelled // self.labels,
            "not_finite": int(decisions[:, :, 2].sum()),
            "correct": correct if labelled else None,
            "accuracy": bins.ratio(correct, labelled),
            "mean_score": bins.ratio(int(sums.sum()), int(answered.sum()) * bins.ONE),
        }

    def of_column(self, group: int, column: int) -> dict[str, Any]:
        """Return the figures of one column, of the samples with labels.

        `ece` compares the mean probability of yes in each bin with the share that is yes.
        """
        no, yes = self.confusion(group, column)
        found = by_class([sum(yes)], [no[1] + yes[1]], [yes[1]])
        own = self.reliability(group, column)
        area, distance = self._ranked(group, column)
        return {
            "accuracy": bins.ratio(no[0] + yes[1], sum(no) + sum(yes)),
            "precision": found["precision"][0],
            "recall": found["recall"][0],
            "f1": found["f1"][0],
            "auc": area and area.value,
            "auc_error": area and area.error,
            "ks": distance and distance.value,
            "ks_error": distance and distance.error,
            "ece": own.ece,
        }

    def reliability(self, group: int, column: int) -> bins.Reliability:
        """Return how the probabilities of yes of a column compare with the labels."""
        states = self.sheet["reliability"][group, column, :RELIABILITY]
        sums = self.sheet["scores"][group, column, :RELIABILITY, 1]
        return bins.reliability(states[:, 1].tolist(), states[:, 2].tolist(), sums.tolist())

    def _ranked(self, group: int, column: int) -> tuple[bins.Ranked | None, bins.Ranked | None]:
        if not self.ranked:
            return None, None
        no, yes = self.sheet["ranks"][group, column, :, :RANKS].tolist()
        return bins.auc(no, yes), bins.ks(no, yes)
