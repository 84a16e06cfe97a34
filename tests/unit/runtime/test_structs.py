"""Classes of fields: their values, refusals and comparison."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from strop.bundle.structs import Struct


class Point(Struct):
    x: int
    y: int = 0


class Other(Struct):
    x: int
    y: int = 0


class Holder(Struct):
    value: Any


def test_fields_are_taken_by_place_and_by_name() -> None:
    assert (Point(1, 2).x, Point(1, 2).y) == (1, 2)
    assert Point(1, y=2) == Point(y=2, x=1) == Point(1, 2)
    assert Point(1).y == 0


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((), {"y": 1}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2})],
)
def test_a_field_missing_unknown_or_given_twice_is_refused(
    values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="Point takes x, y; got"):
        Point(*values, **named)


def test_equal_are_those_of_one_class_and_value() -> None:
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != Other(1, 2)
    assert Point(1, 2) != (1, 2)
    assert len({Point(1), Point(1, 0), Point(2)}) == 2


def test_they_cannot_be_changed() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError, match=r"Point\.x cannot be changed"):
        point.x = 2
    with pytest.raises(AttributeError, match=r"Point\.x cannot be deleted"):
        del point.x
    assert point._replace(y=5) == Point(1, 5)
    assert point == Point(1)


def test_they_say_what_they_hold_in_the_order_of_their_fields() -> None:
    assert repr(Point(y=2, x=1)) == "Point(x=1, y=2)"
    assert list(Point(y=2, x=1)._asdict()) == ["x", "y"]


def test_they_survive_pickle_and_copies() -> None:
    nested = Holder(Holder({"a": [1]}))
    for same in (pickle.loads(pickle.dumps(nested)), copy.deepcopy(nested), copy.copy(nested)):
        assert same == nested
        assert same is not nested


def test_what_holds_something_that_has_no_hash_has_none() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Holder({}))


def test_a_class_of_fields_is_no_base() -> None:
    """A subclass would not have the base's fields, although type checkers think so."""
    with pytest.raises(TypeError, match="More must derive from Struct, and from nothing else"):
        type("More", (Point,), {"__annotations__": {"z": int}})
