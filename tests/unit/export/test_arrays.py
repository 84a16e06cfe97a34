"""The arrays of an .npz: taken by name, converted to the app's dtypes, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export.errors import SourceError
from strop_export.source.arrays import Wanted, labels_of, read_arrays, samples

FILE = Path("cal.npz")
ONE = [Wanted("input_layer", (4,), "float32")]
TWO = [Wanted("left", (4,), "float32"), Wanted("right", (2,), "int32")]


def array(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


class TestNames:
    def test_the_only_input_s_are_called_inputs(self) -> None:
        found = samples(FILE, {"inputs": array(9, 4), "labels": array(9)}, ONE)
        assert list(found) == ["input_layer"]

    def test_or_by_its_own_name(self) -> None:
        assert samples(FILE, {"input_layer": array(9, 4)}, ONE)["input_layer"].shape == (9, 4)

    def test_those_of_several_are_found_by_name_in_the_model_s_order(self) -> None:
        given = {"right": array(9, 2, dtype=np.int32), "left": array(9, 4), "more": array(1)}
        assert list(samples(FILE, given, TWO)) == ["left", "right"]

    def test_of_unknown_inputs_all_count_but_labels_and_records(self) -> None:
        names = ("a", "labels", "labels.x", "outputs", "b")
        found = samples(FILE, {name: array(9, 4) for name in names}, [])
        assert list(found) == ["a", "b"]

    @pytest.mark.parametrize(
        ("given", "wanted", "said"),
        [
            ({"images": array(9, 4)}, ONE, "cal.npz has no array 'inputs'; it has images"),
            (
                {"left": array(9, 4)},
                TWO,
                r"no array 'right'; .* takes left, right; write it",
            ),
            ({"inputs": array(9, 4)}, TWO, r"numpy.savez\('cal.npz', left=..., right=...\)"),
            ({}, ONE, "it has none"),
            ({"labels": array(9)}, [], "holds no samples; it has labels"),
        ],
    )
    def test_a_missing_one_is_named(self, given: Any, wanted: Any, said: str) -> None:
        with pytest.raises(SourceError, match=said):
            samples(FILE, given, wanted)

    def test_all_are_as_many(self) -> None:
        given = {"left": array(9, 4), "right": array(8, 2, dtype=np.int32)}
        with pytest.raises(SourceError, match="different numbers of samples: left 9, right 8"):
            samples(FILE, given, TWO)


@pytest.mark.parametrize(
    ("given", "model", "found"),
    [
        ("float64", "float32", "float32"),
        ("float16", "float32", "float32"),
        (">f4", "float32", "float32"),
        ("int64", "int32", "int32"),
        ("int64", "float32", "int32"),
        ("int16", "int64", "int64"),
        ("uint16", "float32", "int32"),
        ("int32", "int64", "int64"),
        ("uint8", "float32", "uint8"),
        ("int8", "float32", "int8"),
        ("uint8", "int32", "int32"),
        ("uint8", "uint8", "uint8"),
        ("int64", "uint8", "uint8"),
        ("bool", "bool", "bool"),
        ("bool", "float32", "bool"),
        ("int64", "bool", "bool"),
        ("float64", "", "float32"),
        ("int64", "", "int32"),
    ],
)
def test_numbers_become_what_the_app_gives(given: str, model: str, found: str) -> None:
    taken = samples(FILE, {"x": array(9, 4, dtype=given)}, [Wanted("x", (4,), model)])
    assert taken["x"].dtype == np.dtype(found)
    assert taken["x"].dtype.isnative


@pytest.mark.parametrize(
    ("given", "wanted", "said"),
    [
        (np.full((9, 4), 2**31), "int32", "values 2147483648 to 2147483648 do not fit int32"),
        (np.full((9, 4), 256), "uint8", "do not fit uint8"),
        (np.full((9, 4), 2), "bool", "do not fit bool"),
        (array(9, 4), "int32", "samples are float32, the model takes int32"),
        (array(9, 4), "uint8", "samples are float32, the model takes uint8"),
        (array(9, 4, dtype=np.int8), "uint8", "samples are int8, the model takes uint8"),
        (array(9, 4, dtype=complex), "float32", "inputs are complex128; give what the device"),
        (np.full((9, 4), "a"), "float32", "inputs are <U1; give what"),
        (array(9, 3), "float32", r"shape \(9, 3\), the model takes \(N, 4\)"),
        (array(0, 4), "float32", r"shape \(0, 4\)"),
        (np.array(1.0), "float32", r"shape \(\)"),
        (np.full((9, 4), np.nan), "float32", "NaN or infinity"),
        (np.full((9, 4), 1e300), "float32", "NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_refused(given: np.ndarray, wanted: str, said: str) -> None:
    with pytest.raises(SourceError, match=f"cal.npz: inputs: .*{said}"):
        samples(FILE, {"inputs": given}, [Wanted("x", (4,), wanted)])


def test_any_size_fits_a_free_one() -> None:
    free = [Wanted("x", (None, 3), "float32")]
    assert samples(FILE, {"x": array(9, 7, 3)}, free)["x"].shape == (9, 7, 3)
    with pytest.raises(SourceError, match=r"takes \(N, any, 3\)"):
        samples(FILE, {"x": array(9, 7, 4)}, free)


class TestLabels:
    def of(self, outputs: list[str], **given: np.ndarray) -> list[np.ndarray | None]:
        given = {name.replace("__", "."): value for name, value in given.items()}
        return labels_of(FILE, given, outputs, 9)

    def test_the_only_output_s_are_called_labels(self) -> None:
        (known,) = self.of([""], labels=np.arange(9), inputs=array(9, 4))
        assert known is not None

    def test_those_of_several_have_their_names(self) -> None:
        what, where = self.of(["what", "where"], labels__where=array(9, 2))
        assert what is None
        assert where is not None
        assert where.shape == (9, 2)

    @pytest.mark.parametrize(
        ("outputs", "given", "said"),
        [
            (
                ["a", "b"],
                {"labels": np.arange(9)},
                "labels belong to no output; call them",
            ),
            (["a", "b"], {"labels__c": np.arange(9)}, "labels.c belong to no output"),
            (["a"], {"labels": np.arange(8)}, r"int64 \(8,\); give numbers, one for each of the 9"),
            (["a"], {"labels": np.full(9, "cat")}, r"labels are <U3 \(9,\); give numbers"),
            (["a"], {"labels": np.array(1)}, "give numbers"),
            (["a"], {"labels": np.full(9, np.nan)}, "labels hold NaN or infinity"),
            ([], {"labels": np.arange(8)}, "give numbers, one for each of the 9"),
        ],
    )
    def test_others_are_refused(self, outputs: list[str], given: Any, said: str) -> None:
        with pytest.raises(SourceError, match=said):
            self.of(outputs, **given)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 half", b"what?"])
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(SourceError, match="cannot read arrays") as raised:
        read_arrays(tmp_path / "x.npz")
    assert "\n" not in str(raised.value)


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array(3))
    with pytest.raises(SourceError, match="is a single array; save it with numpy.savez"):
        read_arrays(tmp_path / "x.npy")
