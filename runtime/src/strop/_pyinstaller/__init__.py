"""PyInstaller's hook for Strop, which it finds by the entry point `pyinstaller40`."""

from __future__ import annotations

import os


def hook_dirs() -> list[str]:
    """Return the folder of the hooks."""
    return [os.path.dirname(__file__)]  # noqa: PTH120
