"""Which engine, precision and number of threads is fastest here, among those that pass."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strop import engines
from strop.bundle.file import Bundle
from strop.device import cpu
from strop.diagnostics.replay import PASSED, CheckResult, golden, open_and_replay
from strop.diagnostics.timing import Latency, side_by_side
from strop.errors import EngineUnavailable, InputError, ParityError, printable
from strop.model import tuned
from strop.model.model import Model
from strop.model.select import Choice, open_best
from strop.model.several import repeated

# Candidates nearer to each other than this are equally fast: about what the ratio of two of them
# moves by from one run to the next (docs/decisions/0013-tune.md).
NOISE = 0.05

Timer = Callable[[Sequence[Callable[[], object]]], list[Latency]]


@dataclass(frozen=True)
class TuneResult:
    """The result of one candidate: a variant on an engine with so many threads."""

    file: str
    threads: int
    version: str | None  # of the engine; None if it did not open the file
    adapter: str  # the GPU that ran it; empty on the CPU
    checked: CheckResult  # with `latency` if it passed


def tune(
    bundle: Bundle,
    *,
    device: str | None = None,
    threads: Sequence[int] | None = None,
    batch: int = 1,
    timer: Timer | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> list[TuneResult]:
    """Replay the golden samples on every candidate, and time those that pass against each other.

    Args:
        bundle: verified.
        device: only candidates on the "cpu" or the "gpu"; None or "auto": on both, where a variant
            is made for both.
        threads: the numbers of threads to try; None: 1, 2, 4 and so on, up to the usable CPUs.
        batch: samples per call; a GPU is faster only with many.
        timer: what times calls, one Latency each; None: `side_by_side`.
        progress: called with a line before each step.

    Returns:
        The candidates, best first, then those that did not pass.

    Raises:
        DeviceUnavailable: no variant of the bundle is made for the device asked for.
        EngineUnavailable: none of the bundle's engines is installed.
        InputError: there is no such device, or a number of threads is below 1 or above the usable
            CPUs.
        BundleError: the golden arrays are not what the manifest says.
    """
    cores = cpu.this_cpu().cores
    for count in threads or ():
        if not 1 <= count <= cores:
            raise InputError(
                f"{count} threads were asked for and this process may use {cores} CPUs",
                f"ask for 1 to {cores}",
            )
    engines.require_device(device)
    planned = [
        (choice, count)
        for choice, count in _planned(bundle, sorted(set(threads or _thread_counts(cores))))
        if device in (None, engines.AUTO, choice.device)
    ]
    if not planned:
        open_best(bundle, device=device)  # raises, and says what to install
    inputs, keras = golden(bundle)
    samples = repeated(inputs, batch)
    candidates: list[TuneResult] = []
    calls = []
    with contextlib.ExitStack() as opened:
        for number, (choice, count) in enumerate(planned, 1):
            progress(
                f"checking {engines.on_device(choice.engine, choice.device)} "
                f"{choice.variant.precision}, threads={count}, {number} of {len(planned)}"
            )
            candidate, model = _prove(bundle, choice, count, inputs, keras)
            candidates.append(candidate)
            if model:
                opened.enter_context(model)
                calls.append(functools.partial(model.predict, samples))
        timer = timer or functools.partial(side_by_side, progress=progress)
        latencies = iter(timer(calls) if calls else ())
    passed = [_timed(c, next(latencies)) for c in candidates if c.checked.status == PASSED]
    return ranked(passed) + [c for c in candidates if c.checked.status != PASSED]


def ranked(passed: Sequence[TuneResult]) -> list[TuneResult]:
    """Order candidates best first; of those that are equally fast, within `NOISE`, by preference.

    Each place goes to the most preferred of those that are as fast as the fastest one left.

    Args:
        passed: timed candidates, in order of preference.
    """
    rest = [(c.checked.latency.p50_us, c) for c in passed if c.checked.latency]
    best_first = []
    while rest:
        bound = min(p50_us for p50_us, _ in rest) * (1 + NOISE)
        best = next(entry for entry in rest if entry[0] <= bound)
        rest.remove(best)
        best_first.append(best[1])
    return best_first


def require_winner(candidates: Sequence[TuneResult]) -> TuneResult:
    """Return the best of what `tune` gives, or raise if it did not pass.

    Args:
        candidates: one or more, best first.

    Raises:
        ParityError: none of them passed.
    """
    best = candidates[0]
    if best.checked.status != PASSED:
        raise ParityError(
            f"none of {len(candidates)} candidates gives the outputs proven at export, so none is "
            "remembered",
            "run strop check, which says more",
        )
    return best


def rows(candidates: Sequence[TuneResult]) -> list[tuned.Row]:
    """Return the rows to remember: one for each candidate that passed."""
    return [
        tuned.Row(
            c.checked.engine,
            c.file,
            c.checked.precision,
            c.checked.format,
            c.checked.device,
            printable(c.adapter),  # records take no other text
            c.threads,
            round(c.checked.latency.p50_us, 3),
        )
        for c in candidates
        if c.checked.latency
    ]


def _planned(bundle: Bundle, counts: Sequence[int]) -> list[tuple[Choice, int]]:
    """List the candidates in order of preference: the bundle's own, the CPU, then fewer threads."""
    planned = []
    for engine in tuned.installed(bundle.manifest):
        devices, takes_threads = _traits(engine)
        for variant in bundle.manifest.variants:
            if engine not in variant.engines:
                continue
            for device in variant.devices:
                if device in devices:
                    several = takes_threads and device == engines.CPU
                    choice = Choice(engine, variant, device)
                    planned += [(choice, count) for count in (counts if several else (1,))]
    return planned


def _traits(engine: str) -> tuple[tuple[str, ...], bool]:
    """Return where an engine runs, and whether the number of threads matters to it."""
    try:
        engines.get(engine)
    except EngineUnavailable:  # broken: one line says so as well as three
        return (engines.CPU,), False
    entry = engines.entry(engine)
    return entry.devices, entry.takes_threads


def _thread_counts(cores: int) -> list[int]:
    """List the powers of two below the number of cores, and that number."""
    return [*(2**i for i in range(cores.bit_length()) if 2**i < cores), cores]


def _prove(
    bundle: Bundle,
    choice: Choice,
    threads: int,
    inputs: Any,
    keras: Any,
) -> tuple[TuneResult, Model | None]:
    """Open a candidate and replay the golden samples; the model comes open if they pass."""
    checked, model = open_and_replay(bundle, choice, inputs, keras, threads=threads)
    version, adapter = (model.engine_version, model.adapter) if model else (None, "")
    result = TuneResult(choice.variant.file, threads, version, adapter, checked)
    if model and checked.status != PASSED:
        model.close()
        model = None
    return result, model


def _timed(candidate: TuneResult, latency: Latency) -> TuneResult:
    return replace(candidate, checked=replace(candidate.checked, latency=latency))
