"""Latency: what each engine takes, and what Strop's checks and locks add to it.

Timed figures never gate on absolute time: another machine, or a busy one, is no bug. What fails is
`predict` being grossly slower than the engine's own raw loop timed turn about in the same run,
three times in a row.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LATENCIES, Exported
from tests.environments import ROOT, run

GROSS = 2.0  # times the raw loop; the figure aimed at, + 1.0 us, is reported and not gated
TRIES = 3

CASES = [("cpu", "litert"), ("cpu", "onnx"), ("rpi", "tflite")]


@pytest.mark.parametrize(("target", "engine"), CASES)
def test_predict_is_not_grossly_slower_than_the_raw_loop(
    edge: Exported,
    request: pytest.FixtureRequest,
    target: str,
    engine: str,
) -> None:
    python = Path(sys.executable)
    if engine == "tflite":
        python = request.getfixturevalue("tflite_python")
    tries = 0
    worst = GROSS + 1
    while worst > GROSS and tries < TRIES:
        rows = measure(python, edge, target, engine)
        worst = max(row["ratio"] for row in rows)
        tries += 1
    for row in rows:
        ours, raw = row["predict"], row["raw"]
        request.config.stash[LATENCIES].append(
            f"  {engine:7s} {row['engine_version']:8s} {row['precision']:8s}"
            + "/".join(f"{ours[p]:6.1f}" for p in ("p50_us", "p95_us", "p99_us"))
            + "   "
            + "/".join(f"{raw[p]:6.1f}" for p in ("p50_us", "p95_us", "p99_us"))
            + f"   +{row['overhead_us']:.2f} us, {row['ratio']:.2f} x, try {tries}"
        )
    assert worst <= GROSS


def measure(python: Path, edge: Exported, target: str, engine: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": f"{edge.wheel}{os.pathsep}{ROOT}"}
    command = (python, "-m", "benchmarks", edge.bundle(target), "--engine", engine, "--json")
    rows: list[dict[str, Any]] = json.loads(run(*command, env=environment).stdout)
    return rows
