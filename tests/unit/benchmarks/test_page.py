"""The page of a run: complete Markdown, with its pictures beside it."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import page, plots
from benchmarks.results import PEER, Results, Row
from tests.unit.benchmarks import sample


def written(folder: Path, results: Results) -> str:
    path = folder / "sub" / "latest.md"
    page.write(results, path)
    return path.read_text(encoding="utf-8")


def test_it_says_of_what_it_is_true(tmp_path: Path) -> None:
    said = written(tmp_path, sample.results())
    assert "- cpu: machine x86_64; model Imaginary Xeon @ 2.60GHz; cores 2" in said
    assert "- packages: ai-edge-litert 2.3.0; onnxruntime 1.31.1; numpy 2.4.6" in said


def test_its_tables_are_tables(tmp_path: Path) -> None:
    said = written(tmp_path, sample.results())
    for block in re.findall(r"(?:^\|.*\n)+", said, re.MULTILINE):
        columns = {line.count("|") for line in block.splitlines()}
        assert len(columns) == 1
        assert re.fullmatch(r"\|(---\|)+(--:\|)+", block.splitlines()[1])
    assert "| **Strop litert int8** | 1.97 |" in said
    assert "| LiteRT set_tensor int8 | 1.63 |" in said
    assert "| LiteRT set_tensor int8 | - | 1.160 | 1.100 .. 1.200 | +15.2 ms |" in said


def test_its_pictures_are_beside_it(tmp_path: Path) -> None:
    named = re.findall(r"!\[.+\]\((.+)\)", written(tmp_path, sample.results()))
    assert named == [picture.name for picture in plots.PICTURES]
    few = tuple(row for row in sample.results().rows if row.axis == "latency")
    assert "growth.png" not in written(tmp_path, Results({}, few, ()))


def test_it_says_who_is_absent_and_how_to_have_it_again(tmp_path: Path) -> None:
    said = written(tmp_path, sample.results())
    assert "- **TVM float32**: has no wheel for Python 3.11" in said
    assert "`make bench`" in said
    assert "`python -m benchmarks.plots latest.json`" in said


def test_a_reason_cannot_break_it(tmp_path: Path) -> None:
    row = Row("A | B", PEER, "", "", "latency", value=1.0)
    gone = Row("C", PEER, "", "", "latency", absent="two\nlines | and a bar")
    said = written(tmp_path, Results({"os": "", "warnings": []}, (row, gone), ()))
    assert "| A \\| B |" in said
    assert "- **C**: two lines \\| and a bar" in said
    assert "- os: -\n- warnings: none\n" in said


def test_what_is_long_is_left_to_the_json(tmp_path: Path) -> None:
    packages = {f"package-{number}": "1.0" for number in range(100)}
    assert "- packages: in latest.json\n" in written(
        tmp_path, Results({"packages": packages}, (), ())
    )
