"""The native engine's wheel for each machine, compiled from the checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.machine import CACHE
from lab.steps import locked, make
from native import wheels


def build(machine: str) -> Path | None:
    """Compile the wheel for a machine, unless that is done already.

    Args:
        machine: one of `native.build.MACHINES`.

    Returns:
        The wheel; None if this workstation cannot compile: `native.wheels.lacks` says why.

    Raises:
        LabError: it does not compile.
    """
    if wheels.lacks():
        return None
    folder = CACHE / "native" / machine
    sources = [path.read_text(encoding="utf-8") for path in wheels.sources()]
    with locked(folder.with_suffix(".lock")):  # boards of one machine share it
        make(folder, *sources, by=lambda out: _compile(machine, out))
    [wheel] = folder.glob("*.whl")
    return wheel


def _compile(machine: str, folder: Path) -> None:
    try:
        wheels.build(machine, folder)
    except subprocess.CalledProcessError:  # the compiler's words are on stderr
        raise LabError(f"the native engine does not compile for {machine}: see above") from None
