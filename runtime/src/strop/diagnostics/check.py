"""Proving a bundle again, here: its golden samples on this device's own engines.

An engine's parser is native code, and a digest says who wrote a file's bytes, never that they are
harmless. So `check` can give each engine a process of its own, whose death is an answer too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop import engines
from strop.bundle.file import Bundle
from strop.bundle.manifest import FileRef, Golden, Variant
from strop.device import wheels
from strop.diagnostics.apart import NoAnswer, ask, spare_memory_bytes
from strop.diagnostics.timing import Latency, measure, sample_us
from strop.errors import (
    BundleError,
    DeviceUnavailable,
    EngineUnavailable,
    InputError,
    ParityError,
    StropError,
)
from strop.model.model import Model
from strop.model.select import NO_GPU, Choice, choose, open_best, open_model

_STATUSES = PASSED, FAILED, ABSENT, BROKEN = "passed", "FAILED", "absent", "BROKEN"

_TIMED_CALLS = 500
_TIMING_S = 5  # a slow model is called less often: its time limit is for what hangs
_LONGEST_DETAIL = 2000  # characters; what an engine says may quote a whole file


@dataclass(frozen=True)
class Result:
    """One engine on one variant. Figures are None where the variant did not run."""

    engine: str
    precision: str
    format: str
    device: str  # "cpu" or "gpu"
    status: str  # passed | FAILED | absent | BROKEN
    detail: str  # the engine's version and its GPU, or why there is no figure
    max_abs_error: float | None = None  # against the outputs proven at export
    tolerance: float | None = None  # what that may be
    keras_agreement: float | None = None  # 0..1, top class, for information
    latency: Latency | None = None  # one sample


def check(
    bundle: Bundle,
    *,
    engine: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    limit_s: float | None = None,
) -> list[Result]:
    """Replay the golden samples on every installed engine the bundle is proven on.

    A variant made for the GPU is replayed on the CPU and on the GPU; where there is none that is a
    line of its own.

    Args:
        engine: insist on this one: if it is absent that is an error, not a line.
        device: insist on "cpu" or "gpu", likewise; None or "auto": both.
        precision: only variants of this precision.
        limit_s: let each engine open each file in a process of its own, with so much time and the
            memory that is to spare here; one that dies, hangs or wants more is BROKEN, and one that
            hung is not tried on that device again. It forks, so the program has one thread and has
            not used a GPU. None: open them in this process.

    Raises:
        EngineUnavailable: the engine asked for is not here, or none at all is.
        DeviceUnavailable: the GPU was asked for, and nothing can run there.
        InputError: there is no such device or precision.
        BundleError: the golden arrays are not what the manifest says, or not finite.
    """
    if engine == engines.FAKE:
        raise EngineUnavailable("engine 'fake' makes its answers up: ask for a real one")
    engines.require_device(device)
    bundle.check_digests()
    if engine is not None or precision is not None:
        choose(bundle.manifest, engine=engine, precision=precision)  # refuses what cannot be had
    inputs, keras = golden(bundle)
    prove: Callable[[Choice], Result] = partial(_prove, bundle, inputs, keras)
    if limit_s is not None:
        prove = _Apart(prove, limit_s)
    results = [
        _check_one(bundle, Choice(name, variant, where), prove)
        for name in bundle.manifest.engines
        for variant in bundle.manifest.variants
        for where in variant.devices
        if name in variant.engines
        and engine in (None, name)
        and precision in (None, variant.precision)
        and device in (None, engines.AUTO, where)
    ]
    if all(result.status == ABSENT for result in results):
        if device == engines.GPU and results:
            first = {result.engine: result for result in reversed(results)}
            reasons = "; ".join(map(_why_absent, reversed(first.values())))
            raise DeviceUnavailable(f"{NO_GPU}: {reasons}")
        if device == engines.GPU:  # no file is for it, so that none is opened here
            open_best(bundle, engine=engine, device=device, precision=precision)  # raises, says why
        choose(bundle.manifest)  # raises, and says what to install
    return results


def failures(results: list[Result]) -> list[Result]:
    """The results that condemn the device or the bundle; an absent engine does not."""
    return [result for result in results if result.status in (FAILED, BROKEN)]


def require(results: list[Result]) -> None:
    """Raise ParityError, which names the first, if any engine here gave wrong answers or none."""
    bad = failures(results)
    if bad:
        first, *others = bad
        more = f"; and {len(others)} more: strop check BUNDLE lists them" if others else ""
        raise ParityError(
            f"{len(bad)} of {len(results)} checks failed: {first.engine} {first.precision}: "
            f"{first.detail}{more}"
        )


def golden(bundle: Bundle) -> tuple[NDArray[Any], NDArray[Any]]:
    """The bundle's golden inputs, and Keras's outputs for them.

    Raises:
        BundleError: they are not what the manifest says, or the inputs are not finite.
    """
    refs = bundle.manifest.golden
    (input,), (output,) = bundle.manifest.inputs, bundle.manifest.outputs
    inputs = _array(bundle, refs.inputs, (refs.samples, *input.shape[1:]), input.dtype)
    if not np.isfinite(inputs).all():
        raise BundleError(f"{refs.inputs.file} holds NaN or infinity; export again")
    return inputs, _array(bundle, refs.keras, (refs.samples, *output.shape[1:]), output.dtype)


def replay(
    model: Model, bundle: Bundle, variant: Variant, inputs: NDArray[Any], keras: NDArray[Any]
) -> Result:
    """Hold an open variant's answers against those proven at export; nothing is timed.

    The worse counts, of all samples in one call and of each in a call of its own.

    Args:
        inputs, keras: what `golden` gives.

    Raises:
        BundleError: the golden outputs are not what the manifest says.
        StropError: the engine failed while running.
    """
    expected = _array(bundle, variant.golden, keras.shape, "float32")
    device = engines.GPU if model.adapter else engines.CPU
    result = Result(model.engine, variant.precision, variant.format, device, BROKEN, "")
    # As a batch, and one by one as most apps have them: engines have other kernels for each.
    try:
        outputs = model.predict(inputs)
        singles = [model.predict(sample) for sample in inputs]
    except InputError as error:  # they are what it takes, and it makes NaN of them
        return replace(result, detail=str(error))
    if outputs.shape != expected.shape:
        return replace(result, detail=f"gives {outputs.shape} instead of {expected.shape}")
    for single in singles:
        if single.shape != (1, *expected.shape[1:]):
            return replace(result, detail=f"gives {single.shape} for one sample")
    both = np.stack((outputs, np.concatenate(singles)))
    difference = np.abs(both.astype(np.float64) - expected)
    error_found = float(difference.max()) if np.isfinite(difference).all() else float("inf")
    within = error_found <= variant.golden.tolerance
    detail = (
        ", ".join(filter(None, (model.engine_version, model.adapter)))
        if within
        else f"differs by {error_found:.3g} from the outputs proven at export, "
        f"at most {variant.golden.tolerance:.3g} allowed"
    )
    return replace(
        result,
        status=PASSED if within else FAILED,
        detail=detail,
        max_abs_error=error_found,
        tolerance=variant.golden.tolerance,
        keras_agreement=float((outputs.argmax(-1) == keras.argmax(-1)).mean()),
    )


def _check_one(bundle: Bundle, choice: Choice, prove: Callable[[Choice], Result]) -> Result:
    engine = choice.engine
    if engine not in engines.NAMES:
        return _result(choice, ABSENT, "unknown to this strop")
    if not engines.is_installed(engine):
        return _result(choice, ABSENT, wheels.remedy(engine, bundle.manifest.engines))
    return prove(choice)


def _why_absent(result: Result) -> str:
    name = result.engine
    is_here = name in engines.NAMES and engines.is_installed(name)
    return result.detail if is_here else f"{name}: {result.detail}"  # one that is names itself


def _prove(bundle: Bundle, inputs: NDArray[Any], keras: NDArray[Any], choice: Choice) -> Result:
    """Open, replay and time."""
    try:
        with open_model(bundle, choice) as model:
            result = replay(model, bundle, choice.variant, inputs, keras)
            if result.status == BROKEN:
                return result
            sample = inputs[:1]
            return replace(result, latency=_latency(lambda: model.predict(sample)))
    except BundleError:  # the bundle, not the engine
        raise
    except DeviceUnavailable as error:
        return _result(choice, ABSENT, str(error))
    except StropError as error:
        return _result(choice, BROKEN, str(error))


class _Apart:
    """Proves each choice in a process of its own, whose death is a result."""

    def __init__(self, prove: Callable[[Choice], Result], limit_s: float) -> None:
        self._prove = prove
        self._limit_s = limit_s
        # Engines that lived through it are imported here too, which takes longer than all the rest.
        self._imported: set[str] = set()
        self._hung: dict[tuple[str, str], str] = {}  # engine and device, to the file it hung on

    def __call__(self, choice: Choice) -> Result:
        on = choice.engine, choice.device
        if on in self._hung:  # a bundle may hold hundreds of such files
            return _result(choice, BROKEN, f"not tried: it hung on {self._hung[on]}")
        if choice.engine in self._imported:
            engines.get(choice.engine)
        tell = partial(_tell, self._prove, choice)
        try:
            result = _heard(choice, ask(tell, self._limit_s, spare_bytes=spare_memory_bytes()))
        except NoAnswer as death:
            if death.timed_out:
                self._hung[on] = choice.variant.file
            return _result(choice, BROKEN, str(death))
        if result.status in (PASSED, FAILED):
            self._imported.add(choice.engine)
        return result


def _tell(prove: Callable[[Choice], Result], choice: Choice) -> dict[str, Any]:
    """What becomes of a choice, in JSON's types."""
    try:
        result = prove(choice)
    except BundleError as error:
        return {"refused": str(error)[:_LONGEST_DETAIL]}
    return asdict(replace(result, detail=result.detail[:_LONGEST_DETAIL]))


