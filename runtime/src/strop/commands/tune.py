"""strop tune: find the fastest variant on this device, and remember it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strop import engines
from strop.bundle.open import open_bundle
from strop.commands.refusal import complain
from strop.commands.refusal import content as refusal_content
from strop.commands.show import finite, print_cpu
from strop.commands.terminal import print_json, print_line, print_table, progress
from strop.device import cpu
from strop.diagnostics.joined import joined
from strop.diagnostics.tune import NOISE, TuneResult, require_winner, rows, tune
from strop.errors import StropError, message
from strop.model import tuned


def main(arguments: argparse.Namespace) -> int:
    """Find the fastest variant on this device, and remember it.

    The table is printed even where nothing passes (exit status 1), or where the winner cannot be
    remembered (exit status 2).
    """
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    with progress() as show:
        candidates = tune(
            bundle,
            device=arguments.device,
            threads=arguments.threads,
            batch=arguments.batch,
            progress=show,
        )
    device = arguments.device or engines.AUTO
    path: Path | None = None
    together: tuned.Joined | None = None
    refusal: StropError | None = None
    try:
        winner = require_winner(candidates)
        together = joined(bundle, winner)
        path = tuned.remember(bundle, rows(candidates), arguments.batch, device, together)
    except StropError as error:
        refusal = error
    content = [_row(rank, c, candidates[0]) for rank, c in enumerate(candidates, 1)]
    if arguments.json:
        found = {
            "bundle": arguments.bundle,
            "digest": bundle.digest,
            "cpu": cpu.this_cpu()._asdict(),
            "batch": arguments.batch,
            "device": device,
            "remembered": path and str(path),
            "joined": together and together._asdict(),
            "candidates": content,
        }
        print_json({**found, "error": refusal_content(refusal)} if refusal else found)
    else:
        print_cpu(cpu.this_cpu())
        _print(content, arguments.batch)
        if path:
            asked = "" if device == engines.AUTO else f' where device="{device}" is asked for'
            print_line(f"strop.load and strop run use {_name(content[0])} from now on{asked}")
            print_line(f"remembered in {path}; delete it to forget")
        if path and together and together.pays:
            ratio = together.several_us / together.one_us
            print_line(
                f"strop serve joins waiting requests: {together.samples} samples in a call take "
                f"{ratio:.1f} times as long as one"
            )
    sys.stdout.flush()  # before the complaint
    return complain(refusal) if refusal else 0


def _row(rank: int, candidate: TuneResult, best: TuneResult) -> dict[str, Any]:
    checked, latency = candidate.checked, candidate.checked.latency
    fastest = best.checked.latency
    return {
        "rank": rank if latency else None,
        "engine": checked.engine,
        "engine_version": candidate.version,
        "precision": checked.precision,
        "format": checked.format,
        "device": checked.device,
        "adapter": candidate.adapter,
        "file": candidate.file,
        "threads": candidate.threads,
        "status": checked.status,
        "detail": checked.detail,
        "mend": checked.mend,
        "max_abs_error": finite(checked.max_abs_error),
        "p50_us": latency and latency.p50_us,
        "p95_us": latency and latency.p95_us,
        "samples": latency and latency.samples,
        "ratio": latency and fastest and latency.p50_us / fastest.p50_us,
    }


def _name(row: dict[str, Any]) -> str:
    adapter = f" ({row['adapter']})" if row["adapter"] else ""
    where = engines.on_device(row["engine"], row["device"])
    return f"{where} {row['precision']}{adapter}, threads={row['threads']}"


def _print(content: Sequence[dict[str, Any]], batch: int) -> None:
    rows, notes = [], []
    for row in content:
        timed = row["rank"] is not None
        rows.append(
            (
                str(row["rank"] or "-"),
                engines.on_device(row["engine"], row["device"]),
                row["engine_version"] or "-",
                row["precision"],
                row["format"],
                str(row["threads"]),
                row["status"],
                f"{row['p50_us']:.1f}" if timed else "-",
                f"{row['p95_us']:.1f}" if timed else "-",
                f"{row['ratio']:.2f}" if timed else "-",
            )
        )
        notes.append([row["adapter"] if timed else message(row["detail"], row["mend"])])
    header = ("rank", "engine", "version", "precision", "format", "threads", "status")
    print_table(rows, (*header, "p50 us", "p95 us", "x winner", ""), notes)
    if any(row["rank"] for row in content):
        print_line(f"p50, p95: a call of batch {batch}, corrected for the machine's slow spells")
        print_line(
            f"x winner: p50 / p50 of rank 1; within {NOISE:.0%} is equally fast, and the bundle's "
            "order decides"
        )
