"""The same rows in other files have the same figures."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.figures import Record
from tests.scale.digits import SAME_ROWS, SLICES, Digits, write
from tests.scale.evaluations import evaluate, figures, metrics

ONE = ("--workers", "1")  # of so few rows the start of more would take longest
FORMS = {  # files in the folder `same`, and the slices that both can hold
    "TFRecord": ("rows.tfrecord", "rows.parquet", SLICES),
    "pictures": ("pictures", "pictures.parquet", ()),
}


@pytest.mark.parametrize("form", FORMS)
def test_another_format(
    form: str, made: Digits, bundle: Path, figure: Record, tmp_path: Path
) -> None:
    *files, slices = FORMS[form]
    for i, file in enumerate(files):
        evaluate(bundle, [made.same / str(file)], tmp_path / str(i), *ONE, slices=slices)
    found, expected = (figures(tmp_path / str(i)) for i in range(2))
    failed = 0 if found == expected else SAME_ROWS
    figure(f"rows as {form}, with the figures of Parquet", SAME_ROWS, failed)
    assert found["samples"] == SAME_ROWS
    assert found == expected


def test_other_row_groups_and_batches(
    made: Digits, bundle: Path, figure: Record, tmp_path: Path
) -> None:
    rows = pq.read_table(made.same / "rows.parquet")
    cut = SAME_ROWS // 3 + 1
    files = [tmp_path / name for name in ("z.parquet", "a.parquet")]
    write(rows.slice(0, cut), files[0], group_rows=100)
    write(rows.slice(cut), files[1], group_rows=777, page_bytes=1 << 12)
    evaluate(bundle, [made.same / "rows.parquet"], tmp_path / "whole", *ONE)
    evaluate(bundle, files, tmp_path / "pieces", "--batch", "333", *ONE)
    whole, pieces = (json.loads(metrics(tmp_path / name)) for name in ("whole", "pieces"))
    assert pieces["bundle"]["engine"] == "native", "others may round otherwise in other batches"
    assert pieces["data"]["pieces"] > whole["data"]["pieces"]
    failed = 0 if pieces["figures"] == whole["figures"] else SAME_ROWS
    figure("rows in other row groups and batches", SAME_ROWS, failed)
    assert pieces["figures"] == whole["figures"]
