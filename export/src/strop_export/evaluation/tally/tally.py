"""All counts of an evaluation, or of a part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.errors import EvaluationError
from strop_export.evaluation.tally.agreement import Agreement
from strop_export.evaluation.tally.binary import Binary
from strop_export.evaluation.tally.classes import Classes
from strop_export.evaluation.tally.groups import ALL, Groups
from strop_export.evaluation.tally.multilabel import Multilabel
from strop_export.evaluation.tally.part import Part
from strop_export.evaluation.tally.segmentation import Segmentation
from strop_export.evaluation.tally.sheet import Field, Sheet, damaged, is_count
from strop_export.evaluation.tally.values import Values

MOST_VALUES: Final = 1000  # of a slice
MOST_LETTERS: Final = 200  # of a value

_SCHEMA: Final = 1
_OF_KIND: Final[Mapping[str, type[Part[Any]]]] = {
    "class": Classes,
    "binary": Binary,
    "multilabel": Multilabel,
    "segmentation": Segmentation,
    "regression": Values,
    "raw": Values,
}


class Tally:
    """All counts of an evaluation or a part of it.

    They are integers, but for the largest values: the result is the same for any order and any
    grouping of the samples. A batch that cannot be counted raises an error and counts nowhere.
    """

    def __init__(
        self, outputs: Sequence[OutputSpec], *, reference: bool, slices: Sequence[str]
    ) -> None:
        """Start with nothing counted.

        Args:
            outputs: the manifest's outputs.
            reference: whether `add` gets a reference's answers.
            slices: the names of the columns by whose values samples are also counted.
        """
        self.outputs = tuple(outputs)
        self.reference = reference
        self._whole = _Split(self.outputs, reference=reference, whole=True)
        self._whole.places([""])
        self._slices = {
            name: _Split(self.outputs, reference=reference, whole=False) for name in slices
        }

    @property
    def samples(self) -> int:
        """How many samples are counted."""
        return int(self._whole.samples[0])

    def add(
        self,
        outputs: Sequence[NDArray[Any]],
        labels: Sequence[NDArray[Any] | None],
        slices: Mapping[str, Sequence[str]],
        reference: Sequence[NDArray[Any]] | None,
    ) -> None:
        """Count a batch.

        Args:
            outputs: the answers, one for each output, (N, ...).
            labels: for each output: integers (N,) of a class or binary output, 0 and 1 (N, labels)
                of a multilabel one, integers (N, ...) of a segmentation, numbers of the output's
                shape of a regression or raw output; None if they are not known.
            slices: for each column, the value of each sample.
            reference: the answers of another bundle, if the tally counts agreement.

        Raises:
            EvaluationError: answers or labels do not fit the outputs, or a column has too many
                values, or too long ones.
        """
        rows = len(outputs[0])
        if not rows:
            return
        sized = (*outputs, *(each for each in labels if each is not None), *slices.values())
        if any(len(each) != rows for each in sized) or slices.keys() != self._slices.keys():
            raise EvaluationError(
                f"a batch of {rows} samples has not one label and one value for each"
            )
        given: list[Any] = list(zip(self.outputs, outputs, labels, strict=True))
        found = [_OF_KIND[spec.kind].measure(spec, *own) for spec, *own in given]
        if self.reference:
            pairs = zip(self.outputs, outputs, reference or (), strict=True)
            found += [Agreement.measure(spec, own, other) for spec, own, other in pairs]
        texts = {name: list(map(str, values)) for name, values in slices.items()}
        for name, split in self._slices.items():
            split.check(name, set(texts[name]))
        self._whole.count(found, ALL, rows)
        for name, split in self._slices.items():
            split.count(found, Groups.of(split.places(texts[name])), rows)

    def merge(self, other: Tally) -> None:
        """Add the counts of another part of the same evaluation.

        Raises:
            EvaluationError: a column has too many values in all, or it is no part of the same.
        """
        same = self.outputs == other.outputs and self.reference == other.reference
        if not same or self._slices.keys() != other._slices.keys():
            raise EvaluationError("counts of different outputs or slices cannot be added")
        for name, split in self._slices.items():
            split.check(name, set(other._slices[name].values))
        self._whole.merge(other._whole)
        for name, split in self._slices.items():
            split.merge(other._slices[name])

    def to_json(self) -> Any:
        """Return all counts as JSON values; `from_json` reads them back, exactly."""
        return {
            "schema": _SCHEMA,
            "all": self._whole.to_json()[""],
            "slices": {name: split.to_json() for name, split in self._slices.items()},
        }

    @classmethod
    def from_json(
        cls, value: Any, outputs: Sequence[OutputSpec], *, reference: bool, slices: Sequence[str]
    ) -> Tally:
        """Read what `to_json` gave.

        Args:
            value: JSON values, of a file that may be damaged.
            outputs: as the tally was made with.
            reference: the same.
            slices: the same.

        Raises:
            EvaluationError: it is not the counts of such a tally.
        """
        made = cls(outputs, reference=reference, slices=slices)
        if not isinstance(value, dict) or value.keys() != {"schema", "all", "slices"}:
            raise damaged("not the parts of counts")
        if not is_count(value["schema"]) or value["schema"] != _SCHEMA:
            raise damaged("another schema")
        if not isinstance(value["slices"], dict) or value["slices"].keys() != made._slices.keys():
            raise damaged("other slices")
        made._whole.put_json({"": value["all"]})
        for name, split in made._slices.items():
            split.put_json(value["slices"][name])
            if split.samples.sum() != made.samples:
                raise damaged(f"column {name!r}: other samples than in all")
        return made

    def figures(self) -> dict[str, Any]:
        """Return the figures, as JSON values.

        Each kind's `figures` says what they are. One that cannot be had, for lack of labels, say,
        is None.

        Returns:
            `samples`; `outputs`: the figures of each output by its name; `slices`: for each column
            and value, `samples` and `outputs` again, with fewer figures.
        """
        whole = self._whole.figures()[""]
        for spec in self.outputs:
            own = whole["outputs"][spec.name]
            whole["outputs"][spec.name] = {
                "kind": spec.kind,
                "labels": list(spec.labels),
                **own,
            }
        slices = {name: split.figures() for name, split in self._slices.items()}
        return {**whole, "slices": slices}


class _Split:
    """The counts of all outputs for each value of one column, or of all samples as one."""

    def __init__(self, outputs: Sequence[OutputSpec], *, reference: bool, whole: bool) -> None:
        self.values: dict[str, int] = {}  # the place of each
        self._outputs = outputs
        self._sheet = Sheet({"samples": Field(())})
        self._parts = [_OF_KIND[spec.kind](spec, whole=whole) for spec in outputs]
        if reference:
            self._parts += [Agreement(spec, whole=whole) for spec in outputs]

    @property
    def samples(self) -> NDArray[np.int64]:
        """The samples of each value."""
        return self._sheet["samples"]

    def check(self, column: str, values: set[str]) -> None:
        """Refuse values that cannot be counted besides those that are.

        Raises:
            EvaluationError: there would be too many of them, or one is too long.
        """
        longest = max(map(len, values), default=0)
        if longest > MOST_LETTERS:
            raise EvaluationError(
                f"column {column!r} has a value of {longest:,} characters, at most {MOST_LETTERS} "
                "can be counted",
                "choose another column",
            )
        if len(self.values.keys() | values) > MOST_VALUES:
            raise EvaluationError(
                f"column {column!r} has more than {MOST_VALUES:,} values",
                "choose a column with fewer, such as a class or a site",
            )

    def places(self, values: Sequence[str]) -> NDArray[np.intp]:
        """Return the place of each value, after making room for new ones."""
        for value in sorted(set(values) - self.values.keys()):
            self.values[value] = len(self.values)
        for sheet in (self._sheet, *(part.sheet for part in self._parts)):
            sheet.grow(len(self.values))
        return np.fromiter(map(self.values.__getitem__, values), np.intp, len(values))

    def count(self, found: Sequence[Any], groups: Groups, rows: int) -> None:
        """Count a batch of so many samples, as it was measured."""
        self._sheet.count("samples", groups, np.zeros(rows, np.intp))
        for part, measured in zip(self._parts, found, strict=True):
            part.count(measured, groups)

    def merge(self, other: _Split) -> None:
        """Add the counts of another."""
        places = self.places(list(other.values))
        self._sheet.merge(other._sheet, places)
        for part, more in zip(self._parts, other._parts, strict=True):
            part.merge(more, places)

    def to_json(self) -> dict[str, Any]:
        """Return the counts of each value as JSON values."""
        return {
            value: {
                "samples": int(self.samples[place]),
                "outputs": [part.to_json(place) for part in self._parts],
            }
            for value, place in sorted(self.values.items())
        }

    def put_json(self, value: Any) -> None:
        """Put counts as `to_json` gave them.

        Raises:
            EvaluationError: they are not.
        """
        if not isinstance(value, dict) or len(value) > MOST_VALUES:
            raise damaged("no object of counts by value")
        if any(len(name) > MOST_LETTERS for name in value):
            raise damaged("a value that is too long")
        for place, one in zip(self.places(list(value)), value.values(), strict=True):
            if not isinstance(one, dict) or one.keys() != {"samples", "outputs"}:
                raise damaged("other parts than samples and outputs")
            own = one["outputs"]
            if not isinstance(own, list) or len(own) != len(self._parts):
                raise damaged("not the counts of each output")
            if not is_count(one["samples"]):
                raise damaged("samples: no count")
            self.samples[place] = one["samples"]
            for part, counts in zip(self._parts, own, strict=True):
                part.put_json(place, counts)
                if not part.is_sound(place, one["samples"]):
                    raise damaged(f"output {part.spec.name!r}: counts that contradict each other")

    def figures(self) -> dict[str, Any]:
        """Return the figures of each value."""
        return {
            value: {
                "samples": int(self.samples[place]),
                "outputs": {spec.name: self._figures_of(spec, place) for spec in self._outputs},
            }
            for value, place in sorted(self.values.items())
        }

    def _figures_of(self, spec: OutputSpec, place: int) -> dict[str, Any]:
        own = [part for part in self._parts if part.spec.name == spec.name]
        return {name: figure for part in own for name, figure in part.figures(place).items()}
