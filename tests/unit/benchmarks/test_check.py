"""The check whether Strop became slower: by quotients within a run, never by times of two runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import check
from benchmarks.results import Results, Row
from tests.unit.benchmarks import sample


def written(path: Path, change: Callable[[Row], Row | None] = lambda row: row) -> Path:
    """A run, with some rows changed or left out."""
    whole = sample.results()
    rows = tuple(new for row in whole.rows if (new := change(row)) is not None)
    Results(whole.environment, rows, ()).write(path)
    return path


@pytest.fixture
def baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "baseline.json"
    fresh = str(written(tmp_path / "old.json"))
    assert check.main([fresh, "--baseline", str(path), "--accept"]) == 0
    capsys.readouterr()
    return path


def slower(row: Row, times: float) -> Row:
    if row.value is None or row.axis not in ("latency", "throughput"):
        return row
    return replace(row, value=row.value * times if row.axis == "latency" else row.value / times)


def checked(fresh: Path, baseline: Path, *more: str) -> int:
    return check.main([str(fresh), "--baseline", str(baseline), *more])


def test_a_baseline_is_small_and_has_no_samples(baseline: Path) -> None:
    content = json.loads(baseline.read_bytes())
    assert set(content) == {"environment", "quotients"}
    assert content["environment"]["cpu"]["model"] == "Imaginary Xeon @ 2.60GHz"
    assert ["Strop litert int8", "latency", 1] in [row[:3] for row in content["quotients"]]
    assert baseline.stat().st_size < 10_000


def test_the_same_run_is_no_slower(
    tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(written(tmp_path / "new.json"), baseline) == 0
    said = capsys.readouterr().out
    assert "0 of 90 slower than 1.25 times the baseline" in said
    assert max(map(len, said.splitlines())) <= 100


def test_a_slower_machine_is_no_slower_strop(tmp_path: Path, baseline: Path) -> None:
    assert checked(written(tmp_path / "new.json", lambda row: slower(row, 3)), baseline) == 0


@pytest.mark.parametrize("axis", ["latency", "throughput"])
def test_a_slower_strop_is(
    axis: str, tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(row: Row) -> Row:
        hit = row.subject == "Strop onnx int8" and (row.axis, row.batch or 1) in {
            ("latency", 1),
            ("throughput", 256),
        }
        return slower(row, 1.4) if hit and row.axis == axis else row

    fresh = written(tmp_path / "new.json", change)
    assert checked(fresh, baseline) == 1
    lines = map(str.strip, capsys.readouterr().out.splitlines())
    (line,) = (line for line in lines if line.endswith("slower"))
    assert line.split()[:3] == ["Strop", "onnx", "int8"]
    assert "1.40 x" in line
    assert checked(fresh, baseline, "--tolerance", "1.5") == 0


def test_a_quick_run_has_fewer_batches(
    tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = written(tmp_path / "new.json", lambda row: row if row.batch in (None, 1) else None)
    assert checked(fresh, baseline) == 0
    assert "0 of 23 slower" in capsys.readouterr().out


class TestIncomparable:
    def said(self, fresh: Path, baseline: Path, capsys: pytest.CaptureFixture[str]) -> str:
        assert checked(fresh, baseline) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        return said.err

    def test_no_baseline(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        fresh = written(tmp_path / "new.json")
        said = self.said(fresh, tmp_path / "none.json", capsys)
        assert "there is no baseline" in said
        assert "FRESH.json --accept" in said

    def test_no_peer(
        self, tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fresh = written(
            tmp_path / "new.json", lambda row: None if row.subject.startswith("NumPy") else row
        )
        assert "NumPy alone, the divisor of all times" in self.said(fresh, baseline, capsys)

    def test_another_cpu(
        self, tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        content = json.loads(baseline.read_bytes())
        content["environment"]["cpu"]["model"] = "Cortex-A72"
        baseline.write_text(json.dumps(content), encoding="ascii")
        said = self.said(written(tmp_path / "new.json"), baseline, capsys)
        assert "of Cortex-A72, this run of Imaginary Xeon" in said
        assert "--accept" in said

    def test_an_engine_that_is_gone(
        self, tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fresh = written(
            tmp_path / "new.json", lambda row: None if "Strop tflite" in row.subject else row
        )
        assert "not in this run: Strop tflite float32 (one image)" in self.said(
            fresh, baseline, capsys
        )

    @pytest.mark.parametrize("junk", ["", "[]", "{}", '{"environment": {}, "quotients": [[1]]}'])
    def test_junk(
        self, junk: str, tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path, fresh = tmp_path / "junk.json", written(tmp_path / "new.json")
        path.write_text(junk, encoding="ascii")
        assert "is not a baseline" in self.said(fresh, path, capsys)
        assert "is not a result of make bench" in self.said(path, baseline, capsys)

    def test_nothing_in_common(
        self, tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        content = json.loads(baseline.read_bytes())
        baseline.write_text(json.dumps({**content, "quotients": []}), encoding="ascii")
        assert "nothing in common" in self.said(written(tmp_path / "new.json"), baseline, capsys)
