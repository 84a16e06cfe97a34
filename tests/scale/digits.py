"""Many digits: the test images of MNIST, distorted as training distorts its images, in Parquet.

They are made in .cache/scale/<count>, once:

    shards/part-000.parquet ...   rows in a seeded order, 50,000 a file, 16,667 a row group, zstd,
                                  with the checksum of each page
    same/rows.parquet             the first rows of the first shard again
    same/rows.tfrecord            the same as `tf.train.Example`s
    same/pictures.parquet         the same with encoded pictures, which are prepared as a camera's
    same/pictures/7/00012.png     the same pictures, a folder for each label

A row has `image` (784 bytes), `label` (int64), `distortion` (none; little: what training does;
strong: twice that) and `half` (of the test set: its first 5,000 images are the cleaner ones).
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from lab.steps import locked
from tests.conftest import Tell
from tests.environments import ROOT

TEST_IMAGES = 10_000
SLICES = ("distortion", "half")
GROUP_ROWS = 16_667
SAME_ROWS = 3_000

_CACHE = ROOT / ".cache" / "scale"
_COPIES_A_SHARD = 5  # each has one round of these:
_ROUND = ("none", "little", "strong", "little", "strong")
_SEED = 23
_SAY_EVERY_S = 5.0


class Digits:
    """The digits that were made, by number of images.

    Args:
        folder: what `make` returned.
    """

    def __init__(self, folder: Path) -> None:
        self.shards = sorted((folder / "shards").iterdir())
        self.same = folder / "same"


def make(count: int, tell: Tell) -> Digits:
    """Make `count` digits, or find those made before by the same code.

    Args:
        count: a multiple of 10,000: each test image occurs equally often.
        tell: is called with lines about the progress.
    """
    if count < TEST_IMAGES or count % TEST_IMAGES:
        raise ValueError(f"the number of images must be a multiple of {TEST_IMAGES:,}, got {count}")
    folder = _CACHE / str(count)
    stamp = folder / "made-from"
    with locked(_CACHE / f"{count}.lock"):
        if not (stamp.is_file() and stamp.read_text("ascii") == _made_from()):
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, count // TEST_IMAGES, tell)
            stamp.write_text(_made_from(), "ascii")
    return Digits(folder)


def write(
    table: pa.Table, path: Path, group_rows: int = GROUP_ROWS, page_bytes: int = 1 << 20
) -> None:
    """Write Parquet as the shards are."""
    pq.write_table(
        table,
        path,
        row_group_size=group_rows,
        data_page_size=page_bytes,
        compression="zstd",
        compression_level=1,
        use_dictionary=list(SLICES),
        write_statistics=False,
        write_page_checksum=True,
    )


def _made_from() -> str:
    """Return a digest of what the digits depend on."""
    sources = (
        Path(__file__),
        *(ROOT / "train" / name for name in ("augment.py", "feed.py", "recipes/edge.toml")),
    )
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def _make(folder: Path, copies: int, tell: Tell) -> None:
    (folder / "shards").mkdir(parents=True)
    began = said = time.monotonic()
    distorted = _Distorted()
    for first in range(0, copies, _COPIES_A_SHARD):
        numbers = range(first, min(first + _COPIES_A_SHARD, copies))
        shard = pa.concat_tables([distorted.copy(number) for number in numbers])
        order = np.random.default_rng((_SEED, first)).permutation(len(shard))
        shard = shard.take(order).combine_chunks()
        write(shard, folder / "shards" / f"part-{first // _COPIES_A_SHARD:03}.parquet")
        if not first:
            _write_same(shard.slice(0, SAME_ROWS), folder / "same")
        if (now := time.monotonic()) - said > _SAY_EVERY_S:
            said = now
            done = numbers.stop * TEST_IMAGES
            tell(
                f"{done:,} of {copies * TEST_IMAGES:,} digits, {done / (now - began):,.0f} a second"
            )


class _Distorted:
    """The test images, copy by copy; TensorFlow is imported here, where it is needed."""

    def __init__(self) -> None:
        from train import cookbook, mnist

        self._test = mnist.load().test
        little = cookbook.load("edge").augmentation
        strong = {name: 2 * limit for name, limit in dataclasses.asdict(little).items()}
        self._levels = {"little": little, "strong": dataclasses.replace(little, **strong)}
        halves = np.arange(TEST_IMAGES) // (TEST_IMAGES // 2)
        self._halves = pa.array(np.array(["first", "second"])[halves])

    def copy(self, number: int) -> pa.Table:
        """Distort all test images once more."""
        from train.feed import distorted_copy

        level = _ROUND[number % len(_ROUND)]
        images = self._test.images
        if level != "none":
            images = distorted_copy(self._test, self._levels[level], _SEED, number)
        return pa.table(
            {
                "image": binary(images.reshape(TEST_IMAGES, -1)),
                "label": pa.array(self._test.labels),
                "distortion": pa.array([level] * TEST_IMAGES),
                "half": self._halves,
            }
        )


def binary(rows: NDArray[np.uint8]) -> pa.Array:
    """Return an Arrow array of a binary value for each row.

    Args:
        rows: uint8 (n, size).
    """
    count, size = rows.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(size)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(rows.tobytes())]
    return pa.Array.from_buffers(pa.binary(), count, buffers)


def _write_same(rows: pa.Table, folder: Path) -> None:
    """Write the same rows in all forms that an evaluation reads."""
    import tensorflow as tf

    folder.mkdir()
    write(rows, folder / "rows.parquet")
    pictures = []
    with tf.io.TFRecordWriter(str(folder / "rows.tfrecord")) as file:
        for number, row in enumerate(rows.to_pylist()):
            file.write(_example(row).SerializeToString())
            path = folder / "pictures" / str(row["label"]) / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.frombuffer(row["image"], np.uint8).reshape(28, 28)
            Image.fromarray(pixels).save(path)
            pictures.append(path.read_bytes())
    rows = rows.set_column(0, "image", pa.array(pictures, pa.binary()))
    write(rows, folder / "pictures.parquet")


def _example(row: dict[str, Any]) -> Any:
    """Return a row as a `tf.train.Example`."""
    from tensorflow.train import BytesList, Example, Feature, Features, Int64List

    features = {name: Feature(bytes_list=BytesList(value=[row[name].encode()])) for name in SLICES}
    features["image"] = Feature(bytes_list=BytesList(value=[row["image"]]))
    features["label"] = Feature(int64_list=Int64List(value=[row["label"]]))
    return Example(features=Features(feature=features))
