"""Images per second by batch size, on the GPU and on one core of the CPU beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from strop import engines
from strop.bundle.file import Bundle
from strop.bundle.manifest import Variant
from strop.diagnostics.check import require
from strop.diagnostics.replay import golden, replay
from strop.diagnostics.timing import Latency, side_by_side
from strop.engines.gpu import GpuSession
from strop.model import tuned
from strop.model.model import Model
from strop.model.select import Choice, open_best, open_model
from strop.model.several import repeated

BATCHES = tuple(4**n for n in range(9))  # 1 to 65,536
BUDGET_S = 6.0  # a batch size, all engines together
PARTS = 15  # runs in their parts


@dataclass(frozen=True)
class Timing:
    """One engine at one batch size."""

    engine: str
    precision: str
    latency: Latency  # of the whole batch
    images_per_s: float


@dataclass(frozen=True)
class Point:
    """One batch size."""

    batch: int
    cpu: Timing  # the fastest there is in the bundle, on one core
    gpu: Timing
    speedup: float  # duration on that CPU / duration on the GPU
    upload_us: float
    compute_us: float
    download_us: float


def sweep(
    bundle: Bundle,
    *,
    engine: str | None = None,
    precision: str = "float32",
    batches: Sequence[int] = BATCHES,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Model, list[Point]]:
    """Time the GPU against every engine of the bundle that keeps to one core of the CPU here.

    The reference is not among them: NumPy's BLAS uses any number of cores.

    Args:
        bundle: verified.
        engine: the engine to run on the GPU; None: the fastest one that `strop tune` found
            there at this precision, else the first engine of the bundle that supports the GPU.
        precision: of the file on the GPU; the CPU's competitors are of every precision.
        batches: samples per call.
        progress: called with a line before each step.

    Returns:
        The GPU's model, closed, for its name; and one point per batch size.

    Raises:
        DeviceUnavailable: there is no GPU here that runs it.
        ParityError: one of them does not give the outputs proven at export; the speed of wrong
            answers is not measured.
        StropError: as `strop.load`.
    """
    samples, keras = golden(bundle)
    points = []
    with contextlib.ExitStack() as opened:
        gpu = opened.enter_context(
            open_best(bundle, engine=engine, device=engines.GPU, precision=precision, threads=1)
        )
        rivals = [
            opened.enter_context(open_model(bundle, choice)) for choice in _on_one_core(bundle)
        ]
        progress("checking the answers")
        require([replay(m, bundle, _variant(bundle, m), samples, keras) for m in (gpu, *rivals)])
        session = opened.enter_context(contextlib.closing(_session(bundle, gpu)))
        for number, batch in enumerate(batches, 1):
            step = f"batch {batch:,}, {number} of {len(batches)}"
            progress(step)
            inputs = repeated(samples, batch)
            points.append(_point(batch, gpu, rivals, session, inputs, step, progress))
    return gpu, points


def crossover(points: Sequence[Point]) -> int | None:
    """Find the smallest batch size from which the GPU is always faster.

    Returns:
        Samples a call; None if there is no such batch.
    """
    found = None
    for point in sorted(points, key=lambda point: -point.batch):
        if point.speedup <= 1:
            break
        found = point.batch
    return found


def _point(
    batch: int,
    gpu: Model,
    rivals: Sequence[Model],
    session: GpuSession,
    inputs: Any,
    step: str,
    progress: Callable[[str], None],
) -> Point:
    models = [gpu, *rivals]
    latencies = side_by_side(
        [partial(model.predict, inputs) for model in models],
        budget_s=BUDGET_S,
        rounds=10,
        progress=lambda line: progress(f"{step}: {line}"),
    )
    best = min(range(1, len(models)), key=lambda i: latencies[i].p50_us)
    session.time_parts_us(inputs)  # buffers and shaders are made once
    count = PARTS if latencies[0].p50_us * PARTS < BUDGET_S * 1e6 else 1
    parts = np.median([session.time_parts_us(inputs) for _ in range(count)], axis=0)
    speedup = latencies[best].p50_us / latencies[0].p50_us
    cpu, gpu_timing = (_timing(models[i], batch, latencies[i]) for i in (best, 0))
    return Point(batch, cpu, gpu_timing, speedup, *parts.tolist())


def _timing(model: Model, batch: int, latency: Latency) -> Timing:
    return Timing(model.engine, model.precision, latency, batch / latency.p50_us * 1e6)


def _on_one_core(bundle: Bundle) -> list[Choice]:
    """List what runs here on the CPU and obeys the number of threads."""
    return [
        Choice(name, variant)
        for name in tuned.installed(bundle.manifest)
        if engines.entry(name).takes_threads
        for variant in bundle.manifest.variants
        if name in variant.engines
    ]


def _variant(bundle: Bundle, model: Model) -> Variant:
    kind = (model.format, model.precision)
    (variant,) = (v for v in bundle.manifest.variants if (v.format, v.precision) == kind)
    return variant


def _session(bundle: Bundle, model: Model) -> GpuSession:
    """Open a second session like the model's, for timing a run in its parts."""
    variant = _variant(bundle, model)
    session = engines.get(model.engine).open(
        bundle.read(variant), variant, device=engines.GPU, threads=1
    )
    assert isinstance(session, GpuSession)  # noqa: S101  every engine's is
    return session
