"""The counts of an output of values: a regression, or a raw output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.errors import EvaluationError
from strop_export.evaluation.tally import exact
from strop_export.evaluation.tally.groups import Groups
from strop_export.evaluation.tally.part import Part, check_outputs
from strop_export.evaluation.tally.sheet import LARGEST, SUM, Field
from strop_export.figures import columns

MOST_COLUMNS: Final = 64  # more are taken together

_UNKNOWN, _KNOWN, _BAD_OUTPUT, _BAD_LABEL = range(4)  # states of a value
_OUTPUT, _OUTPUT_SQUARED, _ERROR, _ABS_ERROR, _ERROR_SQUARED, _LABEL, _LABEL_SQUARED = range(7)
_SUMS: Final = 7
_OF_OUTPUTS: Final = 2  # the first sums, which need no labels
_FIRST_TERMS: Final = (0, 1, 3, 4, 5, 6, 7)  # of each sum: squares that must be exact have two


class Measured(NamedTuple):
    """What is counted of a batch: rows are samples, or values if columns are taken together."""

    states: NDArray[np.int64]  # (rows, columns)
    terms: NDArray[np.float64]  # of the sums, (rows, terms, columns)
    largest: NDArray[np.float64]  # output, -output, size of the error: (rows, 3, columns)


class Values(Part[Measured]):
    """The counts of each column of values: of the outputs, and of their errors."""

    name = "values"

    def __init__(self, spec: OutputSpec, *, whole: bool) -> None:
        size = math.prod(axis or 1 for axis in spec.shape[1:])
        self.columns, self.of_sample = (size, 1) if size <= MOST_COLUMNS else (1, size)
        super().__init__(spec, whole=whole)

    def fields(self) -> Mapping[str, Field]:
        """Return the fields of the sheet."""
        return {
            "states": Field((self.columns, 4)),
            "sums": Field((_SUMS, self.columns), SUM),
            "largest": Field((3, self.columns), LARGEST),
        }

    @staticmethod
    def measure(spec: OutputSpec, outputs: NDArray[Any], labels: NDArray[Any] | None) -> Measured:
        """Look at a batch.

        A value or label that is not finite, or more than `exact.LARGEST` in size, is counted as
        such and is in no sum.

        Args:
            spec: the output.
            outputs: (N, ...).
            labels: numbers of the same shape, or None.

        Raises:
            EvaluationError: they do not fit the output.
        """
        check_outputs(spec, outputs)
        if labels is not None and labels.shape != outputs.shape:
            raise EvaluationError(
                f"labels of output {spec.name!r} are {labels.dtype} {labels.shape}",
                f"give numbers {outputs.shape}",
            )
        own, truth = columns(outputs), None if labels is None else columns(labels)
        if own.shape[1] > MOST_COLUMNS:
            own, truth = own.reshape(-1, 1), None if truth is None else truth.reshape(-1, 1)
        good = np.abs(own) <= exact.LARGEST
        own = np.where(good, own, 0.0)
        terms = [own, *exact.squares(own)]
        largest = [np.where(good, own, -np.inf), np.where(good, -own, -np.inf)]
        if truth is None:
            states = np.where(good, _UNKNOWN, _BAD_OUTPUT)
            largest.append(np.full_like(own, -np.inf))
        else:
            told = np.abs(truth) <= exact.LARGEST
            known = good & told
            states = np.where(good, np.where(told, _KNOWN, _BAD_LABEL), _BAD_OUTPUT)
            truth = np.where(known, truth, 0.0)
            error = np.where(known, own - truth, 0.0)
            size = np.abs(error)
            terms += [error, size, error * error, truth, *exact.squares(truth)]
            largest.append(np.where(known, size, -np.inf))
        return Measured(states, np.stack(terms, axis=1), np.stack(largest, axis=1))

    def count(self, found: Measured, groups: Groups) -> None:
        """Count a batch."""
        every = groups.repeated(self.of_sample)
        cells = np.arange(self.columns) * 4 + found.states
        self.sheet.count("states", every.repeated(self.columns), cells.ravel())
        rows, terms, width = found.terms.shape
        sums = exact.sums(found.terms.reshape(rows, -1), every).reshape(-1, terms, width)
        firsts = [first for first in _FIRST_TERMS if first < terms]
        sums = np.add.reduceat(sums, firsts, axis=1)
        missing = np.zeros((len(sums), _SUMS - len(firsts), width), object)
        self.sheet.add("sums", every, np.concatenate([sums, missing], axis=1))
        self.sheet.add("largest", every, every.largest(found.largest.reshape(rows, -1)))

    def is_sound(self, group: int, samples: int) -> bool:
        """Tell whether a group's counts agree with each other and with the number of samples."""
        states = self.sheet["states"][group]
        known = states[:, _KNOWN]
        outputs = known + states[:, _UNKNOWN] + states[:, _BAD_LABEL]
        there = np.isfinite(self.sheet["largest"][group])
        return bool(
            (states.sum(axis=1) == samples * self.of_sample).all()
            and (there == (np.stack([outputs, outputs, known]) > 0)).all()
        )

    def figures(self, group: int) -> dict[str, Any]:
        """Return the figures of a group: lists, with a figure for each column.

        Columns are taken together, as one, if there are more than `MOST_COLUMNS`. `bias` is the
        mean error, `r2` the coefficient of determination; it is None where labels do not vary.
        """
        each = [self._of_column(group, column) for column in range(self.columns)]
        states = self.sheet["states"][group].sum(axis=0).tolist()
        return {
            "values": sum(states),
            "labelled": states[_KNOWN],
            "not_finite": states[_BAD_OUTPUT],
            "labels_not_finite": states[_BAD_LABEL],
            **{name: [one[name] for one in each] for name in each[0]},
        }

    def _of_column(self, group: int, column: int) -> dict[str, float | None]:
        states = self.sheet["states"][group, column].tolist()
        sums = [exact.fraction(total) for total in self.sheet["sums"][group, :, column]]
        highest, lowest, worst = self.sheet["largest"][group, :, column].tolist()
        outputs = states[_UNKNOWN] + states[_KNOWN] + states[_BAD_LABEL]
        known = states[_KNOWN]
        squared = _mean(sums[_ERROR_SQUARED], known)
        varied = _variance(sums[_LABEL], sums[_LABEL_SQUARED], known)
        r2 = None if squared is None or not varied else float(1 - squared / varied)
        return {
            "mean": _float(_mean(sums[_OUTPUT], outputs)),
            "std": _root(_variance(sums[_OUTPUT], sums[_OUTPUT_SQUARED], outputs)),
            "lowest": -lowest if outputs else None,
            "highest": highest if outputs else None,
            "label_std": _root(varied),
            "bias": _float(_mean(sums[_ERROR], known)),
            "mae": _float(_mean(sums[_ABS_ERROR], known)),
            "rmse": _root(squared),
            "largest_error": worst if known else None,
            "r2": r2,
        }


def _mean(total: Fraction, count: int) -> Fraction | None:
    return total / count if count else None


def _variance(total: Fraction, squared: Fraction, count: int) -> Fraction | None:
    """Return the mean square distance from the mean; what underflow left below 0 is 0."""
    return max(squared / count - (total / count) ** 2, Fraction(0)) if count else None


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _root(value: Fraction | None) -> float | None:
    return None if value is None else math.sqrt(value)
