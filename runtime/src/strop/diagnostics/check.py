"""Checking a bundle on this device: its golden samples, on the installed engines.

An engine's parser is native code. A digest shows that a file is unchanged, not that it is harmless.
So `check` can run each engine in a separate process, and a crash is one of the results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from strop import engines
from strop.bundle.file import Bundle
from strop.device import wheels
from strop.diagnostics.apart import NoAnswer, ask, can_ask, spare_memory_bytes
from strop.diagnostics.replay import (
    ABSENT,
    BROKEN,
    FAILED,
    PASSED,
    STATUSES,
    CheckResult,
    broken,
    golden,
    open_and_replay,
    without_figures,
)
from strop.diagnostics.timing import Latency, measure, sample_us
from strop.errors import (
    BundleError,
    DeviceUnavailable,
    EngineUnavailable,
    ParityError,
    StropError,
    warn,
)
from strop.model.select import Choice, choose, open_best
from strop.model.several import first
from strop.model.unavailable import no_gpu

_TIMED_CALLS = 500
_TIMING_S = 5  # a slow model is called less often: its time limit is for what hangs
_LONGEST_TEXT = 2000  # characters; what an engine says may quote a whole file


def check(
    bundle: Bundle,
    *,
    engine: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    limit_s: float | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> list[CheckResult]:
    """Replay the golden samples on every installed engine the bundle is proven on.

    A variant made for the GPU is replayed on the CPU and on the GPU; if there is no GPU, a result
    of its own says so.

    Args:
        bundle: verified; every member is checked against the manifest first.
        engine: only this one; if it is absent, that is an error, not a result.
        device: only "cpu" or only "gpu", likewise; None or "auto": both.
        precision: only variants of this precision.
        limit_s: run each engine on each file in a separate process, with so many seconds and
            the memory that is free here. One that crashes, hangs or needs more is BROKEN, and one
            that hung is not tried on that device again. It forks, so the program must have one
            thread and must not have used a GPU. None: open the files in this process.
        progress: called with a line before each step.

    Returns:
        A result for each engine, variant and device that the arguments leave in, in the bundle's
        order.

    Raises:
        EngineUnavailable: the engine asked for is not here, or none at all is.
        DeviceUnavailable: the GPU was asked for, and nothing can run there.
        InputError: there is no such device or precision.
        BundleError: the golden arrays are not what the manifest says, or not finite.
    """
    if engine == engines.FAKE:
        raise EngineUnavailable("engine 'fake' makes up its answers", "ask for a real one")
    engines.require_device(device)
    bundle.check_digests()
    if engine is not None or precision is not None:
        choose(bundle.manifest, engine=engine, precision=precision)  # refuses what cannot be had
    prove: Callable[[Choice], CheckResult] = partial(_prove, bundle, *golden(bundle))
    if limit_s is not None and not can_ask():
        warn("this system has no fork: engines run in this process, without limits")
    elif limit_s is not None:
        prove = _Apart(prove, limit_s)
    planned = [
        Choice(name, variant, where)
        for name in bundle.manifest.engines
        for variant in bundle.manifest.variants
        for where in variant.devices
        if name in variant.engines
        and engine in (None, name)
        and precision in (None, variant.precision)
        and device in (None, engines.AUTO, where)
    ]
    results = []
    for number, choice in enumerate(planned, 1):
        progress(
            f"checking {engines.on_device(choice.engine, choice.device)} "
            f"{choice.variant.precision}, {number} of {len(planned)}"
        )
        results.append(_check_one(bundle, choice, prove))
    if all(result.status == ABSENT for result in results):
        if device == engines.GPU and results:
            each = {result.engine: result for result in reversed(results)}
            raise no_gpu([_why_absent(result) for result in reversed(each.values())])
        if device == engines.GPU:  # no file is for it, so that none is opened here
            open_best(bundle, engine=engine, device=device, precision=precision)  # raises, says why
        choose(bundle.manifest)  # raises, and says what to install
    return results


def failures(results: list[CheckResult]) -> list[CheckResult]:
    """Return the results that failed; an absent engine is no failure."""
    return [result for result in results if result.status in (FAILED, BROKEN)]


def require(results: list[CheckResult]) -> None:
    """Raise if any engine here gave wrong answers or none.

    Raises:
        ParityError: it names the first of them.
    """
    bad = failures(results)
    if bad:
        worst, *others = bad
        more = f"; and {len(others)} more: strop check BUNDLE lists them" if others else ""
        raise ParityError(
            f"{len(bad)} of {len(results)} checks failed: {worst.engine} {worst.precision}: "
            f"{worst.text}{more}"
        )


def _check_one(
    bundle: Bundle, choice: Choice, prove: Callable[[Choice], CheckResult]
) -> CheckResult:
    engine = choice.engine
    if engine not in engines.NAMES:
        return without_figures(choice, ABSENT, "unknown to this strop")
    if not engines.is_installed(engine):
        return without_figures(choice, ABSENT, *wheels.remedy(engine, bundle.manifest.engines))
    return prove(choice)


def _why_absent(result: CheckResult) -> StropError:
    name = result.engine
    if name in engines.NAMES and engines.is_installed(name):  # it names itself
        return DeviceUnavailable(result.detail, result.mend)
    return EngineUnavailable(f"{name}: {result.detail or 'not installed'}", result.mend)


def _prove(bundle: Bundle, inputs: Any, keras: Any, choice: Choice) -> CheckResult:
    """Open a choice, replay the golden samples, and time it."""
    result, model = open_and_replay(bundle, choice, inputs, keras)
    if model is None:
        return result
    with model:
        if result.status not in (PASSED, FAILED):
            return result
        try:
            return replace(result, latency=_latency(partial(model.predict, first(inputs))))
        except StropError as error:
            return broken(choice, error)


class _Apart:
    """Checks each choice in a separate process; if there is no answer, the result says why."""

    def __init__(self, prove: Callable[[Choice], CheckResult], limit_s: float) -> None:
        self._prove = prove
        self._limit_s = limit_s
        # Engines that lived through it are imported here too, which takes longer than all the rest.
        self._imported: set[str] = set()
        self._hung: dict[tuple[str, str], str] = {}  # engine and device, to the file it hung on

    def __call__(self, choice: Choice) -> CheckResult:
        on = choice.engine, choice.device
        if on in self._hung:  # a bundle may hold hundreds of such files
            return without_figures(choice, BROKEN, f"not tried: it hung on {self._hung[on]}")
        if choice.engine in self._imported:
            engines.get(choice.engine)
        question = partial(_as_json, self._prove, choice)
        try:
            answer = ask(question, self._limit_s, spare_bytes=spare_memory_bytes())
            result = _from_json(choice, answer)
        except NoAnswer as no_answer:
            if no_answer.timed_out:
                self._hung[on] = choice.variant.file
            return without_figures(choice, BROKEN, str(no_answer))
        if result.status in (PASSED, FAILED):
            self._imported.add(choice.engine)
        return result


def _as_json(prove: Callable[[Choice], CheckResult], choice: Choice) -> dict[str, Any]:
    """Check a choice; return the result, or the refusal of the bundle, in JSON's types."""
    try:
        result = prove(choice)
    except BundleError as error:
        refused = [text[:_LONGEST_TEXT] for text in (error.problem, error.mend)]
        return {"refused": refused}
    short = {name: getattr(result, name)[:_LONGEST_TEXT] for name in ("detail", "mend")}
    return asdict(replace(result, **short))


