"""The latency of each engine, and the overhead of Strop's checks and locks.

No test fails on an absolute time: a different or busy machine is not a bug. A test fails only if
`predict` is grossly slower than the engine's own best raw loop, alternating with it in the same
run, three times in a row. `make bench` reports the figures.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import files, ratios, rounds
from benchmarks.cases import Case, cases
from benchmarks.crew import Crew
from benchmarks.environments import Environments
from benchmarks.results import Ratio, Row
from tests.conftest import LATENCIES, Exported

GROSS = 2.0  # times the best raw loop
TRIES = 3
ROUNDS = 10

LOOPS = {
    "litert": ("strop_runtime", "litert_interpreter"),
    "onnx": ("strop_runtime", "onnx_runtime"),
    "tflite": ("strop_runtime", "tflite_runtime"),
}


@pytest.mark.alone
@pytest.mark.parametrize("engine", LOOPS)
def test_predict_is_not_grossly_slower_than_the_raw_loop(
    edge: Exported, request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    python = Path(sys.executable)
    if engine == "tflite":
        python = request.getfixturevalue("tflite_python")
    places = Environments({"peers": python, "tflite": python}, edge.wheel, tmp_path / "cache")
    prepared = files.prepare(edge.artifact, edge.dist, tmp_path / "files")
    chosen = [case for case in cases(modules=LOOPS[engine]) if case.engine == engine]
    tries, worst = 0, GROSS + 1
    while worst > GROSS and tries < TRIES:
        rows, medians = measure(Crew(places, prepared), chosen)
        worst = max(ratio.median for ratio in medians.values())
        tries += 1
    for name, ratio in medians.items():
        ours, raw = rows[f"Strop {name}"], rows[ratio.against]
        request.config.stash[LATENCIES].append(
            f"  {ours.engine:16s} {ours.precision:8s}{shown(ours)}   {shown(raw)}"
            f"   {ratio.difference:+.2f} us, {ratio.median:.2f} x, try {tries}"
        )
    assert worst <= GROSS


def measure(crew: Crew, chosen: list[Case]) -> tuple[dict[str, Row], dict[str, Ratio]]:
    """Time one image, and return rows by subject and ratios by engine and precision."""
    turns: rounds.Turns = {}
    with crew:
        step = lambda who: None  # noqa: E731
        rounds.prepare(crew, chosen, 1)
        rounds.take(crew, chosen, 1, range(ROUNDS), rounds.LATENCY_PACE, turns, step)
    rows = {case.name: rounds.latency_row(crew, case, turns) for case in chosen}
    assert not {name: row.absent for name, row in rows.items() if row.absent}
    named = {f"{case.engine} {case.precision}" for case in chosen}
    return rows, {ratio.name: ratio for ratio in ratios.latency(turns) if ratio.name in named}


def shown(row: Row) -> str:
    return "/".join(f"{value or 0:6.1f}" for value in (row.p50_us, row.p95_us, row.p99_us))
