"""The rows of a run by who they are of, in the order in which they were measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks.results import STROP, Results, Row

OTHERS = "other packages"  # the group of those whose engine Strop does not wrap


@dataclass
class Subject:
    """Strop or a peer, in one way to call it and at one precision."""

    name: str
    kind: str
    engine: str
    precision: str
    rows: list[Row] = field(default_factory=list)

    @property
    def is_strop(self) -> bool:
        return self.kind == STROP

    @property
    def way(self) -> str:
        """The name without the precision: "LiteRT set_tensor"."""
        return self.name.removesuffix(f" {self.precision}")

    @property
    def package(self) -> tuple[str, str]:
        """What its ways to call have in common: "Keras" of "Keras predict"."""
        return self.kind, self.engine or self.way.partition(" ")[0]

    @property
    def group(self) -> str:
        return self.engine or OTHERS

    def row(self, axis: str, batch: int | None = None) -> Row | None:
        """The figure on an axis, at any batch if none is given; None where there is none."""
        for row in self.rows:
            if row.axis == axis and batch in (None, row.batch) and row.value is not None:
                return row
        return None

    def value(self, axis: str, batch: int | None = None) -> float | None:
        row = self.row(axis, batch)
        return row.value if row else None

    def by_batch(self, axis: str) -> dict[int, float]:
        """batch -> figure, ascending."""
        pairs = ((row.batch, row.value) for row in self.rows if row.axis == axis)
        return dict(sorted((b, v) for b, v in pairs if b is not None and v is not None))


def subjects(results: Results) -> list[Subject]:
    """Everybody in a run who has a figure, growth apart: its models are others."""
    found: dict[str, Subject] = {}
    for row in results.rows:
        if row.axis != "growth" and row.value is not None:
            one = Subject(row.subject, row.kind, row.engine, row.precision)
            found.setdefault(row.subject, one).rows.append(row)
    return list(found.values())


def absent(results: Results) -> Iterator[tuple[str, str]]:
    """(who, why) for everybody or everything that could not be measured; a reason once.

    Who cannot be had at all is named alone; who lacks one figure, with what that is of.
    """
    present = {one.name for one in subjects(results)}
    reasons: dict[str, dict[str, None]] = {}
    for row in results.rows:
        if row.absent:
            lacking = f" ({_axis(row)})" if row.subject in present else ""
            reasons.setdefault(row.absent, {})[row.subject + lacking] = None
    for why, who in reasons.items():
        yield "; ".join(who), why


def _axis(row: Row) -> str:
    batch = f" of {row.batch:,}" if row.batch else ""
    return row.axis.replace("_", " ") + batch


def groups(some: Iterable[Subject]) -> dict[str, list[Subject]]:
    """By the engine whose raw loops they are, or other packages, which come last."""
    found: dict[str, list[Subject]] = {}
    for one in some:
        found.setdefault(one.group, []).append(one)
    last = found.pop(OTHERS, None)
    return found if last is None else {**found, OTHERS: last}