def _from_json(choice: Choice, said: Any) -> CheckResult:
    """Read the answer of `_as_json`.

    Raises:
        BundleError: the bundle was refused.
        NoAnswer: it is anything else; an engine may have written over memory that is not its own.
    """
    try:
        if "refused" in said:
            problem, mend = map(str, said["refused"])
            raise BundleError(problem, mend)
        status = STATUSES[STATUSES.index(said["status"])]
        result = without_figures(choice, status, str(said["detail"]), str(said["mend"]))
        if status not in (PASSED, FAILED):
            return result
        p50_us, p95_us, p99_us, samples = map(float, said["latency"])
        agreement = said["keras_agreement"]
        return replace(
            result,
            max_abs_error=float(said["max_abs_error"]),
            tolerance=float(said["tolerance"]),
            keras_agreement=None if agreement is None else float(agreement),
            latency=Latency(p50_us, p95_us, p99_us, int(samples)),
        )
    except (LookupError, TypeError, ValueError, OverflowError):
        raise NoAnswer("gave an invalid answer") from None


def _latency(call: Callable[[], object]) -> Latency:
    (once_us,) = sample_us(call, samples=1, warmup=1)
    samples = min(max(int(_TIMING_S * 1e6 / once_us), 10), _TIMED_CALLS)
    return measure(call, samples=samples, warmup=samples // 10)
