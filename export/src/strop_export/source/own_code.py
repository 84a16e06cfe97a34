"""The user's own Python files: custom classes, and metrics."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

from strop_export.errors import SourceError, reason

_NUMBERS = itertools.count(1)  # of the files run


def run_file(path: Path, option: str) -> ModuleType:
    """Run a Python file as a module, under a name that no other module has.

    Args:
        path: the file.
        option: the option that names it, for messages.

    Raises:
        SourceError: it is not a Python file, or fails.
    """
    resolved = path.resolve()
    name = f"_strop_own_{next(_NUMBERS)}_{resolved.stem}"
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise SourceError(f"{option} {path} is not a Python file", "give a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # the user's own code, which may end itself
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise SourceError(f"{option} {path} fails: {reason(error)}", "mend the file") from None
    return module
