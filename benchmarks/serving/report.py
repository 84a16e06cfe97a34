"""The results of a run: as JSON, and as a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.ratios import paired
from benchmarks.results import PEER, STROP, Ratio
from benchmarks.serving.measure import Measured, Row


def ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Return Strop's requests per second over the best peer's, for each payload."""
    found = []
    for payload in dict.fromkeys(row.payload for row in rows):
        medians = {
            name: _median(rows, name, payload, lambda row: row.per_s) for name in _names(rows, PEER)
        }
        if not medians:
            continue
        best = max(medians, key=medians.__getitem__)
        for name in _names(rows, STROP):
            ours, theirs = (_us(rows, who, payload) for who in (name, best))
            found.append(
                paired(f"{name}, {payload}", "", "serving", None, ours, theirs, best, rate=True)
            )
    return found


def _us(rows: Sequence[Row], name: str, payload: str) -> dict[int, float]:
    return {
        row.round: 1e6 / row.per_s for row in rows if (row.subject, row.payload) == (name, payload)
    }


def _names(rows: Sequence[Row], kind: str) -> list[str]:
    return list(dict.fromkeys(row.subject for row in rows if row.kind == kind))


def _median(rows: Sequence[Row], name: str, payload: str, figure: Callable[[Row], float]) -> float:
    values = [figure(row) for row in rows if (row.subject, row.payload) == (name, payload)]
    return float(np.median(values))


def write(path: Path, environment: dict[str, Any], measured: Measured) -> None:
    """Write all figures, or leave the earlier file unchanged."""
    content = {
        "environment": environment,
        "absent": measured.absent,
        "memory": [asdict(row) for row in measured.memory],
        "rows": [asdict(row) for row in measured.rows],
        "ratios": [asdict(ratio) for ratio in ratios(measured.rows)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def show(measured: Measured) -> None:
    """Print the medians over the rounds, the ratios, and who is absent."""
    rows = measured.rows
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "payload"):
        table.add_column(title)
    for title in ("requests/s", "p50 us", "p99 us", "CPU us", "MiB", "wrong", "lost"):
        table.add_column(title, justify="right")
    memory = {
        row.subject: f"{row.before_mib:.0f} .. {row.after_mib:.0f}" for row in measured.memory
    }
    for name, payload in dict.fromkeys((row.subject, row.payload) for row in rows):
        mine = [row for row in rows if (row.subject, row.payload) == (name, payload)]
        figures = (
            f"{np.median([getattr(row, figure) for row in mine]):,.0f}"
            for figure in ("per_s", "p50_us", "p99_us", "cpu_us")
        )
        failed = (str(sum(getattr(row, figure) for row in mine)) for figure in ("wrong", "lost"))
        style = "bold" if mine[0].kind == STROP else None
        table.add_row(name, payload, *figures, memory[name], *failed, style=style)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    console.print(table)
    for ratio in ratios(rows):
        console.print(
            f"{ratio.name}: {ratio.median:.2f} of {ratio.against}'s requests per second "
            f"({ratio.low:.2f} .. {ratio.high:.2f})"
        )
    for name, why in measured.absent.items():
        console.print(f"not here: {name}: {why}")
