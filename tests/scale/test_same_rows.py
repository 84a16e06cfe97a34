"""The same rows in other files have the same figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.figures import Record
from tests.scale.digits import SAME_ROWS, SLICES, Digits, write
from tests.scale.evaluations import evaluate, figures, metrics

pytestmark = pytest.mark.alone

FORMS = {  # in the folder `same`, and the slices that they can hold
    "TFRecord": ("rows.tfrecord", SLICES),
    "pictures": ("pictures", ()),
}


@pytest.fixture(scope="module")
def expected(made: Digits, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The figures of the rows in one row group."""
    out = tmp_path_factory.mktemp("same") / "out"
    evaluate(bundle, [made.same / "rows.parquet"], out)
    found = figures(out)
    assert found["samples"] == SAME_ROWS
    return found


@pytest.mark.parametrize("form", FORMS)
def test_another_format(
    form: str, made: Digits, bundle: Path, expected: Any, figure: Record, tmp_path: Path
) -> None:
    file, slices = FORMS[form]
    evaluate(bundle, [made.same / file], tmp_path / "out", slices=slices)
    found = figures(tmp_path / "out")
    wanted = expected if slices else {**expected, "slices": {}}
    figure(
        f"rows as {form}, with the figures of Parquet",
        SAME_ROWS,
        0 if found == wanted else SAME_ROWS,
    )
    assert found == wanted


def test_other_row_groups_and_batches(
    made: Digits, bundle: Path, expected: Any, figure: Record, tmp_path: Path
) -> None:
    rows = pq.read_table(made.same / "rows.parquet")
    cut = SAME_ROWS // 3 + 1
    files = [tmp_path / name for name in ("z.parquet", "a.parquet")]
    write(rows.slice(0, cut), files[0], group_rows=100)
    write(rows.slice(cut), files[1], group_rows=777, page_bytes=1 << 12)
    evaluate(bundle, files, tmp_path / "out", "--batch", "333")
    about = json.loads(metrics(tmp_path / "out"))
    assert about["bundle"]["engine"] == "native", "others may round otherwise in other batches"
    found = about["figures"]
    name = "rows in other row groups and batches"
    figure(name, SAME_ROWS, 0 if found == expected else SAME_ROWS)
    assert found == expected
