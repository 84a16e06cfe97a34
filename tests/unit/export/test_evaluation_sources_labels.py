"""Labels and slices: what is taken for each kind of output, and what is a bad row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from strop_export.errors import EvaluationError
from tests.unit.export.sources_kit import LABELS, made, output, planned, table, whole, write

CLASS = output("class", [None, 3], labels=LABELS)
BINARY = output("binary", [None, 1], labels=["no", "yes"], threshold=0.5)
MULTI = output("multilabel", [None, 2], labels=["wet", "cold"], threshold=0.25)
PIXELS = output("segmentation", [None, 1, 2, 3], labels=["road", "sky", "tree"])
ONE_CHANNEL = output("segmentation", [None, 1, 2, 1], threshold=0.5)
VALUES = output("regression", [None, 2], range=None)
VALUE = output("regression", [None, 1], range=None)
RAW = output("raw", [None, 2, 2], dtype="int32")


def found(kind: Any, values: Any, type: Any, folder: Path) -> Any:
    """Labels of as many rows as there are values, and the bad ones."""
    manifest = made((), [kind])
    columns = {"image": table(len(values))["image"], "label": pa.array(values, type)}
    path = write(folder / "a.parquet", columns)
    return whole(planned(path, manifest), manifest)


TEXTS = pa.list_(pa.string())
GOOD = [
    (CLASS, [0, 2], pa.uint8(), [0, 2]),
    (CLASS, [0, 2], pa.float32(), [0, 2]),
    (CLASS, ["star", "circle"], pa.string(), [2, 0]),
    (CLASS, ["star", "circle"], pa.large_string(), [2, 0]),
    (CLASS, ["star", "circle"], pa.string_view(), [2, 0]),
    (CLASS, [b"star", b"circle"], pa.binary(), [2, 0]),
    (CLASS, ["star", "star"], pa.dictionary(pa.int8(), pa.string()), [2, 2]),
    (CLASS, [[0], [2]], pa.list_(pa.int64()), [0, 2]),
    (CLASS, [["star"], ["circle"]], TEXTS, [2, 0]),
    (CLASS, [[0, 0, 1], [0, 1, 0]], pa.list_(pa.float32()), [2, 1]),
    (BINARY, [0, 1], pa.int8(), [0, 1]),
    (BINARY, [False, True], pa.bool_(), [0, 1]),
    (BINARY, ["yes", "no"], pa.string(), [1, 0]),
    (MULTI, [[0, 1], [0, 0]], pa.list_(pa.int8()), [[0, 1], [0, 0]]),
    (MULTI, [[False, True], [True, True]], pa.list_(pa.bool_(), 2), [[0, 1], [1, 1]]),
    (MULTI, [["cold"], [], ["wet", "cold"]], TEXTS, [[0, 1], [0, 0], [1, 1]]),
    (PIXELS, [[[0, 2]], [[1, 1]]], pa.list_(pa.list_(pa.uint8())), [[[0, 2]], [[1, 1]]]),
    (PIXELS, [[0, 2], [1, 1]], pa.list_(pa.int64()), [[[0, 2]], [[1, 1]]]),
    (PIXELS, [b"\0\2", b"\1\1"], pa.binary(), [[[0, 2]], [[1, 1]]]),
    (ONE_CHANNEL, [b"\0\1", b"\1\1"], pa.binary(2), [[[0, 1]], [[1, 1]]]),
    (VALUES, [[0.5, 1], [2, 3]], pa.list_(pa.float64()), [[0.5, 1], [2, 3]]),
    (VALUE, [0.5, 2], pa.float32(), [[0.5], [2]]),
    (VALUE, [5, 2], pa.int64(), [[5], [2]]),
    (RAW, [[[1, 2], [3, 4]]], pa.list_(pa.list_(pa.int32())), [[[1, 2], [3, 4]]]),
]


@pytest.mark.parametrize(("kind", "values", "type", "expected"), GOOD)
def test_labels_take_the_form_of_their_kind(
    kind: Any, values: Any, type: Any, expected: Any, tmp_path: Path
) -> None:
    rows = found(kind, values, type, tmp_path)
    (labels,) = rows.labels
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == (np.float64 if kind["kind"] in ("regression", "raw") else np.int64)
    assert not rows.bad


BAD = [
    (CLASS, [0, 3], pa.int64(), "it is 3, and takes 0 to 2"),
    (CLASS, [0, -1], pa.int64(), "it is -1, and takes 0 to 2"),
    (CLASS, [0, None], pa.int64(), "it is null"),
    (CLASS, [0, 0.5], pa.float32(), "not whole"),
    (CLASS, [0, 2**64 - 1], pa.uint64(), "18446744073709551615"),
    (CLASS, ["star", "stern"], pa.string(), "'stern' is none of the output's labels"),
    (CLASS, ["star", None], pa.string(), "it is null"),
    (CLASS, ["star", "1"], pa.string(), "'1' is none"),
    (CLASS, [b"star", b"\xff\x1b" + b"x" * 99], pa.binary(), r"'.\\x1bx{38}' is none"),
    (CLASS, [[0], [0, 1]], pa.list_(pa.int64()), "it holds 2 values, not 3"),
    (CLASS, [[0, 0, 1], [0, 1, 1]], pa.list_(pa.int64()), "not one-hot"),
    (CLASS, [[0, 0, 1], [-1, 1, 1]], pa.list_(pa.int64()), "not one-hot"),
    (CLASS, [[0], None], pa.list_(pa.int64()), "it is null"),
    (BINARY, [0, 2], pa.int64(), "it is 2, and takes 0 to 1"),
    (BINARY, ["no", "maybe"], pa.string(), "'maybe' is none"),
    (MULTI, [[0, 1], [0, 2]], pa.list_(pa.int8()), "it is 2, and takes 0 to 1"),
    (MULTI, [[0, 1], [1]], pa.list_(pa.int8()), "it holds 1 values, not 2"),
    (MULTI, [["cold"], ["dry"]], TEXTS, "'dry' is none"),
    (MULTI, [["cold"], None], TEXTS, "it is null"),
    (MULTI, [["cold"], [None]], TEXTS, "it is null"),
    (PIXELS, [b"\0\2", b"\0\3"], pa.binary(), "it is 3, and takes 0 to 2"),
    (PIXELS, [b"\0\2", b"\0"], pa.binary(), "it has 1 bytes, not 2"),
    (VALUES, [[0.5, 1], [np.nan, 1]], pa.list_(pa.float64()), "NaN"),
    (VALUES, [[0.5, 1], [0.5]], pa.list_(pa.float64()), "it holds 1 values, not 2"),
]


@pytest.mark.parametrize(("kind", "values", "type", "said"), BAD)
def test_the_second_row_is_bad(
    kind: Any, values: Any, type: Any, said: str, tmp_path: Path
) -> None:
    rows = found(kind, values, type, tmp_path)
    assert len(rows.labels[0]) == 1
    (bad,) = rows.bad
    assert bad.row == 1
    with pytest.raises(ValueError, match=said):
        raise ValueError(bad.reason)


@pytest.mark.parametrize(
    ("kind", "type", "said"),
    [
        (CLASS, pa.date32(), "it is date32"),
        (CLASS, pa.struct({"a": pa.int8()}), "not numbers"),
        (output("class", [None, 3]), pa.string(), "the output's classes have no names"),
        (MULTI, pa.string(), "write lists of texts"),
        (MULTI, pa.int64(), r"cannot have the shape \(2,\)"),
        (PIXELS, pa.int64(), r"cannot have the shape \(1, 2\)"),
        (VALUES, pa.string(), "not numbers"),
        (VALUES, pa.list_(pa.float64(), 3), r"cannot have the shape \(2,\)"),
    ],
)
def test_types_that_cannot_be_labels_are_refused_before_any_work(
    kind: Any, type: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match=f"'label' cannot be the labels of .*{said}"):
        found(kind, [None], type, tmp_path)


class TestSlices:
    @pytest.mark.parametrize(
        ("values", "type", "expected"),
        [
            (["day", None, "dé"], pa.string(), ["day", "", "dé"]),
            (["day", None, "day"], pa.dictionary(pa.int8(), pa.string()), ["day", "", "day"]),
            ([b"day", None], pa.binary(), ["day", ""]),
            ([3, None], pa.int8(), ["3", ""]),
            ([True, False], pa.bool_(), ["true", "false"]),
            ([0.5, 2], pa.float64(), ["0.5", "2"]),
            ([["day"], None], TEXTS, ["day", ""]),
        ],
    )
    def test_each_row_has_a_text(
        self, values: Any, type: Any, expected: list[str], tmp_path: Path
    ) -> None:
        columns = {"image": table(len(values))["image"], "slice": pa.array(values, type)}
        path = write(tmp_path / "a.parquet", columns)
        rows = whole(planned(path, made(), slices=["slice", "slice"]), made())
        assert rows.slices == {"slice": expected}

    @pytest.mark.parametrize(
        ("values", "type", "said"),
        [
            ([b"day", b"\xff"], pa.binary(), "not a text in UTF-8"),
            (["day", "d" * 201], pa.string(), "more than 200 characters"),
            ([["day"], []], TEXTS, "it holds 0 values, not 1"),
        ],
    )
    def test_a_row_without_a_sound_one_is_bad(
        self, values: Any, type: Any, said: str, tmp_path: Path
    ) -> None:
        columns = {"image": table(2)["image"], "slice": pa.array(values, type)}
        path = write(tmp_path / "a.parquet", columns)
        rows = whole(planned(path, made(), slices=["slice"]), made())
        assert rows.slices == {"slice": ["day"]}
        (bad,) = rows.bad
        assert bad.row == 1
        assert said in bad.reason

    def test_text_that_arrow_did_not_check_is_bad(self, tmp_path: Path) -> None:
        broken = pa.array([b"day", b"\xff\xfe"], pa.binary()).view(pa.string())
        path = write(tmp_path / "a.parquet", {"image": table(2)["image"], "slice": broken})
        rows = whole(planned(path, made(), slices=["slice"]), made())
        assert [each.row for each in rows.bad] == [1]
