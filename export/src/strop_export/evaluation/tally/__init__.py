"""The counts behind an evaluation's figures: integers that add up in any order and grouping."""

from strop_export.evaluation.tally.tally import Tally

__all__ = ["Tally"]
