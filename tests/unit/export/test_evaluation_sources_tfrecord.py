"""TFRecord files, as TensorFlow writes them: framing, features, and damage."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest

from strop_export.errors import EvaluationError
from strop_export.evaluation.sources import framing
from strop_export.evaluation.sources.examples import _example
from strop_export.evaluation.sources.framing import Broken, frames
from tests.unit.export.sources_kit import made, output, pixels, planned, source, whole

IMAGES = pixels(10)
ROOT = Path(__file__).parents[3]

# TensorFlow writes the files in a process of its own.
_WRITE = """
import json, sys, numpy as np, tensorflow as tf
images, folder = np.load(sys.argv[1]), sys.argv[2]
names = [b"circle", b"square", b"star"]
feature = tf.train.Feature

def bytes_(*values): return feature(bytes_list=tf.train.BytesList(value=values))
def ints(*values): return feature(int64_list=tf.train.Int64List(value=values))
def floats(*values): return feature(float_list=tf.train.FloatList(value=values))

def write(name, rows, options=None):
    with tf.io.TFRecordWriter(f"{folder}/{name}", options) as file:
        for row in rows:
            example = tf.train.Example(features=tf.train.Features(feature=row))
            file.write(example.SerializeToString())

raw = [{"image": bytes_(each.tobytes()), "label": ints(i % 3)} for i, each in enumerate(images)]
write("raw.tfrecord", raw)
write("zipped.tfrecord.gz", raw, "GZIP")
write("ints.tfrecords", [
    {"image": ints(*map(int, each.reshape(-1))), "label": bytes_(names[i % 3])}
    for i, each in enumerate(images)
])
write("floats.tfrecord", [
    {"image": floats(*map(float, each.reshape(-1))), "label": floats(i % 3)}
    for i, each in enumerate(images)
])
write("pictures.tfrecord", [
    {"image": bytes_(tf.io.encode_png(each[..., None]).numpy()), "label": ints(i % 3)}
    for i, each in enumerate(images)
])
write("odd.tfrecord", [
    {"image": bytes_(images[0].tobytes()), "label": ints(0), "light": bytes_(b"day")},
    {"label": ints(0)},
    {"image": bytes_(images[2].tobytes()), "label": ints(2)},
    {"image": ints(3), "label": ints(0)},
    {"image": bytes_(b"a", b"b"), "label": ints(0)},
    {"image": feature(), "label": ints(0)},
    {"image": bytes_(images[6].tobytes()), "label": ints(3)},
    {"image": bytes_(images[7].tobytes()), "label": ints(1), "light": bytes_(b"night")},
])
write("empty.tfrecord", [])

def described(kind):
    return {
        field.name: [
            field.number,
            field.type,
            field.is_repeated,
            field.containing_oneof.name if field.containing_oneof else None,
            described(field.message_type) if field.message_type else None,
        ]
        for field in kind.fields
    }

with open(f"{folder}/messages.json", "w") as file:
    json.dump(described(tf.train.Example.DESCRIPTOR), file)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("records")
    np.save(made / "images.npy", IMAGES)
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, made / "images.npy", made],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return made


