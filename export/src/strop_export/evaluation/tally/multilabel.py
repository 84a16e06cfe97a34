"""The counts of an output with several labels, each of them yes or no."""

from __future__ import annotations

from typing import Any

from strop_export.evaluation.tally import bins
from strop_export.evaluation.tally.labels import Labels
from strop_export.evaluation.tally.part import RANKED, TOO_MANY
from strop_export.evaluation.tally.scores import macro

_FIGURES = ("accuracy", "precision", "recall", "f1", "auc", "auc_error", "ks", "ks_error", "ece")


class Multilabel(Labels):
    """The counts of yes or no for each label."""

    name = "multilabel"

    def figures(self, group: int) -> dict[str, Any]:
        """Return the figures of a group.

        `accuracy` and `f1` are of all decisions together, `auc` is the mean over the labels that
        have both classes, as in a proof. Means over labels are named `macro_..`.
        """
        known = self.sheet["decisions"][group, :, 1:].sum(axis=0)
        said, true, hits = int(known[:, 1].sum()), int(known[1].sum()), int(known[1, 1])
        each = [self.of_column(group, column) for column in range(self.columns)]
        lists = {name: [one[name] for one in each] for name in _FIGURES}
        common = self.common(group)
        figures = {**common, "f1": bins.ratio(2 * hits, said + true)}
        if self.columns == self.labels:
            figures |= {**macro(lists), "macro_ece": bins.mean(lists["ece"])}
        if not self.whole:
            return figures
        why = "no labels" if not common["labelled"] else "no label has positives and negatives"
        why = TOO_MANY if self.columns > RANKED else why
        decisions = self.sheet["decisions"][group]
        return {
            **figures,
            "auc": bins.mean(lists["auc"]),
            "auc_error": bins.mean(lists["auc_error"]),
            "auc_reason": why if bins.mean(lists["auc"]) is None else None,
            "macro_ks": bins.mean(lists["ks"]),
            "by_label": {
                "decided": decisions[:, :, 1].sum(axis=1).tolist(),
                "labelled": decisions[:, 2].sum(axis=1).tolist(),
                **lists,
            },
        }
