"""The counts of an output that is one probability: yes or no."""

from __future__ import annotations

from typing import Any

from strop_export.evaluation.tally.bins import RELIABILITY
from strop_export.evaluation.tally.labels import Labels
from strop_export.evaluation.tally.part import limits


class Binary(Labels):
    """The counts of yes or no."""

    name = "binary"

    def figures(self, group: int) -> dict[str, Any]:
        """Return the figures of a group; all but the first are of the samples with labels."""
        common = self.common(group)
        labelled = common["labelled"]
        figures = {
            **common,
            **self.of_column(group, 0),
            "accuracy_limits": limits(common["correct"] or 0, labelled),
        }
        if not self.whole:
            return figures
        reliability = self.reliability(group, 0)._asdict()
        reliability.pop("ece")
        decided = self.sheet["decisions"][group, 0].sum(axis=0).tolist()
        confusion = [row[:2] for row in self.confusion(group, 0)]
        return {
            **figures,
            "decided": decided[:2],
            "scores": self.sheet["reliability"][group, 0, :RELIABILITY].sum(axis=1).tolist(),
            "reliability": reliability,
            "confusion": confusion if labelled else None,
        }
