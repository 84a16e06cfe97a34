"""How far an output is from a reference's: the decisions that agree, and the differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.evaluation.tally import bins, exact
from strop_export.evaluation.tally.groups import Groups
from strop_export.evaluation.tally.part import DENSE, Part, answers, check_outputs, classes_of
from strop_export.evaluation.tally.segmentation import ious
from strop_export.evaluation.tally.sheet import LARGEST, SUM, Field
from strop_export.figures import DECIDED

_NONE = -np.inf


class Measured(NamedTuple):
    """What is counted of a batch, sample by sample."""

    differ: NDArray[np.bool_] | None  # decisions, or whole numbers; None for floats
    mine: NDArray[np.int64]  # of a segmentation, else the decisions
    theirs: NDArray[np.int64]
    differences: NDArray[np.float64]  # their sizes, (values, 1), 0 where not finite
    finite: NDArray[np.bool_]  # (values,)
    samples: int


class Agreement(Part[Measured]):
    """The counts of decisions and values that differ from a reference's."""

    name = "agreement"

    def __init__(self, spec: OutputSpec, *, whole: bool) -> None:
        kind = spec.kind
        self.values = math.prod(size or 1 for size in spec.shape[1:])
        self.classes = classes_of(spec) if kind == "segmentation" else 0
        self.by_class = self.classes > 0 and (whole or self.classes <= DENSE)
        super().__init__(spec, whole=whole)

    def fields(self) -> Mapping[str, Field]:
        """Return the fields of the sheet."""
        fields = {
            "decisions": Field((2,)),  # the same, different
            "values": Field((2,)),  # not finite, finite
            "sum": Field((1,), SUM),
            "largest": Field((1,), LARGEST),
        }
        if self.by_class:
            fields["classes"] = Field((3, self.classes + 1))  # both's, mine, theirs
        return fields

    @staticmethod
    def measure(spec: OutputSpec, outputs: NDArray[Any], reference: NDArray[Any]) -> Measured:
        """Look at a batch.

        Args:
            spec: the output.
            outputs: (N, ...).
            reference: the reference's, of the same shape.

        Raises:
            EvaluationError: they do not fit the output.
        """
        check_outputs(spec, outputs)
        check_outputs(spec, reference)
        mine = theirs = np.zeros(0, np.int64)
        differ = None
        if spec.kind in DECIDED:
            mine, theirs = (answers(spec, each)[1].ravel() for each in (outputs, reference))
            differ = np.asarray(mine != theirs)
        elif outputs.dtype.kind in "iub" and reference.dtype.kind in "iub":
            differ = np.asarray(outputs != reference).ravel()
        own, other = (each.ravel().astype(np.float64) for each in (outputs, reference))
        finite = np.isfinite(own) & np.isfinite(other)
        sizes = np.abs(np.where(finite, own, 0.0) - np.where(finite, other, 0.0))
        return Measured(differ, mine, theirs, sizes[:, None], finite, len(outputs))

    def count(self, found: Measured, groups: Groups) -> None:
        """Count a batch."""
        sheet = self.sheet
        if found.differ is not None:
            every = groups.repeated(found.differ.size // found.samples)
            sheet.count("decisions", every, found.differ)
        if self.by_class:
            size = self.classes + 1
            same = np.where(found.mine == found.theirs, found.mine, self.classes)
            for place, cells in enumerate((same, found.mine, found.theirs)):
                counts = np.zeros((len(every.places), 3, size), np.int64)
                counts[:, place] = every.count(cells, size)
                sheet.add("classes", every, counts)
        every = groups.repeated(self.values)
        sheet.count("values", every, found.finite)
        sheet.add("sum", every, exact.sums(found.differences, every))
        sizes = np.where(found.finite[:, None], found.differences, _NONE)
        sheet.add("largest", every, every.largest(sizes))

    def is_sound(self, group: int, samples: int) -> bool:
        """Tell whether a group's counts agree with each other and with the number of samples."""
        own = {name: self.sheet[name][group] for name in self.sheet.fields}
        finite = own["values"][1]
        compared = own["decisions"].sum()
        sound = [
            own["values"].sum() == samples * self.values,
            bool(np.isfinite(own["largest"][0])) == bool(finite),
        ]
        if self.by_class:
            sound.append((own["classes"].sum(axis=1) == compared).all())
        return all(sound)

    def figures(self, group: int) -> dict[str, Any]:
        """Return the figures of a group, named as in a proof.

        Two answers that are both not finite agree, as decisions; their difference is in no figure.
        `agreement` is None for values that are no decisions.
        """
        same, differ = self.sheet["decisions"][group].tolist()
        finite = int(self.sheet["values"][group][1])
        total = exact.fraction(self.sheet["sum"][group][0])
        compared = same + differ
        share = bins.ratio(same, compared)
        figures = {
            "disagreements": differ if compared else None,
            "top1_agreement" if self.spec.kind == "class" else "agreement": share,
            "max_abs_error": float(self.sheet["largest"][group][0]) if finite else None,
            "mean_abs_error": float(total / finite) if finite else None,
        }
        if self.by_class:
            both, mine, theirs = self.sheet["classes"][group][:, : self.classes].tolist()
            figures["mean_iou"] = bins.mean(ious(both, mine, theirs))
        return figures
