"""What `predict` costs over an engine's own raw loop: same file, same image, turn about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.raw_loops import LOOPS
from strop.bundle import open_bundle
from strop.select import choose, open_model
from strop.timing import Latency, sample_us, summarize


@dataclass(frozen=True)
class Overhead:
    """One engine and precision, one image, one thread; durations in microseconds."""

    engine: str
    engine_version: str
    precision: str
    predict: Latency
    raw: Latency
    overhead_us: float  # median over rounds of (predict's median - the raw loop's median)
    ratio: float  # median over rounds of predict's median / the raw loop's median


def measure(
    bundle_path: Path, engine: str, precision: str, *, rounds: int = 40, calls: int = 250
) -> Overhead:
    """Time both in rounds A B A B, so that what the machine does meanwhile hits both alike.

    Raises:
        StropError: the bundle, engine or precision cannot be had.
        ArithmeticError: the two do not give the same answer, so timing them means nothing.
    """
    bundle = open_bundle(bundle_path)
    choice = choose(bundle.manifest, engine=engine, precision=precision)
    image = np.ascontiguousarray(bundle.array(bundle.manifest.golden.inputs)[:1])
    raw = LOOPS[engine](bundle.read(choice.variant))
    with open_model(bundle, choice) as model:
        predict = model.predict
        if not np.array_equal(predict(image), raw(image)):
            raise ArithmeticError(f"{engine} {precision}: predict and the raw loop differ")
        ours, theirs = [], []
        for number in range(rounds + 1):
            a = sample_us(lambda: predict(image), samples=calls, warmup=calls // 10)
            b = sample_us(lambda: raw(image), samples=calls, warmup=calls // 10)
            if number:  # the first round warms up
                ours.append(a)
                theirs.append(b)
        medians = np.array(
            [(np.median(a), np.median(b)) for a, b in zip(ours, theirs, strict=True)]
        )
        return Overhead(
            engine=engine,
            engine_version=model.engine_version,
            precision=precision,
            predict=summarize(np.concatenate(ours)),
            raw=summarize(np.concatenate(theirs)),
            overhead_us=float(np.median(medians[:, 0] - medians[:, 1])),
            ratio=float(np.median(medians[:, 0] / medians[:, 1])),
        )
