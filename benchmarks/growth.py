"""`python -m benchmarks.growth`: how the time of a call grows with a layer's width and the batch.

784-W-W-10, float32, random weights, through `predict`, one thread. Every call has a fixed cost
before its first multiplication; above some size, multiply-accumulates dominate its time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import random_models
from benchmarks.results import STROP, UNITS, Row
from strop import engines
from strop.bundle.manifest import FileTensor, Golden, InputSpec, OutputSpec, Variant
from strop.diagnostics.timing import sample_us, summarize
from strop.errors import StropError
from strop.model.model import About, Model
from strop.model.source import ModelSource

ROOT = Path(__file__).parent.parent

_AXIS, _PRECISION = "growth", "float32"
_ENGINES: dict[str, tuple[str, Callable[[random_models.Layers], bytes]]] = {
    "litert": ("tflite", random_models.tflite_file),
    "onnx": ("onnx", random_models.onnx_file),
    "reference": ("weights", random_models.weights_file),
}
_FEWEST, _MOST = 3, 100  # calls that are timed
# NumPy's and the engines' libraries read these once, when they are loaded.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Plan(NamedTuple):
    """The widths and batches to time, and the time for each."""

    widths: tuple[int, ...]
    batches: tuple[int, ...]
    most_macs: float  # of a call; 1e9 take some 20 ms of one core
    enough_us: float  # to time one of them, if the fewest calls take no longer


_FULL = Plan((16, 64, 256, 1024, 4096), (1, 4, 16, 64, 256, 1024, 4096), 3e10, 100e3)
_QUICK = Plan((16, 256, 1024), (1, 64, 1024), 1e9, 50e3)


def measure(quick: bool, progress: Callable[[str], None]) -> list[Row]:
    """Time calls by width and batch, in a separate process with one thread.

    Args:
        quick: time fewer of them, in some seconds.
        progress: called with a line after each.

    Raises:
        RuntimeError: the process failed; the reason is on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.growth", *(["--quick"] if quick else [])]
    rows = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **_ONE_THREAD}
    ) as child:
        for line in child.stdout or ():
            content = json.loads(line)
            rows.append(Row(**{**content, "samples_us": tuple(content["samples_us"])}))
            progress(f"{rows[-1].subject}, {_said(rows[-1])}")
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with status {child.returncode}")
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Print the rows as JSON, one per line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status, 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer of them, in some seconds")
    arguments = parser.parse_args(argv)
    for row in time_all(_QUICK if arguments.quick else _FULL):
        print(json.dumps(asdict(row)), flush=True)
    return 0


def time_all(plan: Plan) -> Iterator[Row]:
    """Time every engine at every width and batch of a plan.

    An engine that cannot run gives one row that says why.
    """
    for engine in _ENGINES:
        subject = f"Strop {engine} {_PRECISION}"
        try:
            for width in plan.widths:
                layers = random_models.layers(width)
                with _open(engine, layers) as model:
                    for batch in plan.batches:
                        macs = batch * random_models.macs(layers)
                        if macs <= plan.most_macs:
                            yield _time(model, subject, batch, {"width": width, "macs": macs}, plan)
        except StropError as error:
            yield Row(subject, STROP, engine, _PRECISION, _AXIS, absent=str(error))


def _time(model: Model, subject: str, batch: int, parts: dict[str, float], plan: Plan) -> Row:
    pixels = np.random.default_rng(batch).integers(
        256, size=(batch, random_models.PIXELS), dtype=np.uint8
    )

    def call() -> object:
        return model.predict(pixels)

    first_us = float(sample_us(call, samples=1, warmup=0)[0])  # and allocates what later ones use
    samples = int(np.clip(plan.enough_us / first_us, _FEWEST, _MOST))
    # A long call warms up by itself; a short one must be repeated for the caches and the clock
    # rate.
    taken_us = sample_us(call, samples=samples, warmup=samples - _FEWEST)
    p50, p95, p99, _ = summarize(taken_us)
    return Row(
        subject=subject,
        kind=STROP,
        engine=model.engine,
        precision=_PRECISION,
        axis=_AXIS,
        batch=batch,
        p50_us=p50,
        p95_us=p95,
        p99_us=p99,
        value=p50,
        unit=UNITS[_AXIS],
        samples_us=tuple(taken_us.tolist()),
        parts=parts,
    )


def _open(name: str, layers: random_models.Layers) -> Model:
    """Open a model as `strop.load` would open it from a bundle."""
    kind, build = _ENGINES[name]
    data = build(layers)
    ends = (
        (random_models.INPUT, random_models.PIXELS),
        (random_models.OUTPUT, random_models.CLASSES),
    )
    (source,), (result,) = ((FileTensor(tensor, (None, size), "float32"),) for tensor, size in ends)
    variant = Variant(
        file=f"random.{kind}",
        sha256="",
        bytes=len(data),
        format=kind,
        precision=_PRECISION,
        devices=("cpu",),
        inputs=(source,),
        outputs=(result,),
        requires={},
        rounding=None,
        golden=(Golden(file="", sha256="", bytes=0, tolerance=(0.0,)),),
        proofs=(),
    )
    about = About(
        name="random",
        version=1,
        inputs=(InputSpec(source.name, source.shape, "uint8", (0, 255), ()),),
        outputs=(
            OutputSpec(result.name, result.shape, "float32", (0, 1), (), "class", False, None),
        ),
        engine_version=engines.get(name).version(),
    )
    opened_from = ModelSource(data, variant, name, engines.CPU, threads=1)
    return Model(opened_from, about, opened_from.open())


def _said(row: Row) -> str:
    """Describe a row in a line, for progress messages."""
    if row.absent:
        return row.absent
    return f"width {row.parts['width']:,.0f}, batch {row.batch:,}: {row.value:,.1f} us"


if __name__ == "__main__":
    sys.exit(main())
