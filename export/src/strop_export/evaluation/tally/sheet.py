"""The counts of one output: named arrays with a row for each group of samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import EvaluationError
from strop_export.evaluation.tally import exact
from strop_export.evaluation.tally.groups import Groups

COUNT: Final = "count"  # int64, which add up
SUM: Final = "sum"  # exact sums, Python integers, which add up
LARGEST: Final = "largest"  # float64, of which the largest stays; -inf: none yet

MOST: Final = 2**58  # of a count; two of them add up in int64
_DTYPES: Final = {COUNT: np.dtype(np.int64), SUM: np.dtype(object), LARGEST: np.dtype(np.float64)}
_EMPTY: Final = {COUNT: 0, SUM: 0, LARGEST: -math.inf}


class Field(NamedTuple):
    """The shape of an array for one group, and what is in it."""

    shape: tuple[int, ...]
    holds: str = COUNT


class Sheet:
    """Named arrays, each (groups, *shape of its field)."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = fields
        self._arrays = {name: _empty(field, 0) for name, field in fields.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def grow(self, groups: int) -> None:
        """Make room for so many groups in all; what is new is empty."""
        for name, array in self._arrays.items():
            if groups > len(array):
                more = _empty(self.fields[name], groups - len(array))
                self._arrays[name] = np.concatenate([array, more])

    def add(self, name: str, groups: Groups, found: NDArray[Any]) -> None:
        """Add what a batch has, (groups of the batch, values of the field)."""
        array = self._arrays[name]
        found = found.reshape(-1, *array.shape[1:])
        places: Any = groups.places
        if len(places) == 1:  # a view is faster
            places = slice(places[0], places[0] + 1)
        if self.fields[name].holds == LARGEST:
            array[places] = np.maximum(array[places], found)
        else:
            array[places] += found

    def count(
        self,
        name: str,
        groups: Groups,
        cells: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> None:
        """Count cells, or add up the weights of each; see `Groups.count`."""
        size = math.prod(self.fields[name].shape)
        self.add(name, groups, groups.count(cells, size, weights))

    def merge(self, other: Sheet, places: NDArray[np.intp]) -> None:
        """Add another sheet, whose groups have these places here.

        Raises:
            EvaluationError: a count is more than int64 may hold.
        """
        groups = Groups(places, None)
        for name, field in self.fields.items():
            self.add(name, groups, other[name])
            if field.holds == COUNT and (self[name] > MOST).any():
                raise damaged(f"{name}: more than 2**58")

    def to_json(self, group: int) -> dict[str, list[Any]]:
        """Return a group's values; a negative number stands for so many zeros."""
        return {
            name: _WRITERS[field.holds](self[name][group].ravel().tolist())
            for name, field in self.fields.items()
        }

    def put_json(self, group: int, value: Any) -> None:
        """Put a group's values as `to_json` gave them.

        Raises:
            EvaluationError: they are not.
        """
        if not isinstance(value, dict) or value.keys() != self.fields.keys():
            raise damaged("other counts than this output has")
        for name, field in self.fields.items():
            found = _READERS[field.holds](value[name], math.prod(field.shape))
            if found is None:
                raise damaged(f"{name}: not {math.prod(field.shape)} values as they are written")
            self[name][group] = np.array(found, _DTYPES[field.holds]).reshape(field.shape)


def damaged(what: str) -> EvaluationError:
    """Return the error for a record that is not what was written."""
    return EvaluationError(f"the counts of an evaluation are damaged: {what}", "start it afresh")


def is_count(value: Any) -> bool:
    """Tell whether a value is a count of 0 to `MOST`."""
    return type(value) is int and 0 <= value <= MOST


def _empty(field: Field, groups: int) -> NDArray[Any]:
    return np.full((groups, *field.shape), _EMPTY[field.holds], _DTYPES[field.holds])


def _write_counts(counts: Sequence[int]) -> list[int]:
    made: list[int] = []
    for count in counts:
        if count:
            made.append(count)
        elif made and made[-1] < 0:
            made[-1] -= 1
        else:
            made.append(-1)
    return made


def _read_counts(value: Any, size: int) -> list[int] | None:
    if not isinstance(value, list) or len(value) > size:
        return None
    made: list[int] = []
    for item in value:
        if type(item) is not int or not -size <= item <= MOST or item == 0:
            return None
        made += [item] if item > 0 else [0] * -item
        if len(made) > size:
            return None
    return made if len(made) == size and _write_counts(made) == value else None


def _read_sums(value: Any, size: int) -> list[int] | None:
    made = [exact.read(item) for item in value] if isinstance(value, list) else []
    sound = [item for item in made if item is not None]
    return sound if len(sound) == len(made) == size else None


def _write_largest(values: Sequence[float]) -> list[float | None]:
    return [None if value == -math.inf else value for value in values]


def _read_largest(value: Any, size: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != size:
        return None
    made = [-math.inf if item is None else item for item in value]
    known = [item for item in value if item is not None]
    return made if all(type(item) is float and math.isfinite(item) for item in known) else None


_WRITERS: Final[Mapping[str, Callable[[Sequence[Any]], list[Any]]]] = {
    COUNT: _write_counts,
    SUM: lambda sums: [exact.written(total) for total in sums],
    LARGEST: _write_largest,
}
_READERS: Final[Mapping[str, Callable[[Any, int], Sequence[Any] | None]]] = {
    COUNT: _read_counts,
    SUM: _read_sums,
    LARGEST: _read_largest,
}
