"""The wheels that devices get: the runtime's, and the native engine's for each machine."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from strop_export import runtime
from strop_export.errors import EngineMissing
from strop_export.paths import CARRIED, CHECKOUT

NATIVE: Final = "native"  # the engine's name
_FOLDER: Final = CHECKOUT / ".cache" / NATIVE if CHECKOUT else CARRIED
_LACKS: Final = ("-c", "from native import wheels; print(wheels.lacks())")  # in a checkout
_BUILD: Final = ("-m", "native.wheels", "--out", str(_FOLDER))


@dataclass(frozen=True)
class Wheels:
    """The wheels that devices get.

    Attributes:
        runtime: the runtime's.
        native: the native engine's, by machine ("armv7l"); empty if there are none.
        importable: the paths from which Python imports both on this machine.
    """

    runtime: Path
    native: dict[str, Path]
    importable: tuple[Path, ...]


def find_wheels(folder: Path) -> Wheels:
    """Find all wheels, or build them.

    Args:
        folder: an empty folder for what is made.
    """
    wheel = runtime.copy_wheel(folder)
    try:
        own = native_here()
    except EngineMissing:
        return Wheels(wheel, {}, (wheel,))
    unpacked = folder / NATIVE  # Python imports no extension from a wheel
    with zipfile.ZipFile(own) as file:
        file.extractall(unpacked)
    by_machine = {_machine(path): path for path in native_wheels()}
    return Wheels(wheel, by_machine, (wheel, unpacked))


def native_here() -> Path:
    """Return the native engine's wheel for this machine.

    Raises:
        EngineMissing: there is none.
    """
    tags = set(sys_tags())
    for wheel in native_wheels():
        if tags & parse_wheel_filename(wheel.name)[3]:
            return wheel
    if native_wheels():
        raise EngineMissing(
            "the native engine has no wheel for this machine",
            "export on x86-64 or Arm, on a Linux with glibc",
        )
    raise EngineMissing(f"there is no native engine: {_why_none()}", "export again after that")


def native_wheels() -> tuple[Path, ...]:
    """Return the native engine's wheels, one for each machine; none if they cannot be built here.

    `make setup` builds them in a checkout. If they are not there, this does: it takes minutes.
    """
    _why_none()
    return tuple(sorted(_FOLDER.glob("strop_native-*.whl")))


@functools.cache
def _why_none() -> str:
    """Say why there are no wheels of the native engine; "" if there are."""
    if any(_FOLDER.glob("strop_native-*.whl")):
        return ""
    if not CHECKOUT:
        return "build this exporter with it: make wheel, where there is a compiler"
    if lacks := _run(_LACKS).stdout.strip():
        return lacks
    return "its C code does not compile: make setup says why" if _run(_BUILD).returncode else ""


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def _machine(wheel: Path) -> str:
    """Return the machine that a wheel is for: armv7l of manylinux_2_17_armv7l."""
    (tag,) = parse_wheel_filename(wheel.name)[3]
    found = re.fullmatch(r"(?:many)?linux_(?:\d+_\d+_)?(\w+)", tag.platform)
    assert found  # noqa: S101  `native.wheels` names them so
    return found[1]
