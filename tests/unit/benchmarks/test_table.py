"""The tables on the screen: their subjects and their layout."""

from __future__ import annotations

import pytest

from benchmarks import table
from benchmarks.results import Results
from benchmarks.subjects import OTHERS, absent, groups, subjects
from tests.unit.benchmarks import sample


def shown(capsys: pytest.CaptureFixture[str], results: Results) -> str:
    table.show(results)
    return capsys.readouterr().out


def test_nobody_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(shown(capsys, sample.results()).split())
    for row in sample.results().rows:
        assert row.subject.removesuffix(f" {row.precision}") in said  # which may be a line below
    assert "not here: TVM float32: has no wheel for Python 3.11" in said
    assert "not here: IREE float32 (throughput of 1,024 to 4,096): it fails: MemoryError" in said


def test_it_fits_a_page_of_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert max(map(len, shown(capsys, sample.results()).splitlines())) <= 100


def test_ratios_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, sample.results())
    assert said.startswith("Strop over the same engine's own best loop")
    lines = [line.split() for line in said.splitlines()]
    assert ["p50", "p99", "1,024/s", "cold", "memory"] in lines
    assert ["litert", "int8", "1.210", "1.331", "0.990", "1.160", "1.020"] in lines
    assert ["tflite", "float32", "1.090", "1.199", "0.990", "-", "-"] in lines


def test_what_is_added_to_numpy_has_a_table() -> None:
    added = {section.title: section for section in table.sections(sample.results())}[
        "Over Python with NumPy"
    ]
    lines = {line.cells[0]: line.cells[1:] for line in added.lines}
    assert lines["Strop native int8"] == ("27.8", "1.00", "46.0", "93.3", "0.25")
    assert lines["NumPy alone float32"] == ("26.4", "1.00", "-", "-", "-")


def test_what_counting_adds_has_a_table() -> None:
    sections = {section.title: section for section in table.sections(sample.results())}
    (line,) = sections["Counting what a model meets"].lines
    assert line.cells == ("Strop native int8", "1,000", "0.490", "+0.127")


def test_each_ratio_has_its_spread_and_difference() -> None:
    first, *_, last = table.details(sample.results().ratios).lines
    assert first.cells[3:] == ("1", "1.210", "1.174 .. 1.270", "+0.33 us")
    assert last.cells[3:] == ("-", "1.020", "1.000 .. 1.030", "+1.1 MiB")


def test_figures_have_the_digits_they_are_good_for() -> None:
    told = [table.three_digits(value) for value in (1.234, 9.996, 12.34, 99.96, 48_123.4, None)]
    assert told == ["1.23", "10.0", "12.3", "100", "48,123", "-"]


def test_a_run_without_anything_has_no_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Results({}, (), ())) == ""


def test_one_axis_is_enough() -> None:
    whole = sample.results()
    rows = tuple(row for row in whole.rows if row.axis == "memory")
    section, _ = table.sections(Results({}, rows, ()))
    assert section.title == "Cold start, memory, size and export"
    assert section.lines[0].cells[:3] == ("Strop litert float32", "-", "61.0")


def test_subjects_are_grouped_by_engine_and_others_come_last() -> None:
    found = groups(subjects(sample.results()))
    assert list(found) == ["litert", "tflite", "onnx", "reference", "native", OTHERS]
    assert {one.way for one in found["reference"]} == {"Strop reference", "NumPy alone"}


def test_a_reason_is_given_once() -> None:
    assert [who for who, _ in absent(sample.results())] == [
        "IREE float32 (throughput of 1,024 to 4,096)",
        "TVM float32",
        "OpenVINO infer int8 avx2",
    ]
