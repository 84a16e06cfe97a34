"""The user's own Python files: custom classes, and metrics."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from strop_export.errors import SourceError, reason

_NUMBERS = itertools.count(1)  # of the files run


class _Uncached(SourceFileLoader):
    """A loader without .pyc files, which do not tell two edits in one second apart."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def run_file(path: Path, option: str) -> ModuleType:
    """Run a Python file as a module, under a name that no other module has.

    Args:
        path: the file.
        option: the option that names it, for messages.

    Raises:
        SourceError: it is not a Python file, or fails.
    """
    resolved = path.resolve()
    if resolved.suffix != ".py":
        raise SourceError(f"{option} {path} is not a Python file", "give a file that ends with .py")
    name = f"_strop_own_{next(_NUMBERS)}_{resolved.stem}"
    loader = _Uncached(name, str(resolved))
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(resolved)))
    module.__file__ = str(resolved)
    sys.modules[name] = module  # dataclasses look there
    try:
        loader.exec_module(module)
    except BaseException as error:  # the user's own code, which may end itself
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise SourceError(f"{option} {path} fails: {reason(error)}", "mend the file") from None
    return module
