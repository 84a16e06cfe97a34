"""The engines, by name. A module here is imported when its engine is asked for, never before."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from strop.errors import EngineUnavailable, InputError

if TYPE_CHECKING:  # it needs numpy, and the names here are good without
    from importlib.machinery import ModuleSpec

    from strop.engines.base import Engine

# name -> (module here, module of the package that must be installed, None for numpy alone)
_TABLE = {
    "litert": ("strop.engines.litert", "ai_edge_litert"),
    "tflite": ("strop.engines.tflite", "tflite_runtime"),
    "onnx": ("strop.engines.onnx", "onnxruntime"),
    "reference": ("strop.engines.reference", None),
    "fake": ("strop.engines.fake", None),
}

NAMES = tuple(_TABLE)
CPU, GPU, AUTO = "cpu", "gpu", "auto"
ASKABLE = (CPU, GPU, AUTO)  # what a caller may insist on; auto is as good as saying nothing
FAKE = "fake"  # opens any variant, so no bundle lists it


def require_device(device: str | None) -> None:
    """Raise InputError unless that can be asked for; None, which leaves it to us, can."""
    if device not in (None, *ASKABLE):
        raise InputError(f"there is no device {device!r}; there are {', '.join(ASKABLE)}")


def on_device(engine: str, device: str) -> str:
    """An engine on a device, as tables have it: the CPU needs no word."""
    return engine if device == CPU else f"{engine} {device}"


def is_installed(name: str) -> bool:
    """Whether the engine's package is there. Imports nothing, so says nothing of its health.

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    _, package = _entry(name)
    if package is None or sys.modules.get(package) is not None:
        return True
    return _find(package) is not None


def installed_release(name: str) -> str:
    """Name and version of an installed engine's package, as its installer wrote them down.

    It imports no engine, nor importlib.metadata, which takes longer than all of `strop.load`. A
    package that no installer knows is "unknown".

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    _, package = _entry(name)
    package = package or "numpy"
    spec = _find(package)
    if spec is None or spec.origin is None:
        return "unknown"
    folder = os.path.dirname(os.path.dirname(spec.origin))  # noqa: PTH120  pathlib is slow to import
    try:
        names = [name for name in os.listdir(folder) if name.startswith(package)]  # noqa: PTH208
    except OSError:  # a package in a ZIP, say
        return "unknown"
    notes = [name for name in names if name.endswith((".dist-info", ".egg-info"))]
    return " ".join(sorted(note.rpartition(".")[0] for note in notes)) or "unknown"


def get(name: str) -> Engine:
    """The engine of that name, ready to open models.

    Raises:
        EngineUnavailable: there is no engine of that name, or its package is not installed, or it
            is installed and does not import; the message says how to mend it.
    """
    module, package = _entry(name)
    if not is_installed(name):
        raise not_installed(name)
    try:
        engine: Engine = importlib.import_module(module).ENGINE
    except Exception as error:
        raise EngineUnavailable(
            f"engine {name!r} is installed and broken: importing {package} gives "
            f"{type(error).__name__}: {error}"
        ) from error
    return engine


def not_installed(name: str, among: Collection[str] = NAMES) -> EngineUnavailable:
    """What to raise for an absent engine: how to install it, or what to use instead, `among` these.

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    from strop.device import wheels  # slow to import, and rarely wanted

    _, package = _entry(name)
    return EngineUnavailable(
        f"engine {name!r} is not installed (no package {package}): {wheels.remedy(name, among)}"
    )


def _find(package: str) -> ModuleSpec | None:
    """Where a package would be imported from; importlib.util has this, and is slow to import.

    Of one that is imported already it is where that came from, if it says so.
    """
    if package in sys.modules:
        return getattr(sys.modules[package], "__spec__", None)
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return next(filter(None, (finder.find_spec(package, None, None) for finder in finders)), None)


def _entry(name: str) -> tuple[str, str | None]:
    try:
        return _TABLE[name]
    except KeyError:
        raise EngineUnavailable(
            f"there is no engine {name!r}; there are {', '.join(NAMES)}"
        ) from None
