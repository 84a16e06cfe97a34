"""Results are read as they were written, and an old run is never partly replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import results
from tests.unit.benchmarks import sample


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "latest.json"
    run = sample.results()
    run.write(path)
    assert results.load(path) == run
    assert [file.name for file in path.parent.iterdir()] == ["latest.json"]


def test_a_figure_that_is_no_number_leaves_the_old_run(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    path.write_text("old", encoding="ascii")
    row = results.Row("x", results.PEER, "", "int8", "latency", value=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        results.Results({}, (row,), ()).write(path)
    assert path.read_text(encoding="ascii") == "old"
