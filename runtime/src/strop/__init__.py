"""Run a proven model on an edge device.

import strop

with strop.load("mnist-mlp-cpu.strop") as model:
    probabilities = model.predict(images)  # uint8 (N, 28, 28) -> float32 (N, 10)
    print(model.classify("seven.png").label, model)
"""

from __future__ import annotations

from os import PathLike

from strop.errors import (
    BundleError,
    DeviceUnavailable,
    EngineUnavailable,
    InputError,
    ParityError,
    StropError,
)

# Type checkers take it for typing's, which would cost more than the rest of this import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from strop.model import Model, Prediction
else:

    def __getattr__(name: str) -> object:
        """Model and Prediction, when first asked for: they need numpy, which may be broken."""
        if name not in ("Model", "Prediction"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            from strop import model
        except Exception as error:
            raise _no_numpy(error) from error
        globals()[name] = getattr(model, name)  # the next one to ask finds it at once
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "DeviceUnavailable",
    "EngineUnavailable",
    "InputError",
    "Model",
    "ParityError",
    "Prediction",
    "StropError",
    "load",
]


def load(
    path: str | PathLike[str],
    *,
    engine: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Model:
    """Verify a bundle and open its best proven variant that can run here.

    With nothing asked, the first engine in the bundle's order that is installed runs the first
    variant proven on it; an engine that is installed and broken raises, it is never passed over.
    What is asked for is had or refused. What `strop tune` found for this bundle on this device
    goes before the bundle's order, among what is as asked for; if it is no longer true, it is
    ignored with a warning. `print(model)` says what really runs.

    Args:
        path: a .strop file.
        engine: "litert", "tflite", "onnx", "reference" or, for tests, "fake".
        device: "cpu"; "gpu", which means the GPU and nothing else: the whole model runs there,
            and `Model.device` names the adapter, or DeviceUnavailable is raised; or "auto", the
            default: what `strop tune` measured as fastest of both, and the CPU as long as it has
            not; large batches and large nets may be faster on a GPU.
        precision: "float32", "float16", "dynamic" or "int8".
        threads: threads the engine may use for one call, 1 or more; by default what tuning found,
            else 1, on which small nets are fastest.

    Raises:
        BundleError: the file is missing, damaged, tampered with, or of another schema.
        EngineUnavailable: the engine is unknown, absent or broken, or not in the bundle; or numpy
            is absent or broken.
        DeviceUnavailable: there is no such adapter here, or no engine that can use it for all of
            the model; the message says what was tried, and what would help.
        InputError: no variant of that precision, or a number of threads that is none.
    """
    try:
        from strop.bundle import open_bundle
        from strop.select import open_best
    except Exception as error:
        raise _no_numpy(error) from error
    return open_best(
        open_bundle(path), engine=engine, device=device, precision=precision, threads=threads
    )


def _no_numpy(error: Exception) -> EngineUnavailable:
    """What to raise where a module of ours does not import; they need nothing but numpy."""
    from strop import doctor

    return EngineUnavailable(doctor.no_numpy(error))
