"""The rows of a run by subject, in the order in which they were measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks.results import STROP, Results, Row

OTHERS = "other packages"  # the group of subjects whose engine Strop does not wrap


@dataclass
class Subject:
    """Strop or a peer, with one loop and one precision."""

    name: str
    kind: str
    engine: str
    precision: str
    rows: list[Row] = field(default_factory=list)

    @property
    def is_strop(self) -> bool:
        """True for Strop, False for a peer."""
        return self.kind == STROP

    @property
    def way(self) -> str:
        """The name without the precision, such as "LiteRT set_tensor" or "Strop native dense"."""
        return self.name.replace(f" {self.precision}", "") if self.precision else self.name

    @property
    def is_usual(self) -> bool:
        """True unless it runs other images than the test set, or is held to older instructions."""
        return self.name.endswith(self.precision)

    @property
    def package(self) -> tuple[str, str]:
        """A key that all ways to call a package share, such as "Keras" of "Keras predict"."""
        return self.kind, self.engine or self.way.partition(" ")[0]

    @property
    def group(self) -> str:
        """The engine, or `OTHERS` if Strop does not wrap it."""
        return self.engine or OTHERS

    def row(self, axis: str, batch: int | None = None) -> Row | None:
        """Return the row of an axis.

        Args:
            axis: a key of `UNITS`.
            batch: images per call; None takes the first row at any batch.

        Returns:
            The row, or None if there is no figure.
        """
        for row in self.rows:
            if row.axis == axis and batch in (None, row.batch) and row.value is not None:
                return row
        return None

    def value(self, axis: str, batch: int | None = None) -> float | None:
        """Return the figure on an axis, in the unit of `UNITS`; None if there is none.

        Args:
            axis: a key of `UNITS`.
            batch: images per call; None takes the first row at any batch.
        """
        row = self.row(axis, batch)
        return row.value if row else None

    def by_batch(self, axis: str) -> dict[int, float]:
        """Return batch -> figure on an axis, ascending."""
        pairs = ((row.batch, row.value) for row in self.rows if row.axis == axis)
        return dict(sorted((b, v) for b, v in pairs if b is not None and v is not None))


def subjects(results: Results) -> list[Subject]:
    """Return every subject of a run that has a figure on an axis.

    Growth and convolutions do not count: they use other models. Nor does counting: it is no time of
    a subject, but a difference.
    """
    found: dict[str, Subject] = {}
    for row in results.rows:
        if row.axis not in ("growth", "convolutions", "counting") and row.value is not None:
            one = Subject(row.subject, row.kind, row.engine, row.precision)
            found.setdefault(row.subject, one).rows.append(row)
    return list(found.values())


def absent(results: Results) -> Iterator[tuple[str, str]]:
    """Return (subjects, reason) for all that could not be measured, each reason once.

    A subject without any figure is named alone; one that lacks a figure is named with it.
    """
    present = {one.name for one in subjects(results)}
    reasons: dict[str, dict[str, list[Row]]] = {}
    for row in results.rows:
        if row.absent:
            reasons.setdefault(row.absent, {}).setdefault(row.subject, []).append(row)
    for why, who in reasons.items():
        named = (
            f"{subject} ({_axes(rows)})" if subject in present else subject
            for subject, rows in who.items()
        )
        yield "; ".join(named), why


def _axes(rows: Iterable[Row]) -> str:
    """Name the axes of rows, or their networks, each with the range of its batches."""
    batches: dict[str, list[int]] = {}
    for row in rows:
        batches.setdefault(row.network or row.axis, []).extend([row.batch] if row.batch else [])
    return ", ".join(map(_axis, batches, batches.values()))


def _axis(axis: str, batches: list[int]) -> str:
    ends = dict.fromkeys([min(batches), max(batches)]) if batches else ()
    sizes = " to ".join(f"{batch:,}" for batch in ends)
    return axis.replace("_", " ") + (f" of {sizes}" if sizes else "")


def groups(some: Iterable[Subject]) -> dict[str, list[Subject]]:
    """Group subjects by the engine of their raw loops; other packages come last."""
    found: dict[str, list[Subject]] = {}
    for one in some:
        found.setdefault(one.group, []).append(one)
    last = found.pop(OTHERS, None)
    return found if last is None else {**found, OTHERS: last}
