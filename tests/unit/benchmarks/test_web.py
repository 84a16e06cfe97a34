"""The module for pages beside onnxruntime-web: the same network, and what the table says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.results import PEER, STROP
from benchmarks.web.__main__ import Row, table
from strop_export.proof.web import find_node
from tests.environments import ROOT
from tests.needs import unavailable


def test_a_line_has_medians_and_the_least_and_their_ratio() -> None:
    rows = [
        Row("net", STROP, "int8", 1200.0, 250.0, (250.0, 1200.0, 1300.0)),
        Row("net", PEER, "int8", 900.0, 500.0, (500.0, 900.0, 1000.0)),
    ]
    assert table(rows)[2:] == ["| net | int8 | 1,200.0, 250.0 | 900.0, 500.0 | 0.50 |"]


def test_both_run_the_same_network(tmp_path: Path) -> None:
    """Exit status 0 says that the float32 answers agree."""
    if not (ROOT / "demo" / "node_modules" / "onnxruntime-web").is_dir():
        unavailable("onnxruntime-web is missing", "npm ci, in demo/")
    if find_node() is None:
        unavailable("there is no node", "make setup")
    out = tmp_path / "web.json"
    command = [sys.executable, "-m", "benchmarks.web", "--quick", "--only", "lenet", "--out"]
    done = subprocess.run(
        [*command, str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    content = json.loads(out.read_bytes())
    rows = [Row(**row) for row in content["rows"]]
    assert {(row.kind, row.precision) for row in rows} == {
        (kind, precision) for kind in (STROP, PEER) for precision in ("int8", "float32")
    }
    assert all(0 < row.least_us <= row.p50_us and len(row.samples_us) == 21 for row in rows)
    assert {"strop", "onnxruntime-web", "node"} <= content["environment"]["packages"].keys()
