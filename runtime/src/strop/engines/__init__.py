"""The engines, by name. A module here is imported when its engine is asked for, never before."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from strop.bundle.structs import Struct
from strop.errors import EngineUnavailable, InputError, one_line

if TYPE_CHECKING:  # it needs numpy, and the names here are good without
    from importlib.machinery import ModuleSpec

    from strop.engines.base import Engine


class Entry(Struct):
    """The facts about an engine before its module, `strop.engines.NAME`, is imported."""

    package: str | None  # the module that must be installed; None: NumPy alone
    format: str | None  # of the files it opens; None: any
    devices: tuple[str, ...] = ("cpu",)  # where it runs
    takes_threads: bool = False  # whether `threads` makes any difference


TABLE = {
    "native": Entry("strop_native", "plan"),
    "litert": Entry("ai_edge_litert", "tflite", ("cpu", "gpu"), takes_threads=True),
    "tflite": Entry("tflite_runtime", "tflite", takes_threads=True),
    "onnx": Entry("onnxruntime", "onnx", ("cpu", "gpu"), takes_threads=True),
    "reference": Entry(None, "weights"),
    "fake": Entry(None, None),
}

NAMES = tuple(TABLE)
CPU, GPU, AUTO = "cpu", "gpu", "auto"
ASKABLE = (CPU, GPU, AUTO)  # what a caller may ask for; auto is the same as asking for nothing
FAKE = "fake"  # opens any variant, so no bundle lists it


def require_device(device: str | None) -> None:
    """Refuse a device that nobody can ask for.

    Args:
        device: "cpu", "gpu" or "auto"; or None, which leaves the choice to us.

    Raises:
        InputError: it is none of these.
    """
    if device not in (None, *ASKABLE):
        raise InputError(f"there is no device {device!r}", f"ask for one of {', '.join(ASKABLE)}")


def on_device(engine: str, device: str) -> str:
    """Name an engine on a device, as tables do: "onnx gpu", but only "onnx" on the CPU."""
    return engine if device == CPU else f"{engine} {device}"


def entry(name: str) -> Entry:
    """Look up an engine in the table.

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    try:
        return TABLE[name]
    except (KeyError, TypeError):  # or no text at all
        raise EngineUnavailable(
            f"there is no engine {name!r}", f"ask for one of {', '.join(NAMES)}"
        ) from None


def is_installed(name: str) -> bool:
    """Tell whether an engine's package is there.

    Nothing is imported, so this says nothing about whether the package works.

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    package = entry(name).package
    if package is None or sys.modules.get(package) is not None:
        return True
    return _find(package) is not None


def installed_release(name: str) -> str:
    """Return the name and version of an installed engine's package, as its installer recorded them.

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
    """Return the engine of that name, ready to open models.

    Raises:
        EngineUnavailable: there is no engine of that name, or its package is not installed, or it
            is installed and does not import; the message says how to mend it.
    """
    package = entry(name).package
    if not is_installed(name):
        raise not_installed(name)
    module = f"strop.engines.{name}"
    try:
        engine: Engine = importlib.import_module(module).ENGINE
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == module:
            raise EngineUnavailable(
                f"engine {name!r} is not part of this program: it has no module {module}",
                "build it with all modules of strop (PyInstaller: --collect-all strop)",
            ) from error
        raise EngineUnavailable(
            f"engine {name!r} is installed and broken: importing {package or module} gives "
            f"{type(error).__name__}: {one_line(str(error))}",
            "strop doctor says what to do about it",
        ) from error
    return engine


def not_installed(name: str, among: Collection[str] = NAMES) -> EngineUnavailable:
    """Make the error for an absent engine: how to install it, or what to use instead.

    Args:
        name: the absent engine.
        among: the engines that may be used instead.

    Raises:
        EngineUnavailable: there is no engine of that name.
    """
    from strop.device import wheels  # slow to import, and rarely wanted

    package = entry(name).package
    why, mend = wheels.remedy(name, among)
    problem = f"engine {name!r} is not installed (no package {package})"
    return EngineUnavailable(f"{problem}: {why}" if why else problem, mend)


def _find(package: str) -> ModuleSpec | None:
    """Find where a package would be imported from; return None if it is not there.

    `importlib.util` has this, and is slow to import. For a package that is imported already, this
    is where it came from, if it says so.
    """
    if package in sys.modules:
        return getattr(sys.modules[package], "__spec__", None)
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    specs = filter(None, (finder.find_spec(package, None, None) for finder in finders))
    # What has no loader has no code: a folder that was left when the package was uninstalled.
    return next((spec for spec in specs if spec.loader is not None), None)
