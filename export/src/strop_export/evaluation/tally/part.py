"""What all kinds of outputs share: a sheet of counts, and how answers and labels are taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.errors import EvaluationError
from strop_export.evaluation.tally.groups import Groups
from strop_export.evaluation.tally.sheet import Field, Sheet
from strop_export.figures import decisions
from strop_export.rules import proportion

DENSE: Final = 200  # classes; counts of more by class are kept for all samples alone
RANKED: Final = 100  # classes or labels; with more there is no AUC
TOO_MANY: Final = f"more than {RANKED} classes"

Measured = TypeVar("Measured")


class Part(ABC, Generic[Measured]):
    """Some counts of one output, for each group of samples.

    `measure` looks at a batch once, and refuses what cannot be counted. `count` then counts it, for
    all samples and for each column of slices.

    Attributes:
        spec: the output.
        whole: the counts are of all samples; those of slices leave out the large ones.
        sheet: the counts.
    """

    name: ClassVar[str]  # in the record

    def __init__(self, spec: OutputSpec, *, whole: bool) -> None:
        self.spec = spec
        self.whole = whole
        self.sheet = Sheet(self.fields())

    @abstractmethod
    def fields(self) -> Mapping[str, Field]:
        """Return the fields of the sheet."""

    @staticmethod
    @abstractmethod
    def measure(spec: OutputSpec, outputs: NDArray[Any], known: Any, /) -> Measured:
        """Look at a batch.

        Args:
            spec: the output.
            outputs: the answers, (N, ...).
            known: what they are compared with: labels or None, or a reference's answers.

        Raises:
            EvaluationError: they do not fit the output.
        """

    @abstractmethod
    def count(self, found: Measured, groups: Groups) -> None:
        """Count a batch.

        Args:
            found: from `measure`.
            groups: the group of each sample.
        """

    @abstractmethod
    def figures(self, group: int) -> dict[str, Any]:
        """Return the figures of a group, by name, as JSON values."""

    @abstractmethod
    def is_sound(self, group: int, samples: int) -> bool:
        """Tell whether a group's counts agree with each other and with the number of samples."""

    def merge(self, other: Part[Measured], places: NDArray[np.intp]) -> None:
        """Add the counts of another part of the same output, whose groups have these places."""
        self.sheet.merge(other.sheet, places)

    def to_json(self, group: int) -> Any:
        """Return a group's counts as JSON values."""
        return self.sheet.to_json(group)

    def put_json(self, group: int, value: Any) -> None:
        """Put a group's counts as `to_json` gave them.

        Raises:
            EvaluationError: they are not.
        """
        self.sheet.put_json(group, value)


def classes_of(spec: OutputSpec) -> int:
    """Return the number of classes that an output decides between; two by a threshold."""
    return columns_of(spec) if spec.threshold is None else 2


def columns_of(spec: OutputSpec) -> int:
    """Return the size of an output's last axis."""
    return (spec.shape[-1] or 1) if len(spec.shape) > 1 else 1


def answers(spec: OutputSpec, outputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return what a batch decides, and its values with 0 for those of no answer.

    An answer with NaN or infinity is none. Its decision is the number of classes, one past the
    last.

    Args:
        spec: the output, of one of the kinds that decide.
        outputs: (N, ...).
    """
    sound = np.isfinite(outputs)
    if sound.all():
        return outputs, decisions(spec, outputs)
    if spec.kind in ("class", "segmentation"):
        sound = sound.all(axis=-1, keepdims=True)
    clean = np.where(sound, outputs, 0)
    found = decisions(spec, clean)
    found[~sound.reshape(found.shape)] = classes_of(spec)
    return clean, found


def checked_labels(
    spec: OutputSpec, labels: NDArray[Any] | None, shape: tuple[int, ...], classes: int
) -> NDArray[np.int64] | None:
    """Return labels of classes, or None, if they can be labels of an output.

    Args:
        spec: the output.
        labels: integers, or None.
        shape: their shape.
        classes: how many classes there are.

    Raises:
        EvaluationError: they have another shape, or a class that is not there.
    """
    if labels is None:
        return None
    if labels.shape != shape or labels.dtype.kind not in "iub":
        raise EvaluationError(
            f"labels of output {spec.name!r} are {labels.dtype} {labels.shape}",
            f"give integers {shape}",
        )
    found = labels.astype(np.int64)
    if found.size and not 0 <= found.min() <= found.max() < classes:
        raise EvaluationError(
            f"labels of output {spec.name!r} are from {found.min()} to {found.max()}",
            f"give classes from 0 to {classes - 1}",
        )
    return found


def check_outputs(spec: OutputSpec, outputs: NDArray[Any]) -> None:
    """Refuse answers of another shape than the output's.

    Raises:
        EvaluationError: they are.
    """
    if outputs.shape[1:] != spec.shape[1:] or outputs.ndim != len(spec.shape):
        raise EvaluationError(
            f"output {spec.name!r} gives {outputs.shape}, and its shape is {spec.shape}"
        )


def limits(count: int, total: int) -> list[float] | None:
    """Return the exact 95 % interval of a share; None of nothing."""
    if not total:
        return None
    found = proportion(count, total)
    return [found.low, found.high]


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return probabilities of logits, in float64."""
    size = np.exp(-np.abs(logits.astype(np.float64)))
    return np.asarray(np.where(logits < 0, size / (1 + size), 1 / (1 + size)))


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probabilities of the logits of the last axis, in float64."""
    found = logits.astype(np.float64)
    found -= found.max(axis=-1, keepdims=True)
    np.exp(found, out=found)
    found /= found.sum(axis=-1, keepdims=True)
    return found
