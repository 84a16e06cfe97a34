"""The groups that a batch's rows belong to: all in one, or one for each value of a column."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_VALUES: Final = 2**29  # of one count with weights below 2**24: float64 adds them exactly


class Groups:
    """The group of each row of a batch.

    Attributes:
        places: the places of the groups that have rows here, in the counts of all groups.
        of_rows: for each row, an index into `places`; None: all rows are of the one group.
    """

    def __init__(self, places: NDArray[np.intp], of_rows: NDArray[np.intp] | None) -> None:
        self.places = places
        self.of_rows = of_rows

    @classmethod
    def of(cls, codes: NDArray[np.intp]) -> Groups:
        """Return the groups of rows that each have the place of a group."""
        places, of_rows = np.unique(codes, return_inverse=True)
        return cls(places, of_rows)

    def repeated(self, times: int) -> Groups:
        """Return the groups of the values, where each row has so many values."""
        if self.of_rows is None or times == 1:
            return self
        return Groups(self.places, np.repeat(self.of_rows, times))

    def count(
        self, cells: NDArray[Any], size: int, weights: NDArray[Any] | None = None
    ) -> NDArray[np.int64]:
        """Count how often each cell occurs, or add up the weights of each.

        Args:
            cells: integers of 0..size-1, (rows,).
            size: the number of cells.
            weights: whole numbers of 0..2**24, (rows,), of at most `MOST_VALUES` rows; None: 1
                each.

        Returns:
            int64 (groups here, size).
        """
        if self.of_rows is not None:
            cells = self.of_rows * size + cells
        total = len(self.places) * size
        counts = np.bincount(cells, weights, total)
        return np.asarray(counts, np.int64).reshape(-1, size)

    def ordered(self, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """Return rows with those of a group side by side, and the group of each."""
        if self.of_rows is None:
            return values, np.zeros(len(values), np.intp)
        order = np.argsort(self.of_rows, kind="stable")
        return values[order], self.of_rows[order]

    def largest(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest value of each column and group.

        Args:
            values: (rows, columns), at least one row.

        Returns:
            (groups here, columns).
        """
        rows, owners = self.ordered(values)
        return np.asarray(np.maximum.reduceat(rows, starts(owners), axis=0))


ALL: Final = Groups(np.zeros(1, np.intp), None)


def starts(owners: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where the rows of each group start, in rows with those of a group side by side."""
    return np.concatenate([[0], np.flatnonzero(owners[1:] != owners[:-1]) + 1])
