"""Parquet files: each type of column that is taken, and each bad row with its reason."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from strop.model.images import read_samples
from strop_export.errors import EvaluationError
from strop_export.evaluation.sources import BadRows, parquet, read
from strop_export.evaluation.sources.inputs import samples
from strop_export.evaluation.sources.places import Watched
from tests.unit.export.sources_kit import (
    apart,
    made,
    pixels,
    planned,
    source,
    step,
    table,
    whole,
    write,
)

IMAGES = pixels(10)
TENSOR = pa.fixed_shape_tensor(pa.uint8(), [4, 4])
TURNED = pa.fixed_shape_tensor(pa.uint8(), [4, 4], permutation=[1, 0])


def binary(kind: Any = None) -> Any:
    return pa.array([each.tobytes() for each in IMAGES], kind or pa.binary())


def lists(kind: Any) -> Any:
    return pa.array(IMAGES.reshape(10, 16).tolist(), kind)


def storage(type: Any, values: np.ndarray) -> Any:
    flat = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 16)
    return pa.ExtensionArray.from_storage(type, flat)


def png(levels: np.ndarray, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, format, **({"lossless": True} if format == "WEBP" else {}))
    return file.getvalue()


COLUMNS = {
    "binary": binary(),
    "large binary": binary(pa.large_binary()),
    "binary of one size": binary(pa.binary(16)),
    "binary views": binary(pa.binary_view()),
    "a dictionary": binary().dictionary_encode(),
    "lists": lists(pa.list_(pa.uint8())),
    "large lists": lists(pa.large_list(pa.int64())),
    "lists of one size": lists(pa.list_(pa.uint8(), 16)),
    "lists of whole floats": lists(pa.list_(pa.float64())),
    "nested lists": pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.int32()))),
    "nested lists of one size": pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.uint8(), 4), 4)),
    "tensors": storage(TENSOR, IMAGES),
    "tensors with other axes": storage(TURNED, IMAGES.swapaxes(1, 2).copy()),
    "pictures": pa.array([png(each) for each in IMAGES], pa.binary()),
    "WebP pictures": pa.array([png(each, "WEBP") for each in IMAGES], pa.binary()),
    "pictures with paths": pa.array(
        [{"bytes": png(each), "path": "a.png"} for each in IMAGES],
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    ),
    "raw samples and pictures": pa.array(
        [png(each) if row % 2 else each.tobytes() for row, each in enumerate(IMAGES)], pa.binary()
    ),
}


class TestInputs:
    @pytest.mark.parametrize("kind", COLUMNS)
    def test_samples_are_taken_from(self, kind: str, tmp_path: Path) -> None:
        columns = {"image": COLUMNS[kind], "label": pa.array(np.arange(10) % 3)}
        path = write(tmp_path / "a.parquet", columns, row_group_size=7)
        found = whole(planned(path, made()), made())
        np.testing.assert_array_equal(found.inputs[0], IMAGES)
        np.testing.assert_array_equal(found.labels[0], np.arange(10) % 3)
        assert not found.bad

    @pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "float32", "bool"])
    def test_raw_bytes_are_of_the_input_s_dtype_also_where_arrow_does_not_align_them(
        self, dtype: str, tmp_path: Path
    ) -> None:
        values = (np.arange(20).reshape(10, 2) % 2).astype(dtype)
        column = pa.array([b"x", *(each.tobytes() for each in values)], pa.binary())[1:]
        manifest = made([source(shape=[2], dtype=dtype)])
        path = write(tmp_path / "a.parquet", {"image": column})
        found = whole(planned(path, manifest), manifest)
        np.testing.assert_array_equal(found.inputs[0], values)

    def test_a_vector_may_have_a_column_for_each_value(self, tmp_path: Path) -> None:
        manifest = made([source("features", [3], "float32")])
        columns = {"a": [1, 2], "b": [0.5, 1.5], "c": pa.array([3, 4], pa.float32())}
        path = write(tmp_path / "a.parquet", columns)
        found = whole(planned(path, manifest, inputs={"features": "c, a,b"}), manifest)
        np.testing.assert_array_equal(found.inputs[0], [[3, 1, 0.5], [4, 2, 1.5]])

    @pytest.mark.parametrize("values", [[1.5, 2.5], [[1.5], [2.5]]])
    def test_one_value_is_a_number_or_a_list_of_one(self, values: Any, tmp_path: Path) -> None:
        manifest = made([source("x", [], "float32")])
        path = write(tmp_path / "a.parquet", {"x": values})
        found = whole(planned(path, manifest), manifest)
        np.testing.assert_array_equal(found.inputs[0], [1.5, 2.5])

    def test_several_inputs_go_by_their_names(self, tmp_path: Path) -> None:
        manifest = made([source("left", [2], "float32"), source("right", [], "int64")])
        path = write(tmp_path / "a.parquet", {"right": [7, 8], "left": [[1.0, 2.0], [3.0, 4.0]]})
        found = whole(planned(path, manifest), manifest)
        np.testing.assert_array_equal(found.inputs[0], [[1, 2], [3, 4]])
        np.testing.assert_array_equal(found.inputs[1], [7, 8])

    def test_a_picture_as_long_as_a_raw_sample_is_still_a_picture(self, tmp_path: Path) -> None:
        level = np.full((2, 2), 9, np.uint8)
        content = png(level)
        side = len(content)
        manifest = made(
            [
                source(
                    shape=[1, side],
                    picture={"mode": "L", "steps": [step("resize", width=side, height=1)]},
                )
            ]
        )
        path = write(tmp_path / "a.parquet", {"image": pa.array([content], pa.binary())})
        found = whole(planned(path, manifest), manifest)
        np.testing.assert_array_equal(found.inputs[0], np.full((1, 1, side), 9))

    def test_pictures_are_prepared_by_the_runtime_s_own_steps(self, tmp_path: Path) -> None:
        photo = np.random.default_rng(3).integers(0, 256, (30, 20, 3), np.uint8)
        content = png(photo)
        path = write(tmp_path / "a.parquet", {"image": pa.array([content], pa.binary())})
        found = whole(planned(path, made()), made())
        expected = read_samples(io.BytesIO(content), made().inputs[0])
        np.testing.assert_array_equal(found.inputs[0][0], expected)


FLOATS = [source(shape=[2], dtype="float32")]
BYTES = pa.binary()
BAD_INPUTS = [
    ("null", None, [*binary().to_pylist()[:3], None], BYTES, "null"),
    ("a short one", None, [bytes(16), bytes(15)], BYTES, "not a picture"),
    ("a short one", [source()], [bytes(16), bytes(15)], BYTES, "it has 15 bytes, not 16"),
    ("no picture", None, [png(IMAGES[0]), b"\x89PNG\r\n\x1a\nxxx"], BYTES, "picture"),
    ("a wrong length", [source(shape=[2])], [[1, 2], [3]], pa.list_(pa.uint8()), "1 values, not 2"),
    ("a null", [source(shape=[2])], [[1, 2], [3, None]], pa.list_(pa.uint8()), "null"),
    ("too much", [source(shape=[2])], [[1, 2], [3, 256]], pa.list_(pa.int64()), "256.* 0 to 255"),
    ("too little", [source(shape=[2])], [[1, 2], [-1, 9]], pa.list_(pa.int8()), "-1.* 0 to 255"),
    ("a part", [source(shape=[2])], [[1, 2], [0.5, 9]], pa.list_(pa.float32()), "not whole"),
    ("infinity", [source(shape=[2])], [[1, 2], [np.inf, 9]], pa.list_(pa.float32()), "not whole"),
    ("NaN", FLOATS, [[1, 2], [np.nan, 9]], pa.list_(pa.float32()), "NaN"),
    ("NaN", FLOATS, [bytes(8), b"\xff" * 8], BYTES, "NaN"),
    ("1e39", FLOATS, [[1, 2], [1e39, 9]], pa.list_(pa.float64()), "infinity"),
    ("true", [source(shape=[2], dtype="bool")], [b"\0\1", b"\0\2"], BYTES, "2, .* 0 to 1"),
    ("2**31", [source(shape=[1], dtype="int32")], [[1], [2**31]], pa.list_(pa.int64()), "214748"),
    (
        "2**63",
        [source(shape=[1], dtype="int64")],
        [[1.0], [2.0**63]],
        pa.list_(pa.float64()),
        "92233",
    ),
    (
        "no bytes",
        None,
        [{"bytes": png(IMAGES[0])}, {"bytes": None}, None],
        pa.struct({"bytes": BYTES}),
        "null",
    ),
]


class TestBadRows:
    @pytest.mark.parametrize(
        ("inputs", "values", "kind", "said"),
        [each[1:] for each in BAD_INPUTS],
        ids=[each[0] for each in BAD_INPUTS],
    )
    def test_the_last_ones_are_set_aside(
        self, inputs: Any, values: list[Any], kind: Any, said: str, tmp_path: Path
    ) -> None:
        manifest = made(inputs or ())
        path = write(tmp_path / "a.parquet", {"image": pa.array(values, kind)})
        found = whole(planned(path, manifest), manifest)
        good = 3 if len(values) == 4 else 1
        assert len(found.inputs[0]) == good
        (bad,) = found.bad
        assert bad[:3] == (path, good, len(values) - good)
        assert re.search(said, bad.reason), bad.reason
        assert bad.reason.startswith("column 'image': ")

    def test_a_blank_picture_is_bad(self, tmp_path: Path) -> None:
        steps = [step("shrink", side=64), step("find", above=50), step("resize", width=4, height=4)]
        manifest = made([source(picture={"mode": "L", "steps": steps})])
        blank = np.zeros((9, 9), np.uint8)
        drawn = blank.copy()
        drawn[2:5, 3:6] = 200
        path = write(tmp_path / "a.parquet", {"image": pa.array([png(drawn), png(blank)], BYTES)})
        found = whole(planned(path, manifest), manifest)
        assert [each.row for each in found.bad] == [1]
        assert len(found.inputs[0]) == 1

    def test_those_in_turn_with_one_reason_are_one_entry(self, tmp_path: Path) -> None:
        content: list[bytes | None] = [bytes(16)] * 40
        for row in (3, 4, 5, 17, 39):
            content[row] = None
        content[6] = bytes(3)
        manifest = made([source()])
        path = write(tmp_path / "a.parquet", {"image": pa.array(content, BYTES)})
        found = whole(planned(path, manifest), manifest, batch=40)
        assert [each[1:3] for each in found.bad] == [(3, 3), (6, 1), (17, 1), (39, 1)]

    def test_a_row_is_bad_once_and_leaves_every_array(self, tmp_path: Path) -> None:
        columns = {
            "image": pa.array([*binary().to_pylist()[:5], None], BYTES),
            "label": [0, 1, 7, 1, 0, None],
            "light": ["day", "night", "day", None, "day", "day"],
        }
        path = write(tmp_path / "a.parquet", columns)
        found = whole(planned(path, made(), slices=["light"]), made(), batch=6)
        np.testing.assert_array_equal(found.inputs[0], IMAGES[[0, 1, 3, 4]])
        assert found.labels[0].tolist() == [0, 1, 1, 0]
        assert found.slices == {"light": ["day", "night", "", "day"]}
        assert [(each.row, each.reason) for each in found.bad] == [
            (2, "column 'label': it is 7, and takes 0 to 2"),
            (5, "column 'image': it is null, or holds a null"),
        ]

    def test_a_row_s_number_is_the_one_in_its_file(self, tmp_path: Path) -> None:
        columns = {"image": pa.array([*binary().to_pylist()[:9], None], BYTES)}
        path = write(tmp_path / "a.parquet", columns, row_group_size=3)
        (bad,) = whole(planned(path, made()), made(), batch=2).bad
        assert bad.row == 9


class TestUnits:
    def test_each_row_group_is_one(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", table(10), row_group_size=4)
        units = planned(path, made()).units
        assert [(unit.part, unit.rows, unit.first_row) for unit in units] == [
            (0, 4, 0),
            (1, 4, 4),
            (2, 2, 8),
        ]

    def test_each_is_read_by_itself_and_always_alike(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", table(30), row_group_size=13)
        data = planned(path, made())
        twice = [apart(data.units[1], data, made()) for _ in range(2)]
        assert [len(each.inputs[0]) for each in twice[0][0]] == [4, 4, 4, 1]
        for one, other in zip(twice[0][0], twice[1][0], strict=True):
            np.testing.assert_array_equal(one.inputs[0], other.inputs[0])

    def test_a_large_one_is_read_in_pieces(self, tmp_path: Path) -> None:
        """A process that reads 150,000 rows, 118 MB in one row group, stays far below that."""
        flat = np.zeros((150_000, 784), np.uint8)
        image = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), 784)
        path = tmp_path / "a.parquet"
        write(
            path,
            {"image": image.cast(pa.list_(pa.uint8(), 784))},
            compression="none",
            use_dictionary=False,
        )
        assert path.stat().st_size > 1e8
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, path],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[3],
        )
        assert done.returncode == 0, done.stderr
        rows, more_mib = map(int, done.stdout.split())
        assert rows == 150_000
        assert more_mib < 60  # 25, and 470 if pre-buffered

    def test_samples_that_are_large_come_in_small_batches(self, tmp_path: Path) -> None:
        manifest = made([source(shape=[2**22])])
        content = pa.array([bytes(2**22)] * 40, BYTES)
        path = write(tmp_path / "a.parquet", {"image": content})
        batches, _ = apart(
            planned(path, manifest).units[0], planned(path, manifest), manifest, 1000
        )
        assert [len(each.inputs[0]) for each in batches] == [16, 16, 8]

    def test_a_file_that_has_changed_stops_the_work(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", table(10))
        data = planned(path, made())
        write(tmp_path / "a.parquet", table(11))
        with pytest.raises(EvaluationError, match="a.parquet has changed"):
            whole(data, made())

    def test_a_file_that_is_gone_is_an_error_and_no_bad_row(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", table(10))
        data = planned(path, made())
        Path(path).unlink()
        with pytest.raises(EvaluationError, match="cannot open .*a.parquet"):
            whole(data, made())

    def test_reading_that_fails_is_an_error_and_no_bad_row(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(tmp_path / "a.parquet", table(10))
        data = planned(path, made())

        class Failing(Watched):
            def read_buffer(self, size: int = -1) -> Any:
                return self._tried(_no_answer, size)

        monkeypatch.setattr(parquet, "Watched", Failing)
        with pytest.raises(EvaluationError, match=r"cannot read .*a.parquet: OSError: no answer"):
            whole(data, made())


def _no_answer(_: int) -> bytes:
    raise OSError("no answer")


_MEASURE = r'''
import re, sys
from strop_export.evaluation.sources import read
from tests.unit.export.sources_kit import made, planned, source

def peak():
    """Return the most memory so far, in MiB; getrusage counts the parent's before exec too."""
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) // 1024

