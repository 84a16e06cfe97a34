"""strop sweep: images per second by batch size, on the GPU and on the CPU beside it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from strop.bundle.open import open_bundle
from strop.commands.show import identity, print_cpu
from strop.commands.terminal import print_json, print_line, print_table, progress
from strop.device import cpu
from strop.diagnostics.sweep import BATCHES, Point, Timing, crossover, sweep


def main(arguments: argparse.Namespace) -> int:
    """Time the GPU against one core of the CPU, side by side."""
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    with progress() as show:
        model, points = sweep(
            bundle,
            engine=arguments.engine,
            precision=arguments.precision or "float32",
            batches=arguments.batches or BATCHES,
            progress=show,
        )
    if arguments.json:
        print_json(
            {
                "bundle": arguments.bundle,
                "digest": bundle.digest,
                "model": identity(model),
                "cpu": cpu.this_cpu()._asdict(),
                "crossover": crossover(points),
                "points": [_content(point) for point in points],
            }
        )
        return 0
    print_cpu(cpu.this_cpu())
    print_line(repr(model))
    header = ("batch", "CPU", "images/s", "GPU images/s", "x CPU", "upload", "compute", "download")
    print_table([_row(point) for point in points], header)
    print_line("upload, compute, download: of a batch on the GPU, in us")
    first = crossover(points)
    print_line(
        f"the GPU is faster than one core from batches of {first:,} on"
        if first
        else "one core of the CPU is faster than the GPU, or as fast, at the largest batch"
    )
    return 0


def _row(point: Point) -> tuple[str, ...]:
    return (
        f"{point.batch:,}",
        f"{point.cpu.engine} {point.cpu.precision}",
        f"{point.cpu.images_per_s:,.0f}",
        f"{point.gpu.images_per_s:,.0f}",
        f"{point.speedup:.3g}",
        f"{point.upload_us:,.0f}",
        f"{point.compute_us:,.0f}",
        f"{point.download_us:,.0f}",
    )


def _content(point: Point) -> dict[str, Any]:
    return {**asdict(point), "cpu": _timing(point.cpu), "gpu": _timing(point.gpu)}


def _timing(timing: Timing) -> dict[str, Any]:
    return {
        "engine": timing.engine,
        "precision": timing.precision,
        "images_per_s": timing.images_per_s,
        **timing.latency._asdict(),
    }
