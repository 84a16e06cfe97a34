"""Files with damaged rows: each is set aside once, and the figures are those of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.figures import Record
from tests.scale import damage
from tests.scale.damage import GROUP_ROWS, ROWS, Page
from tests.scale.digits import Digits, write
from tests.scale.evaluations import evaluate, evaluate_with_losses, figures, metrics

ONE = ("--workers", "1")  # of so few rows the start of more would take longest
GROUP = 1  # the row group with the damaged page


class Damaged(NamedTuple):
    """The evaluation of three damaged files, and one of all rows that it took.

    Attributes:
        bad: all lines of bad-rows.jsonl.
        status: the exit status.
        out: the folder of the evaluation.
        good: that of the evaluation of the other rows.
    """

    rows: Path
    rows_bad: set[int]
    page: Path
    page_bad: Page
    cut: Path
    bad: list[dict[str, Any]]
    status: int
    out: Path
    good: Path

    def numbers(self, path: Path) -> list[int]:
        """The numbers of a file's rows that were set aside, in the order of the lines."""
        return list(_numbers(self.bad, path))


def _numbers(bad: list[dict[str, Any]], path: Path) -> Iterator[int]:
    for line in bad:
        if line["path"] == str(path):
            yield from range(line["row"], line["row"] + line["count"])


@pytest.fixture(scope="module")
def damaged(made: Digits, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    folder = tmp_path_factory.mktemp("damage")
    table = pq.read_table(made.shards[0]).slice(0, 2 * ROWS)
    halves = {
        folder / "rows.parquet": table.slice(0, ROWS),
        folder / "page.parquet": table.slice(ROWS),
    }
    rows, page = halves
    rows_bad = damage.write_bad_rows(halves[rows], rows)
    page_bad = damage.write_bad_page(halves[page], page, GROUP)
    cut = folder / "cut.parquet"
    cut.write_bytes(made.shards[0].read_bytes()[:-100])

    out = folder / "out"
    status = evaluate_with_losses(bundle, [rows, page, cut], out, *ONE)
    lines = (out / "bad-rows.jsonl").read_text("ascii").splitlines()
    bad = [json.loads(line) for line in lines]

    left = [_without(half, set(_numbers(bad, path))) for path, half in halves.items()]
    write(pa.concat_tables(left), folder / "good.parquet")
    evaluate(bundle, [folder / "good.parquet"], folder / "good", *ONE)
    return Damaged(rows, rows_bad, page, page_bad, cut, bad, status, out, folder / "good")


def _without(rows: pa.Table, bad: set[int]) -> pa.Table:
    return rows.take([number for number in range(len(rows)) if number not in bad])


def test_each_bad_row_is_set_aside_once(damaged: Damaged) -> None:
    assert sorted(damaged.numbers(damaged.rows)) == sorted(damaged.rows_bad)
    reasons = [line["reason"] for line in damaged.bad]
    assert all(0 < len(reason) <= 300 and reason.isprintable() for reason in reasons)


def test_of_a_row_group_with_a_damaged_page_the_rest_is_set_aside(damaged: Damaged) -> None:
    numbers = damaged.numbers(damaged.page)
    assert numbers == list(range(numbers[0], damaged.page_bad.rows.stop))
    assert damaged.page_bad.rows.start <= numbers[0] <= damaged.page_bad.row


def test_a_file_that_cannot_be_opened_is_listed_and_told_by_the_status(damaged: Damaged) -> None:
    (line,) = (line for line in damaged.bad if line["path"] == str(damaged.cut))
    assert line["count"] is None
    assert damaged.status == 1


def test_no_row_is_lost_and_the_figures_are_those_of_the_others(
    damaged: Damaged, figure: Record
) -> None:
    rows = json.loads(metrics(damaged.out))["rows"]
    aside = len(damaged.numbers(damaged.rows)) + len(damaged.numbers(damaged.page))
    lost = 2 * ROWS - rows["counted"] - aside
    differ = figures(damaged.out) != figures(damaged.good)
    name = "rows of damaged files, counted or set aside"
    figure(name, 2 * ROWS, 2 * ROWS if differ else abs(lost), f"{aside:,} set aside")
    assert lost == 0
    assert rows["set_aside"] == aside
    assert rows["files_cut_short"] == 1
    assert not differ


def test_the_share_of_bad_rows_decides_the_status(
    damaged: Damaged, bundle: Path, tmp_path: Path
) -> None:
    share = (len(damaged.rows_bad) - 0.5) / ROWS
    for name, most, status in (("fewer", share, 1), ("more", 2 * share, 0)):
        found = evaluate_with_losses(
            bundle, [damaged.rows], tmp_path / name, "--max-bad", str(most), *ONE
        )
        assert found == status


def test_the_damage_is_what_it_says() -> None:
    assert GROUP_ROWS - 1 in damage.BAD_IMAGES, "the last row of a group"
    assert GROUP_ROWS in damage.BAD_IMAGES, "the first one"
    assert ROWS - 1 in damage.BAD_LABELS, "the last one of all"
