"""The engines, by name. A module here is imported when its engine is asked for, never before."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from strop.bundle.structs import Struct
from strop.errors import EngineUnavailable, InputError

if TYPE_CHECKING:  # it needs numpy, and the names here are good without
    from importlib.machinery import ModuleSpec

    from strop.engines.base import Engine


class Entry(Struct):
    """What is known of an engine before its module, `strop.engines.NAME`, is imported."""

    package: str | None  # the module that must be installed; None: NumPy alone
    format: str | None  # of the files it opens; None: any
    devices: tuple[str, ...] = ("cpu",)  # where it runs
    takes_threads: bool = False  # whether `threads` makes any difference


TABLE = {
    "litert": Entry("ai_edge_litert", "tflite", ("cpu", "gpu"), takes_threads=True),
    "tflite": Entry("tflite_runtime", "tflite", takes_threads=True),
    "onnx": Entry("onnxruntime", "onnx", ("cpu", "gpu"), takes_threads=True),
    "reference": Entry(None, "weights"),
    "fake": Entry(None, None),
}

NAMES = tuple(TABLE)
CPU, GPU, AUTO = "cpu", "gpu", "auto"
ASKABLE = (CPU, GPU, AUTO)  # what a caller may insist on; auto is as good as saying nothing
FAKE = "fake"  # opens any variant, so no bundle lists it


def require_device(device: str | None) -> None:
    """Raise InputError unless that can be asked for; None, which leaves it to us, can."""
    if device not in (None, *ASKABLE):
        raise InputError(f"there is no device {device!r}", f"there are {', '.join(ASKABLE)}")


def on_device(engine: str, device: str) -> str:
    """An engine on a device, as tables have it: the CPU needs no word."""
    return engine if device == CPU else f"{engine} {device}"


def entry(name: str) -> Entry:
    """Look an engine up.

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    try:
        return TABLE[name]
    except KeyError:
        raise EngineUnavailable(
            f"there is no engine {name!r}", f"there are {', '.join(NAMES)}"
        ) from None


def is_installed(name: str) -> bool:
    """Whether the engine's package is there. Imports nothing, so says nothing of its health.

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    package = entry(name).package
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
    package = entry(name).package
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
    package = entry(name).package
    if not is_installed(name):
        raise not_installed(name)
    try:
        engine: Engine = importlib.import_module(f"strop.engines.{name}").ENGINE
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

    package = entry(name).package
    why, mend = wheels.remedy(name, among)
    problem = f"engine {name!r} is not installed (no package {package})"
    return EngineUnavailable(f"{problem}: {why}" if why else problem, mend)


def _find(package: str) -> ModuleSpec | None:
    """Where a package would be imported from; importlib.util has this, and is slow to import.

    Of one that is imported already it is where that came from, if it says so.
    """
    if package in sys.modules:
        return getattr(sys.modules[package], "__spec__", None)
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return next(filter(None, (finder.find_spec(package, None, None) for finder in finders)), None)
