"""Data in a store: Arrow's own S3 client, against a server on this machine."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from strop_export.errors import EvaluationError
from tests.unit.export import s3
from tests.unit.export.s3 import Store
from tests.unit.export.sources_kit import made, pixels, planned, table, whole
from tests.unit.export.test_evaluation_sources_tfrecord import framed


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "EC2_METADATA_DISABLED"):
        monkeypatch.setenv(f"AWS_{name}", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with s3.serving() as made:
        yield made


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(table(10)), file, row_group_size=6)
    return file.getvalue()


class TestS3:
    def test_patterns_find_objects_whose_names_need_quotes(self, store: Store) -> None:
        for name in ("b.parquet", "a 1%.parquet", "deep/er/ü.parquet", "notes.txt"):
            store.objects[f"bucket/shards/{name}"] = parquet()
        data = planned(store.uri("bucket/shards/*.parquet"), made())
        base, _, options = store.uri("bucket/shards/").partition("?")
        assert [unit.path for unit in data.units[::2]] == [
            f"{base}a%201%25.parquet?{options}",
            f"{base}b.parquet?{options}",
        ]
        found = whole(data, made())
        np.testing.assert_array_equal(found.inputs[0], np.concatenate([pixels(10)] * 2))
        assert len(planned(store.uri("bucket/**/*.parquet"), made()).units) == 6
        assert len(planned(data.units[0].path, made()).units) == 2

    def test_records_are_read(self, store: Store) -> None:
        image = b"\x0a\x10" + pixels(1).tobytes()
        value = b"\x0a" + bytes([len(image)]) + image  # a Feature with a BytesList
        entry = b"\x0a\x05image\x12" + bytes([len(value)]) + value
        features = b"\x0a" + bytes([len(entry)]) + entry
        record = framed(b"\x0a" + bytes([len(features)]) + features)
        store.objects["bucket/a.tfrecord"] = record * 3
        found = whole(planned(store.uri("bucket/a.tfrecord"), made()), made())
        np.testing.assert_array_equal(found.inputs[0], np.concatenate([pixels(1)] * 3))

    def test_a_folder_of_pictures_is_read(self, store: Store) -> None:
        for row, levels in enumerate(pixels(4)):
            file = io.BytesIO()
            Image.fromarray(levels).save(file, "PNG")
            store.objects[f"bucket/pictures/star/{row} .png"] = file.getvalue()
        found = whole(planned(store.uri("bucket/pictures/"), made()), made())
        np.testing.assert_array_equal(found.inputs[0], pixels(4))
        assert found.labels[0].tolist() == [2] * 4

    def test_a_store_that_refuses_is_an_error_and_no_bad_row(self, store: Store) -> None:
        store.objects["bucket/a.parquet"] = parquet()
        data = planned(store.uri("bucket/a.parquet"), made())
        store.denied.add("bucket/a.parquet")
        with pytest.raises(EvaluationError, match="cannot read s3://bucket/a.parquet.*try again"):
            whole(data, made())
        with pytest.raises(EvaluationError, match="cannot read s3://bucket/a.parquet.*try again"):
            planned(store.uri("bucket/a.parquet"), made())

    def test_objects_that_are_not_there_are_an_error(self, store: Store) -> None:
        with pytest.raises(EvaluationError, match=r"there is no file s3://bucket/\*.parquet"):
            planned(store.uri("bucket/*.parquet"), made())
