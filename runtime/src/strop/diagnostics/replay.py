"""Replaying a bundle's golden samples: one variant on one engine, against what was proven."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop import engines
from strop.bundle.file import Bundle
from strop.bundle.manifest import FileRef, Golden, Variant
from strop.diagnostics.timing import Latency
from strop.errors import BundleError, DeviceUnavailable, InputError, StropError, message
from strop.model.model import Model
from strop.model.select import Choice, open_model

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
    max_abs_error: float | None = None  # against the outputs proven at export
    tolerance: float | None = None  # what that may be
    keras_agreement: float | None = None  # 0..1, top class, for information
    latency: Latency | None = None  # one sample

    @property
    def text(self) -> str:
        """The detail and the mend, for people."""
        return message(self.detail, self.mend)


def broken(choice: Choice, error: StropError) -> CheckResult:
    """Give the result of a choice whose engine raised: BROKEN, or ABSENT if it lacks the device."""
    status = ABSENT if isinstance(error, DeviceUnavailable) else BROKEN
    return without_figures(choice, status, error.problem, error.mend)


def without_figures(choice: Choice, status: str, detail: str, mend: str = "") -> CheckResult:
    """Give the result of a choice of which there are no figures.

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
    inputs: NDArray[Any],
    keras: NDArray[Any],
    *,
    threads: int = 1,
) -> tuple[CheckResult, Model | None]:
    """Open a choice and replay the golden samples; what the engine raises is a result, too.

    Args:
        bundle: verified.
        choice: what to open, and on what.
        inputs: the golden inputs, as `golden` gives them, (samples, ...) of the model's dtype.
        keras: Keras's outputs for them, as `golden` gives them, float32 (samples, classes).
        threads: as `strop.load` has it.

    Returns:
        The result; and the model, open, also where it failed to run: None if it did not open.

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


def golden(bundle: Bundle) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read the bundle's golden inputs, and Keras's outputs for them.

    Returns:
        The inputs, uint8, int8 or float32 (samples, ...), and the outputs, float32 (samples,
        classes); shapes and dtypes are the manifest's.

    Raises:
        BundleError: they are not what the manifest says, or the inputs are not finite.
    """
    refs = bundle.manifest.golden
    (input,), (output,) = bundle.manifest.inputs, bundle.manifest.outputs
    inputs = _array(bundle, refs.inputs, (refs.samples, *input.shape[1:]), input.dtype)
    if not np.isfinite(inputs).all():
        raise BundleError(f"{refs.inputs.file} holds NaN or infinity", "export again")
    return inputs, _array(bundle, refs.keras, (refs.samples, *output.shape[1:]), output.dtype)


def replay(
    model: Model, bundle: Bundle, variant: Variant, inputs: NDArray[Any], keras: NDArray[Any]
) -> CheckResult:
    """Compare an open variant's answers with those proven at export; nothing is timed.

    The samples run all in one call, and each in a call of its own; the larger error counts.

    Args:
        model: the variant, open.
        bundle: the one it is from.
        variant: the one that is open.
        inputs: the golden inputs, as `golden` gives them, (samples, ...) of the model's dtype.
        keras: Keras's outputs for them, as `golden` gives them, float32 (samples, classes).

    Raises:
        BundleError: the golden outputs are not what the manifest says.
        StropError: the engine failed while running.
    """
    expected = _array(bundle, variant.golden, keras.shape, "float32")
    device = engines.GPU if model.adapter else engines.CPU
    result = CheckResult(model.engine, variant.precision, variant.format, device, BROKEN, "")
    # As a batch, and one by one as most apps have them: engines have other kernels for each.
    try:
        outputs = model.predict(inputs)
        singles = [model.predict(sample) for sample in inputs]
    except InputError as error:  # they are what it takes, and it makes NaN of them
        return replace(result, detail=error.problem, mend=error.mend)
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