manifest = made([source(shape=[28, 28])])
data = planned(sys.argv[1], manifest)
from strop_export.evaluation.sources import parquet  # counted as what was there before
rows, before = 0, peak()
for batch in read(data.units[0], data.columns, manifest, batch=1000):
    rows += len(batch.inputs[0])
print(rows, peak() - before)
'''


class TestSpeed:
    @pytest.mark.parametrize("kind", [pa.binary(), pa.list_(pa.uint8(), 784)])
    def test_plainly_good_rows_are_viewed_where_arrow_has_them(
        self, kind: Any, tmp_path: Path
    ) -> None:
        """No copy: the array lies in the memory of a record batch."""
        flat = np.random.default_rng(0).integers(0, 256, (1000, 784), np.uint8)
        flat[:, 0] = 0
        values = [each.tobytes() for each in flat] if kind == pa.binary() else flat.tolist()
        manifest = made([source(shape=[28, 28])])
        path = write(tmp_path / "a.parquet", {"image": pa.array(values, kind)})
        data = planned(path, manifest)
        (batch,) = [
            each
            for each in read(data.units[0], data.columns, manifest, batch=1000)
            if not isinstance(each, BadRows)
        ]
        array = batch.inputs[0]
        np.testing.assert_array_equal(array, flat.reshape(-1, 28, 28))
        assert not array.flags.owndata

    @pytest.mark.alone
    @pytest.mark.parametrize("kind", [BYTES, pa.binary(784), pa.list_(pa.uint8(), 784)])
    def test_conversion_takes_less_time_than_a_copy(self, kind: Any) -> None:
        flat = np.random.default_rng(0).integers(1, 100, (10_000, 784), np.uint8)
        values = [each.tobytes() for each in flat] if kind in (BYTES, pa.binary(784)) else flat
        column = pa.array(list(values), kind)
        spec = made([source(shape=[28, 28])]).inputs[0]

        def taken(call: Any) -> float:
            start = time.perf_counter()
            call()
            return time.perf_counter() - start

        pairs = [(taken(lambda: samples([column], spec)), taken(flat.copy)) for _ in range(20)]
        assert min(mine for mine, _ in pairs) < min(copy for _, copy in pairs)
