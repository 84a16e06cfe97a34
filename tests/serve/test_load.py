"""A load over 8 connections: nothing is lost or wrong, and memory stays flat; peers beside it.

STROP_SERVE_REQUESTS is how many requests are sent, half as JSON and half as bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.results import PEER, STROP
from benchmarks.serving import report
from benchmarks.serving.measure import QUICK, Measured, Plan, measure
from benchmarks.serving.servers import EQUAL, Server, installed, servers
from tests.conftest import Exported
from tests.figures import Record
from tests.needs import unavailable

REQUESTS = int(os.environ.get("STROP_SERVE_REQUESTS", "2000"))
GROWTH_MIB = 4  # of a server that keeps nothing: its allocator's pages

pytestmark = pytest.mark.alone


def _measure(chosen: Sequence[Server], edge: Exported, folder: Path, plan: Plan) -> Measured:
    if shutil.which("wrk") is None:
        unavailable("there is no wrk", "apt install wrk")
    images = edge.evaluation()["inputs"][:16]
    return measure(chosen, installed(folder), edge.bundle("cpu"), images, folder, plan, print)


def test_no_request_is_lost_or_answered_wrongly(
    edge: Exported, tmp_path: Path, figure: Record
) -> None:
    (ours,) = (it for it in servers(edge.name) if it.kind == STROP and it.name != EQUAL)
    plan = Plan(1, -(-REQUESTS // len(ours.wires)), quick=True)
    measured = _measure([ours], edge, tmp_path, plan)
    sent = sum(row.sent for row in measured.rows)
    failed = sum(row.wrong + row.lost for row in measured.rows)
    grown = max(row.after_mib - row.before_mib for row in measured.memory)
    figure("load", sent, failed, f"memory grew by {grown:.1f} MiB")
    assert sent >= REQUESTS
    assert not failed
    assert grown < GROWTH_MIB


def test_peers_beside_it(edge: Exported, tmp_path: Path, figure: Record, ratio: Record) -> None:
    measured = _measure(servers(edge.name), edge, tmp_path, QUICK)
    if measured.absent:
        unavailable(f"{', '.join(measured.absent)} are not installed", "make bench-serving")
    ours = [row for row in measured.rows if row.subject == EQUAL]
    failed = sum(row.wrong + row.lost for row in ours)
    figure("load beside peers", sum(row.sent for row in ours), failed)
    for found in report.ratios(measured.rows):
        detail = f"requests per second over {found.against}'s"
        ratio(found.name, found.median, f"{detail}, {found.low:.2f} .. {found.high:.2f}")
    assert not failed
    assert {row.subject for row in measured.rows if row.kind == PEER} == {
        "LitServe",
        "BentoML",
        "MLServer",
    }