def framed(data: bytes) -> bytes:
    """A record of our own, by the format's definition."""

    def masked(part: bytes) -> bytes:
        crc: int = google_crc32c.value(part)
        return (((crc >> 15) | (crc << 17)) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")

    length = len(data).to_bytes(8, "little")
    return length + masked(length) + data + masked(data)


class TestFiles:
    @pytest.mark.parametrize(
        "name",
        [
            "raw.tfrecord",
            "zipped.tfrecord.gz",
            "ints.tfrecords",
            "floats.tfrecord",
            "pictures.tfrecord",
        ],
    )
    def test_those_of_tensorflow_are_read(self, name: str, folder: Path) -> None:
        found = whole(planned(folder / name, made()), made())
        np.testing.assert_array_equal(found.inputs[0], IMAGES)
        assert found.labels[0].tolist() == [row % 3 for row in range(10)]
        assert not found.bad

    def test_a_unit_is_a_file_of_unknown_rows(self, folder: Path) -> None:
        (unit,) = planned(folder / "raw.tfrecord", made()).units
        assert unit == ("tfrecord", str(folder / "raw.tfrecord"), 0, None, (), 0)

    def test_an_empty_file_has_no_rows(self, folder: Path) -> None:
        paths = [str(folder / name) for name in ("empty.tfrecord", "raw.tfrecord")]
        data = planned(paths, made())
        assert len(data.units) == 2
        assert len(whole(data, made()).inputs[0]) == 10

    def test_features_may_differ_from_record_to_record(self, folder: Path) -> None:
        """What lacks is null; another kind, or another number of values, is bad."""
        data = planned(folder / "odd.tfrecord", made(), slices=["light"])
        found = whole(data, made(), batch=3)
        np.testing.assert_array_equal(found.inputs[0], IMAGES[[0, 2, 7]])
        assert found.slices == {"light": ["day", "", "night"]}
        assert {each.row: each.reason for each in found.bad} == {
            1: "column 'image': it is null, or holds a null",
            3: "column 'image': it is int64_list, and earlier ones bytes_list",
            4: "column 'image': it holds 2 values, not 1",
            5: "column 'image': it is null, or holds a null",
            6: "column 'label': it is 3, and takes 0 to 2",
        }

    def test_float_features_are_a_float_input(self, folder: Path) -> None:
        manifest = made([source(dtype="float32")])
        found = whole(planned(folder / "floats.tfrecord", manifest), manifest)
        np.testing.assert_array_equal(found.inputs[0], IMAGES.astype(np.float32))

    def test_a_file_without_the_column_is_named(self, folder: Path) -> None:
        paths = [str(folder / name) for name in ("odd.tfrecord", "raw.tfrecord")]
        with pytest.raises(EvaluationError, match="raw.tfrecord has no column 'light', which .*od"):
            planned(paths, made(), slices=["light"])

    def test_files_of_other_kinds_of_features_are_named(self, folder: Path) -> None:
        paths = [str(folder / name) for name in ("ints.tfrecords", "raw.tfrecord")]
        with pytest.raises(
            EvaluationError, match="column 'image' is large_list.*raw.tfrecord, and"
        ):
            planned(paths, made())

    def test_outputs_of_any_kind_have_labels(self, folder: Path) -> None:
        manifest = made((), [output("regression", [None, 1], range=None)])
        found = whole(planned(folder / "floats.tfrecord", manifest), manifest)
        np.testing.assert_array_equal(found.labels[0][:, 0], np.arange(10) % 3)


def damaged(folder: Path, change: Any, name: str = "raw.tfrecord") -> Any:
    content = bytearray((folder / name).read_bytes())
    content = change(content) or content
    path = folder / f"changed-{name}"
    path.write_bytes(content)
    data = planned(path, made())
    return data if data.bad else whole(data, made())


RECORD = 65  # bytes of each record of raw.tfrecord with its frame


class TestDamage:
    def test_records_have_the_length_that_these_tests_assume(self, folder: Path) -> None:
        content = (folder / "raw.tfrecord").read_bytes()
        lengths = {len(each) for each in frames(io.BytesIO(content))}
        assert len(content) == 10 * RECORD
        assert lengths == {RECORD - 16}

    def test_a_record_that_fails_its_checksum_is_one_bad_row(self, folder: Path) -> None:
        def change(content: bytearray) -> None:
            content[3 * RECORD + 30] ^= 1

        found = damaged(folder, change)
        np.testing.assert_array_equal(found.inputs[0], np.delete(IMAGES, 3, axis=0))
        assert [each[1:] for each in found.bad] == [(3, 1, "the record fails its checksum")]

    @pytest.mark.parametrize("place", range(12))
    def test_a_damaged_length_ends_the_file(self, place: int, folder: Path) -> None:
        def change(content: bytearray) -> None:
            content[3 * RECORD + place] ^= 0x81

        found = damaged(folder, change)
        np.testing.assert_array_equal(found.inputs[0], IMAGES[:3])
        said = "the length of a record fails its checksum"
        assert [each[1:] for each in found.bad] == [(3, None, said)]

    @pytest.mark.parametrize("end", [3 * RECORD + 1, 3 * RECORD + 12, 4 * RECORD - 1])
    def test_a_file_that_is_cut_ends_there(self, end: int, folder: Path) -> None:
        found = damaged(folder, lambda content: content[:end])
        np.testing.assert_array_equal(found.inputs[0], IMAGES[:3])
        (bad,) = found.bad
        assert bad[1:3] == (3, None)
        assert bad.reason.startswith("the file ends within ")

    def test_a_file_cut_between_records_is_a_shorter_file(self, folder: Path) -> None:
        assert not damaged(folder, lambda content: content[: 4 * RECORD]).bad

    def test_bytes_that_are_no_example_are_a_bad_row(self, folder: Path) -> None:
        found = damaged(folder, lambda content: content + framed(b"\xff\xff") + framed(b""))
        assert len(found.inputs[0]) == 10
        assert [each[1:] for each in found.bad] == [
            (10, 1, "the record is no tf.train.Example"),
            (11, 1, "column 'image': it is null, or holds a null"),
        ]

    def test_planning_looks_past_records_that_are_bad(self, folder: Path) -> None:
        def change(content: bytearray) -> bytes:
            return framed(b"\xff\xff") * 5 + content

        found = damaged(folder, change)
        assert len(found.inputs[0]) == 10
        assert [each[1:3] for each in found.bad] == [(0, 4), (4, 1)]  # batches of four

    def test_a_file_that_starts_with_anything_else_is_set_aside(self, folder: Path) -> None:
        (folder / "changed.tfrecord").write_bytes(b"not a record at all")
        paths = [str(folder / name) for name in ("changed.tfrecord", "raw.tfrecord")]
        data = planned(paths, made())
        assert [each[1:] for each in data.bad] == [
            (0, None, "the length of a record fails its checksum")
        ]
        assert [Path(unit.path).name for unit in data.units] == ["raw.tfrecord"]

    def test_a_large_record_is_passed_over(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(framing, "MAX_RECORD_BYTES", 60)
        monkeypatch.setattr(framing, "_PIECE", 7)
        found = damaged(folder, lambda content: content + framed(bytes(100)) + content[:RECORD])
        assert len(found.inputs[0]) == 11
        assert [each[1:] for each in found.bad] == [
            (10, 1, "the record has 100 bytes, more than 60")
        ]

    def test_a_length_beyond_all_memory_takes_none(self) -> None:
        header = (2**60).to_bytes(8, "little")
        crc = google_crc32c.value(header)
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        stream = io.BytesIO(header + masked.to_bytes(4, "little") + bytes(99))
        with pytest.raises(Broken, match="the file ends within a record"):
            list(frames(stream))

    @pytest.mark.parametrize(
        ("level", "end", "least"), [(1, -1, 1900), (1, -9, 1900), (0, -90000, 600)]
    )
    def test_a_compressed_file_that_is_cut_ends_there(
        self, level: int, end: int, least: int, folder: Path
    ) -> None:
        """Without the last 64 KiB, perhaps, that are decompressed at once."""
        content = (folder / "raw.tfrecord").read_bytes() * 300
        zipped = gzip.compress(content, level)
        found = damaged(folder, lambda _: zipped[:end], "zipped.tfrecord.gz")
        (bad,) = found.bad
        assert bad.count is None
        assert "decompressed" in bad.reason
        assert 3000 > bad.row >= least
        expected = np.concatenate([IMAGES] * 300)[: bad.row]
        np.testing.assert_array_equal(found.inputs[0], expected)

    def test_a_compressed_file_with_a_wrong_byte_ends_there(self, folder: Path) -> None:
        content = (folder / "raw.tfrecord").read_bytes() * 300
        stored = bytearray(gzip.compress(content, 0))  # not deflated: a flip hits one record
        stored[30 * RECORD] ^= 1
        found = damaged(folder, lambda _: stored, "zipped.tfrecord.gz")
        assert [each.count for each in found.bad] == [1, None]  # the record; gzip's own checksum
        assert found.bad[1].row - 1 == len(found.inputs[0])

    def test_a_bomb_of_gzip_takes_little_memory(self, tmp_path: Path) -> None:
        """A record of 4 GB of zeros is 4 MB of gzip, and is passed over in pieces."""
        size = 2**32
        header = size.to_bytes(8, "little")
        crc = google_crc32c.value(header)
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        path = tmp_path / "bomb.tfrecord.gz"
        with gzip.open(path, "wb", 1) as file:
            file.write(framed(b"\xff"))
            file.write(header + masked.to_bytes(4, "little"))
            for _ in range(2**6):
                file.write(bytes(2**20))
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, path], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) < 30


_MEASURE = r'''
import re, sys
from strop_export.evaluation.sources import tfrecord

def peak():
    """Return the most memory so far, in MiB; getrusage counts the parent's before exec too."""
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) // 1024

before = peak()
(records, broken), = tfrecord._pieces(sys.argv[1], 1000)
assert len(records) == 1 and broken == "the file ends within a record", broken
print(peak() - before)
'''


def test_our_description_of_the_messages_is_tensorflow_s(folder: Path) -> None:
    theirs = json.loads((folder / "messages.json").read_text())
    assert described(_example().DESCRIPTOR) == theirs


def described(kind: Any) -> Any:
    """The fields of a message, and of those in it."""
    return {
        field.name: [
            field.number,
            field.type,
            field.is_repeated,
            field.containing_oneof.name if field.containing_oneof else None,
            described(field.message_type) if field.message_type else None,
        ]
        for field in kind.fields
    }
