"""Proving a bundle again, here: its golden samples on this device's own engines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop import engines, wheels
from strop.bundle import Bundle
from strop.errors import (
    BundleError,
    DeviceUnavailable,
    EngineUnavailable,
    InputError,
    ParityError,
    StropError,
)
from strop.manifest import FileRef, Golden, Variant
from strop.model import Model
from strop.select import Choice, choose, open_best, open_model
from strop.timing import Latency, measure

PASSED, FAILED, ABSENT, BROKEN = "passed", "FAILED", "absent", "BROKEN"


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
) -> list[Result]:
    """Replay the golden samples on every installed engine the bundle is proven on.

    A variant made for the GPU is replayed on the CPU and on the GPU; where there is none that is a
    line of its own.

    Args:
        engine: insist on this one: if it is absent that is an error, not a line.
        device: insist on "cpu" or "gpu", likewise; None or "auto": both.
        precision: only variants of this precision.

    Raises:
        EngineUnavailable: the engine asked for is not here, or none at all is.
        DeviceUnavailable: the GPU was asked for, and nothing can run there.
        InputError: there is no such device or precision.
        BundleError: the golden arrays are not what the manifest says.
    """
    if engine == engines.FAKE:
        raise EngineUnavailable("engine 'fake' makes its answers up: ask for a real one")
    engines.require_device(device)
    bundle.verify()
    if engine is not None or precision is not None:
        choose(bundle.manifest, engine=engine, precision=precision)  # refuses what cannot be had
    inputs, keras = golden(bundle)
    results = [
        _check_one(bundle, Choice(name, variant, where), inputs, keras)
        for name in bundle.manifest.engines
        for variant in bundle.manifest.variants
        for where in variant.devices
        if name in variant.engines
        and engine in (None, name)
        and precision in (None, variant.precision)
        and device in (None, engines.AUTO, where)
    ]
    if all(result.status == ABSENT for result in results):
        if device == engines.GPU:
            open_best(bundle, engine=engine, device=device, precision=precision)  # raises, says why
        choose(bundle.manifest)  # raises, and says what to install
    return results


def failures(results: list[Result]) -> list[Result]:
    """The results that condemn the device or the bundle; an absent engine does not."""
    return [result for result in results if result.status in (FAILED, BROKEN)]


def require(results: list[Result]) -> None:
    """Raise ParityError if any engine that is here gave wrong answers or none."""
    bad = failures(results)
    if bad:
        named = "; ".join(f"{r.engine} {r.precision}: {r.detail}" for r in bad)
        raise ParityError(f"{len(bad)} of {len(results)} checks failed: {named}")


def golden(bundle: Bundle) -> tuple[NDArray[Any], NDArray[Any]]:
    """The bundle's golden inputs, and Keras's outputs for them.

    Raises:
        BundleError: they are not what the manifest says.
    """
    refs = bundle.manifest.golden
    (input,), (output,) = bundle.manifest.inputs, bundle.manifest.outputs
    return (
        _array(bundle, refs.inputs, (refs.samples, *input.shape[1:]), input.dtype),
        _array(bundle, refs.keras, (refs.samples, *output.shape[1:]), output.dtype),
    )


def replay(
    model: Model, bundle: Bundle, variant: Variant, inputs: NDArray[Any], keras: NDArray[Any]
) -> Result:
    """Hold an open variant's answers against those proven at export; nothing is timed.

    The worse counts, of all samples in one call and of each in a call of its own.

    Args:
        inputs, keras: what `golden` gives.

    Raises:
        BundleError: the golden outputs are not what the manifest says.
        InputError: the model does not take the golden inputs.
        StropError: the engine failed while running.
    """
    expected = _array(bundle, variant.golden, keras.shape, "float32")
    device = engines.GPU if model.adapter else engines.CPU
    result = Result(model.engine, variant.precision, variant.format, device, BROKEN, "")
    # As a batch, and one by one as most apps have them: engines have other kernels for each.
    outputs = model.predict(inputs)
    if outputs.shape != expected.shape:
        return replace(result, detail=f"gives {outputs.shape} instead of {expected.shape}")
    singles = [model.predict(sample) for sample in inputs]
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


def _check_one(bundle: Bundle, choice: Choice, inputs: NDArray[Any], keras: NDArray[Any]) -> Result:
    engine, variant, device = choice
    kind = (variant.precision, variant.format, device)
    absent = Result(engine, *kind, ABSENT, "unknown to this strop")
    if engine not in engines.NAMES:
        return absent
    if not engines.is_installed(engine):
        return replace(absent, detail=wheels.remedy(engine, bundle.manifest.engines))
    try:
        with open_model(bundle, choice) as model:
            result = replay(model, bundle, variant, inputs, keras)
            if result.status == BROKEN:
                return result
            sample = inputs[:1]
            return replace(result, latency=measure(lambda: model.predict(sample)))
    except (BundleError, InputError):  # the golden samples, not the engine
        raise
    except DeviceUnavailable as error:
        return replace(absent, detail=str(error))
    except StropError as error:
        return replace(absent, status=BROKEN, detail=str(error))


def _array(
    bundle: Bundle, ref: FileRef | Golden, shape: tuple[int | None, ...], dtype: str
) -> NDArray[Any]:
    array = bundle.array(ref)
    if array.shape != shape or array.dtype != dtype:
        raise BundleError(
            f"{ref.file} is {array.dtype} {array.shape} instead of {dtype} {shape}; export again"
        )
    return array