def _heard(choice: Choice, told: Any) -> Result:
    """What `_tell` told; it is no answer if an engine that went astray has told something else."""
    try:
        if "refused" in told:
            raise BundleError(str(told["refused"]))
        status = _STATUSES[_STATUSES.index(told["status"])]
        result = _result(choice, status, str(told["detail"]))
        if status not in (PASSED, FAILED):
            return result
        p50_us, p95_us, p99_us, samples = map(float, told["latency"])
        return replace(
            result,
            max_abs_error=float(told["max_abs_error"]),
            tolerance=float(told["tolerance"]),
            keras_agreement=float(told["keras_agreement"]),
            latency=Latency(p50_us, p95_us, p99_us, int(samples)),
        )
    except (LookupError, TypeError, ValueError, OverflowError):
        raise NoAnswer("gave an answer that makes no sense") from None


def _result(choice: Choice, status: str, detail: str) -> Result:
    variant = choice.variant
    return Result(choice.engine, variant.precision, variant.format, choice.device, status, detail)


def _latency(call: Callable[[], object]) -> Latency:
    (once_us,) = sample_us(call, samples=1, warmup=1)
    samples = min(max(int(_TIMING_S * 1e6 / once_us), 10), _TIMED_CALLS)
    return measure(call, samples=samples, warmup=samples // 10)


def _array(
    bundle: Bundle, ref: FileRef | Golden, shape: tuple[int | None, ...], dtype: str
) -> NDArray[Any]:
    array = bundle.array(ref)
    if array.shape != shape or array.dtype != dtype:
        raise BundleError(
            f"{ref.file} is {array.dtype} {array.shape} instead of {dtype} {shape}; export again"
        )
    return array
