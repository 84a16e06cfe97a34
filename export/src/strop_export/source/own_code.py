"""The user's own Python files: custom classes, and metrics."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from strop_export.errors import SourceError


def run_file(path: Path, option: str) -> ModuleType:
    """Run a Python file as a module.

    Args:
        path: the file.
        option: the option that names it, for messages.

    Raises:
        SourceError: it is not a Python file, or fails.
    """
    resolved = path.resolve()
    spec = importlib.util.spec_from_file_location(resolved.stem, resolved)
    if spec is None or spec.loader is None:
        raise SourceError(f"{option} {path} is not a Python file", "give a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(resolved.stem, module)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  the user's own code, which may end itself
        raise SourceError(f"{option} {path} fails: {reason(error)}", "mend the file") from None
    return module


def reason(error: BaseException) -> str:
    """Return an error of the user's code in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
