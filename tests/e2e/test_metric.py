"""A metric of the user's own decides on an int8 file, and not the noise of the raw boxes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.board_file import write_board
from tests.environments import ROOT, run
from tests.unit.export import detector_kit


def command(folder: Path, outlier: float, metric: str) -> list[Any]:
    """Write a detector, and return the command of its export."""
    files = detector_kit.detector(folder, outlier)
    board = write_board(folder, "int8", "float32")
    return [
        *(sys.executable, "-m", "strop_export", "--model", files.model),
        *("--calibration", files.calibration, "--evaluation", files.evaluation),
        *("--metric", f"{folder / 'my_map.py'}:{metric}"),
        *("--target", board, "--out", folder / "dist"),
    ]


def report(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "dist" / "report.json").read_bytes())
    return content


def test_noisy_boxes_ship_if_the_metric_holds(tmp_path: Path) -> None:
    typed = command(tmp_path, 14, "average_precision=0.15")
    done = run(*typed, cwd=ROOT)
    found = report(tmp_path)
    assert found["keras"]["metric"]["value"] > 0.7
    assert not found["keras"]["metric"]["note"]
    (int8,) = (row for row in found["variants"] if row["precision"] == "int8")
    (output,) = int8["outputs"]
    assert output["figures"]["sqnr_db"] < 19.5  # without a metric, 20 dB are wanted
    assert "sqnr_db" not in output["bounds"]
    lost = found["keras"]["metric"]["value"] - int8["metric"]["found"]
    assert abs(lost) <= 0.15
    assert int8["metric"]["keras"] == found["keras"]["metric"]["value"]
    (entry,) = found["guard"]
    (step,) = entry["steps"]
    assert step["holds"]
    assert step["metric"]["found"] > 0.7
    (head,) = (line for line in done.stdout.splitlines() if line.startswith("precision"))
    assert "SQNR  average_precision  max error" in head
    written = (tmp_path / "dist" / "report.md").read_text(encoding="utf-8")
    assert "A file may lose 0.15 of average\\_precision" in written
    assert "| SQNR | average\\_precision |" in written
    assert "nothing to do" in run(*typed, cwd=ROOT).stdout
    own = tmp_path / "my_map.py"
    own.write_text(f"{detector_kit.METRIC}\nassert False, 'it is read again'\n", encoding="utf-8")
    assert "it is read again" in run(*typed, check=False, cwd=ROOT).stderr
