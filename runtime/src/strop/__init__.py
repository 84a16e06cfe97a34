"""Run a proven model on an edge device.

Open a bundle, and call its model:

    import strop

    with strop.load("mnist-mlp-cpu.strop") as model:
        probabilities = model.predict(images)  # uint8 (N, 28, 28) -> float32 (N, 10)
        print(model.classify("seven.png").label, model)
"""

from __future__ import annotations

from os import PathLike

# Type checkers take it for typing's, which would cost more than the rest of this import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from strop.bundle.counts import Counts
    from strop.errors import (
        BlankPicture,
        BundleError,
        DeviceUnavailable,
        EngineUnavailable,
        InputError,
        InstallError,
        ParityError,
        StropError,
        StropWarning,
    )
    from strop.install.watched import Watched
    from strop.model.model import Model
    from strop.model.prediction import LabelSet, Prediction
    from strop.versions import __version__ as __version__
else:
    # Public name -> the module that has it, imported when the name is first asked for: importing
    # strop costs an app next to nothing, and some of these need numpy, which may be broken.
    _PUBLIC = {
        "BlankPicture": "strop.errors",
        "BundleError": "strop.errors",
        "Counts": "strop.bundle.counts",
        "DeviceUnavailable": "strop.errors",
        "EngineUnavailable": "strop.errors",
        "InputError": "strop.errors",
        "InstallError": "strop.errors",
        "LabelSet": "strop.model.prediction",
        "Model": "strop.model.model",
        "ParityError": "strop.errors",
        "Prediction": "strop.model.prediction",
        "StropError": "strop.errors",
        "StropWarning": "strop.errors",
        "Watched": "strop.install.watched",
        "__version__": "strop.versions",
        "errors": "strop.errors",  # the module
    }

    def __getattr__(name: str) -> object:
        """Import a public name, and keep it for later look-ups."""
        if name not in _PUBLIC:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            module = import_module(_PUBLIC[name])
            value = module if name == "errors" else getattr(module, name)
        except Exception as error:
            raise _no_numpy(error) from error
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "BlankPicture",
    "BundleError",
    "Counts",
    "DeviceUnavailable",
    "EngineUnavailable",
    "InputError",
    "InstallError",
    "LabelSet",
    "Model",
    "ParityError",
    "Prediction",
    "StropError",
    "StropWarning",
    "Watched",
    "load",
    "watch",
]


def load(
    path: str | PathLike[str],
    *,
    engine: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    sessions: int | None = None,
    trusted_keys: str | PathLike[str] | Sequence[str] | None = None,
    count_every: int | None = None,
) -> Model:
    """Verify a bundle and open its best proven variant that can run here.

    By default, the first installed engine in the bundle's order runs the first variant proven on
    it. If that engine is broken, `load` raises an error; it does not try the next one. It follows
    each argument or raises an error. Among variants that match, the result of `strop tune` on this
    device takes precedence over the bundle's order. If that result no longer applies, `load`
    ignores it with a warning. `print(model)` shows the variant and engine that run.

    Args:
        path: a .strop file; or a folder that `strop install` keeps, for the bundle installed there.
        engine: "litert", "tflite", "onnx", "reference" or, for tests, "fake".
        device: "cpu"; "gpu", where the whole model runs on the GPU that `Model.device` names, or
            DeviceUnavailable is raised; or "auto", the default: the fastest that `strop tune`
            found, and the CPU until it has run. A GPU may be faster for large batches or networks.
        precision: "float32", "float16", "dynamic", "int8", "int16x8" or "mixed".
        threads: threads the engine may use for one call, 1 or more; by default what tuning found,
            else 1, on which small networks are fastest.
        sessions: calls that may run at the same time on an engine that takes one caller at a time
            (LiteRT, tflite-runtime), 1 or more. Each takes separate memory when calls first
            overlap. By default the number of usable CPUs, at most 4.
        trusted_keys: who may have signed the bundle: the path of a file of public keys, or a list
            of the keys themselves; any other bundle is refused. By default the file that the
            environment variable STROP_TRUSTED_KEYS names, else /etc/strop/trusted-keys if it is
            there; with neither, signatures are ignored.
        count_every: have the model count what it meets and answers, for `Model.counts`: one call
            of so many, at random, 1 to 1,000,000,000. At 1,000 that costs some 0.1 microseconds a
            call. By default it does not count.

    Returns:
        The open model; close it, or use it in a `with`.

    Raises:
        BundleError: the file is missing, damaged, tampered with, or of another schema; or trust is
            configured, and the bundle is not signed by a trusted key, or that cannot be verified;
            or it is to count, and the bundle is of an export that made no profile.
        EngineUnavailable: the engine is unknown, absent or broken, or not in the bundle; or numpy
            is absent or broken.
        DeviceUnavailable: there is no such adapter here, or no engine that can use it for all of
            the model; the message says what was tried, and what would help.
        InputError: there is no variant of that precision or no such device, or `threads`,
            `sessions` or `count_every` is not a positive integer.
    """
    import sys

    from strop.errors import StropError, let_handlers_raise

    try:
        from strop.bundle.open import open_bundle
        from strop.model.select import open_best
    except Exception as error:
        raise _no_numpy(error) from error
    try:
        return open_best(
            open_bundle(path, trusted_keys),
            engine=engine,
            device=device,
            precision=precision,
            threads=threads,
            sessions=sessions,
            count_every=count_every,
        )
    except StropError as error:
        let_handlers_raise(error, sys._getframe())
        raise


def watch(folder: str | PathLike[str], *, interval_s: float = 1.0, **options: Any) -> Watched:
    """Open the bundle installed in a folder, and switch to each bundle installed there later.

    No call is lost: the new bundle is opened and tried in the background, and running calls end on
    the model they began on. If the new bundle cannot be opened, or has other shapes, labels or
    another range, the old one stays in use, and a StropWarning and `Watched.error` say why. After a
    failure that may pass, such as a lack of memory, it is tried again.

    Args:
        folder: a folder that `strop install` keeps.
        interval_s: seconds between two checks; a check costs some microseconds.
        options: engine, device, precision, threads, sessions, trusted_keys, count_every, as `load`
            has them. The counts of a new bundle begin at zero.

    Returns:
        The current model; close it, or use it in a `with`.

    Raises:
        InputError: `folder` is not a folder, or `interval_s` is not a finite time above 0.
        StropError: the installed bundle cannot be opened; the errors are those of `load`.
    """
    import sys

    from strop.errors import StropError, let_handlers_raise

    try:
        from strop.install.watched import Watched
    except Exception as error:
        raise _no_numpy(error) from error
    try:
        return Watched(folder, interval_s, **options)
    except StropError as error:
        let_handlers_raise(error, sys._getframe())
        raise


def _no_numpy(error: Exception) -> EngineUnavailable:
    """Return the error for a module of ours that does not import; they need only numpy."""
    import sys

    from strop.diagnostics.doctor import no_numpy
    from strop.errors import EngineUnavailable, let_handlers_raise

    let_handlers_raise(error, sys._getframe(1))
    return EngineUnavailable(*no_numpy(error))
