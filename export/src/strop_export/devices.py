"""The requirements files of devices: a target's lock and the wheels that ship, all with hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from strop.device.wheels import GPU_WHEELS, WHEELS
from strop_export.paths import REQUIREMENTS
from strop_export.targets import Target
from strop_export.wheels import NATIVE, Wheels

_NEWEST: Final = 'python_version >= "3.11"'  # the stable ABI that the native engine is compiled for


def native_machines(target: Target, wheels: Wheels) -> list[str]:
    """List the machines that get a wheel of the native engine: none if some run no Linux."""
    is_linux = all(platform.startswith("linux-") for platform in target.platforms)
    uses = is_linux and NATIVE in target.engines
    return [machine for machine in _machines(target) if uses and machine in wheels.native]


def requirements(target: Target, wheels: Wheels) -> bytes:
    """Return a target's requirements file.

    The lines name wheels in the current folder, so they have to lie there. The native engine has a
    line of its own for each machine: the extra that asks for it cannot be met on another one.

    Args:
        target: the target; its lock has the packages of its extra.
        wheels: the wheels that ship.
    """
    machines, native = _machines(target), native_machines(target, wheels)
    alone = [machine for machine in native if machine not in _machines_of(target.extra)]
    able = [machine for machine in machines if machine not in alone]
    lines = [
        _line(wheels.native[m], "", " and ".join(filter(None, (_marker([m], machines), _NEWEST))))
        for m in native
    ]
    if able:
        marker = _marker(able, machines) if alone else ""
        lines.append(_line(wheels.runtime, f"[{target.extra}]", marker))
    if alone:
        lines.append(_line(wheels.runtime, "", _marker(alone, machines)))
    lock = (REQUIREMENTS / target.requirements).read_text(encoding="ascii")
    return "".join((lock, *lines)).encode("ascii")


def _machines(target: Target) -> list[str]:
    return [platform.partition("-")[2] for platform in target.platforms]


def _machines_of(extra: str) -> set[str]:
    """Return the machines that have wheels of an extra's package."""
    return {
        machine for row in (*WHEELS, *GPU_WHEELS) if row.extra == extra for machine in row.glibc
    }


def _marker(some: Sequence[str], machines: Sequence[str]) -> str:
    """Return the marker that tells some of a target's machines from its others.

    A 32-bit system on a 64-bit kernel is an armv7l that says aarch64: an armv7l is any machine but
    the others.
    """
    if "armv7l" not in some:
        return " or ".join(f'platform_machine == "{machine}"' for machine in some)
    others = [machine for machine in machines if machine not in some]
    return " and ".join(f'platform_machine != "{machine}"' for machine in others)


def _line(wheel: Path, extras: str, marker: str) -> str:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    condition = f" ; {marker}" if marker else ""
    return f"./{wheel.name}{extras}{condition} \\\n    --hash=sha256:{digest}\n"
