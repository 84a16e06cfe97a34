"""The dtypes that an input takes, and the fix for any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from strop.errors import InputError
from tests import bundles
from tests.unit.runtime import doubles

WHOLE = np.arange(10).reshape(2, 5)


def _model(dtype: str, range: list[float] | None = None) -> tuple[strop.Model, doubles.SpySession]:
    """A model of five values of a dtype, and its session."""
    draft = bundles.vector()
    draft.content["inputs"][0].update(dtype=dtype, range=range)
    draft.variant["inputs"][0]["dtype"] = dtype
    session = doubles.SpySession(lambda samples: np.zeros((len(samples), 2)))
    return doubles.model(draft, session), session


def _refusal(model: strop.Model, inputs: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        model.predict(inputs)
    return caught.value


class TestFloats:
    @pytest.mark.parametrize(
        ("kind", "range", "mend"),
        [
            ("uint8", [0, 1], "give x.astype(np.float32) / 255"),
            ("uint8", [0.1, 0.9], "give x.astype(np.float32) / 255"),
            ("uint8", [-1, 1], "give x.astype(np.float32) / 127.5 - 1"),
            ("uint8", [-0.5, 0.5], "give x.astype(np.float32) / 127.5 - 1"),
            ("uint8", [0, 255], "give x.astype(np.float32); it was proven on values of 0..255"),
            ("int64", [0, 1], "give x.astype(np.float32); it was proven on values of 0..1"),
            ("bool", [0, 1], "give x.astype(np.float32); it was proven on values of 0..1"),
            ("uint8", None, "give x.astype(np.float32), scaled as in training"),
        ],
    )
    def test_an_array_of_integers_is_refused_with_its_scale(
        self, kind: str, range: list[float] | None, mend: str
    ) -> None:
        error = _refusal(_model("float32", range)[0], WHOLE.astype(kind))
        assert f"got {kind} (2, 5)" in error.problem
        assert error.mend == mend

    def test_a_row_written_in_python_is_taken(self) -> None:
        model, session = _model("float32")
        model.predict([1, 2, 3, 4, 5])
        model.predict([[1, 2.5, 3, 4, 5]])
        assert [call.dtype for call in session.calls] == ["float32"] * 2
        assert _refusal(model, [True] * 5).mend.startswith("give np.asarray(x)")
        _refusal(model, [np.zeros(5, np.uint8)])


class TestIntegers:
    @pytest.mark.parametrize("dtype", ["int32", "int64"])
    @pytest.mark.parametrize("kind", ["int8", "uint8", "int32", ">i4", "int64", "uint64", "q"])
    def test_any_integers_that_fit_are_taken(self, dtype: str, kind: str) -> None:
        model, session = _model(dtype)
        model.predict(WHOLE.astype(kind))
        model.predict(WHOLE.tolist())
        for call in session.calls:
            assert call.dtype == dtype
            np.testing.assert_array_equal(call, WHOLE)

    @pytest.mark.parametrize(
        ("dtype", "value"), [("int32", 2**31), ("int32", -(2**31) - 1), ("int64", 2**63)]
    )
    def test_those_that_do_not_are_refused(self, dtype: str, value: int) -> None:
        array: NDArray[Any] = np.array([[0, 0, 0, 0, value]], np.uint64 if value > 0 else np.int64)
        error = _refusal(_model(dtype)[0], array)
        assert f"{value}" in error.problem
        assert error.mend.startswith("give whole numbers of -")

    @pytest.mark.parametrize("kind", ["float32", "bool"])
    def test_other_numbers_are_refused(self, kind: str) -> None:
        error = _refusal(_model("int32")[0], WHOLE.astype(kind))
        assert error.mend == "give whole numbers, x.astype(np.int32)"

    def test_nan_in_the_answer_is_refused(self) -> None:
        draft = bundles.vector()
        draft.content["inputs"][0]["dtype"] = "int32"
        session = doubles.SpySession(lambda samples: np.full((len(samples), 2), np.nan))
        with pytest.raises(InputError, match="gives NaN for values of up to 9"):
            doubles.model(draft, session).predict(WHOLE)


class TestExact:
    @pytest.mark.parametrize(
        ("dtype", "kind", "mend"),
        [
            ("bool", "uint8", "give x.astype(bool)"),
            ("bool", "float32", ""),
            ("int8", "uint8", ""),
            ("int8", "float32", ""),
            ("uint8", "int64", "give raw pixels, x.astype(np.uint8)"),
        ],
    )
    def test_another_dtype_is_refused(self, dtype: str, kind: str, mend: str) -> None:
        model, session = _model(dtype)
        model.predict(WHOLE.astype(dtype))
        assert session.calls[0].dtype == dtype
        assert _refusal(model, WHOLE.astype(kind)).mend == mend


class TestNoAxis:
    """Samples that are single values."""

    @pytest.mark.parametrize("inputs", [np.float32(3), 3.5, 3, np.array([3.0]), [3.0, 4.0]])
    def test_a_value_and_a_row_of_values(self, inputs: Any) -> None:
        draft = bundles.vector()
        draft.content["inputs"][0]["shape"] = draft.variant["inputs"][0]["shape"] = [None]
        session = doubles.SpySession(lambda samples: np.zeros((len(samples), 2)))
        model = doubles.model(draft, session)
        assert model.predict(inputs).shape == (np.size(inputs), 2)
        assert session.calls[0].shape == (np.size(inputs),)
        assert "of shape (N,) or ()" in _refusal(model, np.zeros((2, 1))).problem
