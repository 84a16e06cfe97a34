"""The command of a process that runs a module of this package."""

from __future__ import annotations

import sys


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package with this Python.

    Args:
        module: its name inside the package.
        *arguments: the module's own.
    """
    # -P: a file beside the user's is no module of ours, whatever its name.
    return [sys.executable, "-P", "-m", f"{__package__}.{module}", *arguments]
