"""Numbers of JSON become a tensor of the input's dtype, or an error that says what was found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strop.bundle.manifest import InputSpec
from strop.errors import InputError
from strop.serve.inference import parse_object
from strop.serve.tensors import DATATYPES, from_json

SHAPE = (2, 3)


def _spec(dtype: str) -> InputSpec:
    return InputSpec("x", (None, 3), dtype, None, ())


@pytest.mark.parametrize("dtype", DATATYPES)
def test_flat_and_nested_give_the_same(dtype: str) -> None:
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        wanted = np.array([[0, 1, low], [high, 2, 3]], kind)
    else:
        wanted = np.array([[0, 1, 1], [1, 0, 0]], kind)
    for data in (wanted.tolist(), wanted.ravel().tolist()):
        made = from_json(data, SHAPE, _spec(dtype))
        assert made.dtype == kind
        np.testing.assert_array_equal(made, wanted)


def test_whole_numbers_are_numbers_of_a_float_input() -> None:
    made = from_json([1, 0.5, -2, 3, 1e30, 2**60], SHAPE, _spec("float32"))
    np.testing.assert_array_equal(made, np.array([[1, 0.5, -2], [3, 1e30, 2**60]], np.float32))


@pytest.mark.parametrize("dtype", [name for name in DATATYPES if name not in ("bool", "float32")])
@pytest.mark.parametrize("beyond", [-1, 1])
def test_an_integer_beyond_the_dtype_is_refused(dtype: str, beyond: int) -> None:
    limits = np.iinfo(dtype)
    number = limits.min - 1 if beyond < 0 else limits.max + 1
    with pytest.raises(InputError) as refused:
        from_json([0, 0, 0, 0, 0, number], SHAPE, _spec(dtype))
    assert f"{limits.min} to {limits.max}" in str(refused.value)


@pytest.mark.parametrize(
    ("dtype", "data", "found"),
    [
        ("uint8", [0, 1, 2, 3, 4, True], "true and false"),
        ("uint8", [0, 1, 2, 3, 4, 5.0], "fractions"),
        ("int64", [0, 1, 2, 3, 4, "5"], "texts"),
        ("float32", [0, 1, 2, 3, 4, None], "null"),
        ("float32", [0, 1, 2, 3, 4, {}], "objects"),
        ("float32", [0, 1, 2, 3, 4, [5]], "lists"),
        ("float32", [True] * 6, "true and false"),
        ("bool", [0, 1, 0, 1, 0, 1], "numbers"),
        ("float32", [[0, 1, 2], [3, 4, [5]]], "lists"),
    ],
)
def test_other_values_are_refused_by_name(dtype: str, data: Any, found: str) -> None:
    with pytest.raises(InputError) as refused:
        from_json(data, SHAPE, _spec(dtype))
    assert str(refused.value).endswith(f"got {found}")


@pytest.mark.parametrize(
    "data",
    [
        [],
        [1] * 5,
        [[1, 2], [3, 4], [5, 6]],
        [[1, 2, 3]],
        [[1, 2, 3], [4, 5]],
        [[1, 2, 3], 4],
        [[[1, 2, 3], [4, 5, 6]]],
        [[1, 2, 3], {"a": 1, "b": 2, "c": 3}],
    ],
)
def test_another_count_or_nesting_is_refused(data: Any) -> None:
    with pytest.raises(InputError) as refused:
        from_json(data, SHAPE, _spec("float32"))
    assert "6 numbers" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"[" * 100_000,
        b'"\xff"',
        b'"\\ud800"',
        b"{'a': 1}",
        b"1" * 10_000,
    ],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(InputError):
        parse_object(text)
