"""Files, each converted once and judged once on the held-out samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Judged
from strop_export.errors import ConversionError, SourceError
from strop_export.figures import by_column, rmse, spread
from strop_export.formats import Converted, VariantSpec
from strop_export.formats.base import Ranked
from strop_export.metric import Measured
from strop_export.proof.prove import Truth, judge_all
from strop_export.tolerances import Tolerance

T = TypeVar("T")


class Maker(Protocol):
    """The part of a converter that the guard uses."""

    def convert(self, spec: VariantSpec) -> Converted:
        """Write a file."""

    def answers(self, spec: VariantSpec) -> tuple[NDArray[Any], ...]:
        """Return a file's answers to the held-out samples, (N, ...) for each output."""

    def ranking(self, spec: VariantSpec) -> tuple[Ranked, ...]:
        """Return the layers by the error that each causes alone, the worst first."""


@dataclass(frozen=True)
class Sizes:
    """The numbers of samples: those that calibrate, and those held out."""

    calibrating: int
    held_out: int


@dataclass(frozen=True)
class Verdict:
    """How a file did on the held-out samples; if it held, on those that calibrate too.

    A few samples miss a fault by luck. Those that calibrate cannot show values outside of the
    ranges, but they show the errors of rounding as well as others do.

    Attributes:
        samples: the number of samples that judged it.
        outputs: its figures, by output.
        faults: by output, the bounds that it misses.
        error: the mean error of a column, as a share of the column's spread; of the worst output.
        measured: its figures by the user's own metric; None without one, or if it fails.
        below: why it does not hold by the metric; "" if it does.
    """

    samples: int
    outputs: tuple[Judged, ...]
    faults: tuple[tuple[str, ...], ...]
    error: float
    measured: Measured | None
    below: str


class Trials:
    """The files of one model, converted and judged as they are asked for."""

    def __init__(
        self, maker: Maker, truth: Truth, tolerances: Mapping[str, Tolerance], sizes: Sizes
    ) -> None:
        """Prepare for trials.

        Args:
            maker: writes and runs the files.
            truth: Keras's answers to the held-out samples, then to those that calibrate, and
                their labels.
            tolerances: precision -> its tolerance.
            sizes: the numbers of samples.
        """
        self.converted: dict[VariantSpec, Converted | ConversionError] = {}
        self.sizes = sizes
        self._truth = truth
        self._held_out = truth.first(sizes.held_out)
        self._maker = maker
        self._tolerances = tolerances
        self._verdicts: dict[VariantSpec, Verdict | ConversionError] = {}
        self._rankings: dict[VariantSpec, tuple[Ranked, ...] | ConversionError] = {}

    def convert(self, spec: VariantSpec) -> Converted:
        """Return a file.

        Raises:
            ConversionError: it cannot be written.
        """
        if spec not in self.converted:
            self.converted[spec] = _caught(self._convert, spec)
        return _or_raise(self.converted[spec])

    def judge(self, spec: VariantSpec) -> Verdict:
        """Judge a file on the held-out samples, and on the others if it holds on these.

        Raises:
            ConversionError: it cannot be run.
        """
        if spec not in self._verdicts:
            self._verdicts[spec] = _caught(self._judge, spec)
        return _or_raise(self._verdicts[spec])

    def ranking(self, spec: VariantSpec) -> tuple[Ranked, ...]:
        """Return the layers by the error that each causes alone, the worst first.

        Raises:
            ConversionError: the layers cannot be quantized one by one.
        """
        if spec not in self._rankings:
            self._rankings[spec] = _caught(self._maker.ranking, spec)
        return _or_raise(self._rankings[spec])

    def _convert(self, spec: VariantSpec) -> Converted:
        if spec.source != spec:
            self.convert(spec.source)  # what cannot be written is not tried twice
        return self._maker.convert(spec)

    def _judge(self, spec: VariantSpec) -> Verdict:
        answers = self._maker.answers(spec)
        tolerance = self._tolerances[spec.precision].of(spec)
        error = max(_error(*pair) for pair in zip(answers, self._truth.keras, strict=True))
        for truth in (self._held_out, self._truth):
            some = [array[: truth.samples] for array in answers]
            found = judge_all(some, truth, tolerance, few=True)
            outputs, faults = zip(*found, strict=True)
            measured, below = _measured(some, outputs, truth)
            if any(faults) or below:
                break
        return Verdict(truth.samples, outputs, tuple(map(tuple, faults)), error, measured, below)


def _measured(
    answers: Sequence[NDArray[Any]], judged: Sequence[Judged], truth: Truth
) -> tuple[Measured | None, str]:
    """Measure a file by the user's own metric, and say why it does not hold."""
    if not all(output.figures for output in judged):
        return None, ""  # of another shape, or not finite
    try:
        measured = truth.measure(answers)
    except SourceError as error:
        return None, error.problem
    return measured, measured.fault if measured else ""


def _caught(work: Callable[[VariantSpec], T], spec: VariantSpec) -> T | ConversionError:
    try:
        return work(spec)
    except ConversionError as error:
        return error


def _or_raise(found: T | ConversionError) -> T:
    if isinstance(found, ConversionError):
        raise found
    return found


def _error(ours: NDArray[Any], keras: NDArray[Any]) -> float:
    """Return the mean error of a column, as a share of its spread; infinity for other shapes."""
    if ours.shape != keras.shape or not np.isfinite(ours).all():
        return float("inf")
    mine, theirs = by_column(ours), by_column(keras)
    return float((rmse(mine, theirs) / spread(theirs)).mean())
