"""Replaying a bundle's golden samples: one variant on one engine, against what was proven."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop import engines
from strop.bundle.file import Bundle
from strop.bundle.manifest import FileRef, Golden, OutputSpec, Variant
from strop.diagnostics.timing import Latency
from strop.engines.batches import count, pick
from strop.errors import BundleError, DeviceUnavailable, InputError, StropError, message
from strop.model.model import Model
from strop.model.select import Choice, open_model
from strop.model.several import in_order

if TYPE_CHECKING:
    from strop.engines.base import Arrays

STATUSES = PASSED, FAILED, ABSENT, BROKEN = "passed", "FAILED", "absent", "BROKEN"


@dataclass(frozen=True)
class CheckResult:
    """One variant on one engine and device. Figures are None where it did not run."""

    engine: str
    precision: str
    format: str
    device: str  # "cpu" or "gpu"
    status: str  # passed | FAILED | absent | BROKEN
    detail: str  # the engine's version and its GPU, or why there is no figure
    mend: str = ""  # what to do about it
    # Against the outputs proven at export, and what that may be: where it is worst, measured by
    # what it may be.
    max_abs_error: float | None = None
    tolerance: float | None = None
    keras_agreement: float | None = None  # 0..1, of a first output that names a class; information
    latency: Latency | None = None  # one sample

    @property
    def text(self) -> str:
        """The detail and the mend, for people."""
        return message(self.detail, self.mend)


def broken(choice: Choice, error: StropError) -> CheckResult:
    """Return the result of a choice whose engine raised: BROKEN, or ABSENT without the device."""
    status = ABSENT if isinstance(error, DeviceUnavailable) else BROKEN
    return without_figures(choice, status, error.problem, error.mend)


def without_figures(choice: Choice, status: str, detail: str, mend: str = "") -> CheckResult:
    """Return the result of a choice that has no figures.

    Args:
        choice: what was tried.
        status: one of `STATUSES`.
        detail: why there is no figure.
        mend: what to do about it, where that is known.
    """
    variant = choice.variant
    kind = (choice.engine, variant.precision, variant.format, choice.device)
    return CheckResult(*kind, status, detail, mend)


def open_and_replay(
    bundle: Bundle,
    choice: Choice,
    inputs: Arrays,
    keras: Sequence[NDArray[Any]],
    *,
    threads: int = 1,
) -> tuple[CheckResult, Model | None]:
    """Open a choice and replay the golden samples; what the engine raises is a result, too.

    Args:
        bundle: verified.
        choice: what to open, and on what.
        inputs: the golden inputs, as `golden` gives them.
        keras: Keras's outputs for them, as `golden` gives them.
        threads: as `strop.load` has it.

    Returns:
        The result and the open model, which is None if it did not open.

    Raises:
        BundleError: the bundle is not what its manifest says; no engine is at fault.
    """
    model = None
    try:
        model = open_model(bundle, choice, threads=threads)
        result = replay(model, bundle, choice.variant, inputs, keras)
    except BaseException as error:
        if isinstance(error, StropError) and not isinstance(error, BundleError):
            return broken(choice, error), model
        if model:
            model.close()
        raise
    return result, model


def golden_inputs(bundle: Bundle) -> Arrays:
    """Read the bundle's golden inputs, as `Model.predict` takes them.

    Returns:
        (samples, ...); of several inputs a tuple of such arrays, in the manifest's order. Shapes
        and dtypes are the manifest's.

    Raises:
        BundleError: they are not what the manifest says, or not finite.
    """
    manifest = bundle.manifest
    samples = manifest.golden.samples
    inputs = []
    for ref, spec in zip(manifest.golden.inputs, manifest.inputs, strict=True):
        inputs.append(_array(bundle, ref, (samples, *spec.shape[1:]), spec.dtype))
        if not np.isfinite(inputs[-1]).all():
            raise BundleError(f"{ref.file} holds NaN or infinity", "export again")
    return tuple(inputs) if len(inputs) > 1 else inputs[0]


def golden(bundle: Bundle) -> tuple[Arrays, tuple[NDArray[Any], ...]]:
    """Read the bundle's golden inputs, and Keras's outputs for them.

    Returns:
        The inputs, as `golden_inputs` gives them; and each output, (samples, ...) of the manifest's
        shape and dtype, in its order.

    Raises:
        BundleError: they are not what the manifest says, or the inputs are not finite.
    """
    manifest = bundle.manifest
    samples = manifest.golden.samples
    inputs = golden_inputs(bundle)
    outputs = tuple(
        _array(bundle, ref, (samples, *spec.shape[1:]), spec.dtype)
        for ref, spec in zip(manifest.golden.keras, manifest.outputs, strict=True)
    )
    return inputs, outputs


def proven_outputs(bundle: Bundle, variant: Variant) -> tuple[NDArray[Any], ...]:
    """Read the outputs proven at export for the golden inputs, for one variant.

    Returns:
        Each output, (samples, ...) of the manifest's shape and dtype, in its order.

    Raises:
        BundleError: they are not what the manifest says.
    """
    samples = bundle.manifest.golden.samples
    return tuple(
        _array(bundle, ref, (samples, *spec.shape[1:]), spec.dtype)
        for ref, spec in zip(variant.golden, bundle.manifest.outputs, strict=True)
    )


def out_of_range(bundle: Bundle) -> dict[str, tuple[int, int]]:
    """Count the golden values outside of the range that a float input was proven on.

    Returns:
        For each float input that has a range, by its name: how many, and of how many.

    Raises:
        BundleError: the golden inputs are not what the manifest says, or not finite.
    """
    specs = bundle.manifest.inputs
    samples = golden_inputs(bundle)
    arrays = samples if isinstance(samples, tuple) else (samples,)
    found = {}
    for array, spec in zip(arrays, specs, strict=True):
        if spec.dtype == "float32" and spec.range:
            low, high = map(np.float32, spec.range)  # as exactly as the values themselves
            outside = np.count_nonzero((array < low) | (array > high))
            found[spec.name] = int(outside), array.size
    return found


def replay(
    model: Model,
    bundle: Bundle,
    variant: Variant,
    inputs: Arrays,
    keras: Sequence[NDArray[Any]],
) -> CheckResult:
    """Compare an open variant's answers with those proven at export; nothing is timed.

    The samples run all in one call, and each in a call of its own; the larger error counts.

    Args:
        model: the variant, open.
        bundle: the one it is from.
        variant: the one that is open.
        inputs: the golden inputs, as `golden` gives them.
        keras: Keras's outputs for them, as `golden` gives them.

    Raises:
        BundleError: the golden outputs are not what the manifest says.
        StropError: the engine failed while running.
    """
    specs = bundle.manifest.outputs
    expected = proven_outputs(bundle, variant)
    device = engines.GPU if model.adapter else engines.CPU
    result = CheckResult(model.engine, variant.precision, variant.format, device, BROKEN, "")
    # As a batch, and one by one as most apps have them: engines have other kernels for each.
    try:
        outputs = _ordered(model, inputs)
        singles = [_ordered(model, pick(inputs, i)) for i in range(count(inputs))]
    except InputError as error:  # they are what it takes, and it makes NaN of them
        return replace(result, detail=error.problem, mend=error.mend)
    worst = _Error(0.0, 0.0, 0.0)
    where = ""
    for i, (spec, proven, golden) in enumerate(zip(specs, expected, variant.golden, strict=True)):
        named = f"{spec.name} " if len(specs) > 1 else ""
        if outputs[i].shape != proven.shape:
            detail = f"{named}gives {outputs[i].shape} instead of {proven.shape}"
            return replace(result, detail=detail)
        for single in singles:
            if single[i].shape != (1, *proven.shape[1:]):
                return replace(result, detail=f"{named}gives {single[i].shape} for one sample")
        both = np.stack((outputs[i], np.concatenate([single[i] for single in singles])))
        found = _error(both, proven, golden.tolerance)
        if not i or found.share > worst.share:
            worst, where = found, named
    within = worst.share <= 1
    detail = (
        ", ".join(filter(None, (model.engine_version, model.adapter)))
        if within
        else f"{where}differs by {worst.error:.3g} from the outputs proven at export, "
        f"at most {worst.tolerance:.3g} allowed"
    )
    return replace(
        result,
        status=PASSED if within else FAILED,
        detail=detail,
        max_abs_error=worst.error,
        tolerance=worst.tolerance,
        keras_agreement=_agreement(outputs[0], keras[0], specs[0]),
    )


class _Error(NamedTuple):
    """The largest difference of an output from the proven one."""

    error: float  # absolute; infinite where one of both is not a number
    tolerance: float  # what it may be there
    share: float  # error / tolerance; above 1 it fails


def _error(outputs: NDArray[Any], proven: NDArray[Any], tolerance: tuple[float, ...]) -> _Error:
    """Compare (2, samples, ...) with (samples, ...); a tolerance may be of each last position."""
    difference = np.abs(outputs.astype(np.float64) - proven.astype(np.float64))
    allowed = np.broadcast_to(np.array(tolerance), difference.shape)
    if not np.isfinite(difference).all():
        return _Error(math.inf, float(allowed.max()), math.inf)
    # Where nothing at all is allowed, no difference is none of it, and any is too much.
    shares = np.where(difference > 0, math.inf, 0.0)
    np.divide(difference, allowed, out=shares, where=allowed > 0)
    share = shares.max()
    place = int(np.where(shares == share, difference, -1.0).argmax())
    return _Error(float(difference.flat[place]), float(allowed.flat[place]), float(share))


def _agreement(outputs: NDArray[Any], keras: NDArray[Any], spec: OutputSpec) -> float | None:
    """Return the share of samples that both name alike; None if the output names no class."""
    if spec.kind == "class":
        return float((outputs.argmax(-1) == keras.argmax(-1)).mean())
    if spec.kind == "binary" and spec.threshold is not None:
        return float(((outputs > spec.threshold) == (keras > spec.threshold)).mean())
    return None


def _ordered(model: Model, inputs: Any) -> tuple[NDArray[Any], ...]:
    return in_order(model.predict(inputs), model.outputs, model.structure)


def _array(
    bundle: Bundle, ref: FileRef | Golden, shape: tuple[int | None, ...], dtype: str
) -> NDArray[Any]:
    array = bundle.array(ref)
    if array.shape != shape or array.dtype != dtype:
        raise BundleError(
            f"{ref.file} is {array.dtype} {array.shape} instead of {dtype} {shape}",
            "export again",
        )
    return array
