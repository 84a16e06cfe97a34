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

    The lines name wheels in the current folder, so they have to lie there.

    Args:
        target: the target; its lock has the packages of its extra.
        wheels: the wheels that ship.
    """
    machines, native = _machines(target), native_machines(target, wheels)
    lines = [_line(wheels.native[m], "", [*_markers([m], machines), _NEWEST]) for m in native]
    extra = f"[{NATIVE},{target.extra}]" if native else f"[{target.extra}]"
    alone = [m for m in native if m not in _machines_of(target.extra)]
    rest = [m for m in machines if m not in alone]
    if rest:
        lines.append(_line(wheels.runtime, extra, _markers(rest, machines) if alone else []))
    if alone:
        lines.append(_line(wheels.runtime, f"[{NATIVE}]", _markers(alone, machines)))
    lock = (REQUIREMENTS / target.requirements).read_text(encoding="ascii")
    return "".join((lock, *lines)).encode("ascii")


def _machines(target: Target) -> list[str]:
    return [platform.partition("-")[2] for platform in target.platforms]


def _machines_of(extra: str) -> set[str]:
    """Return the machines that have wheels of an extra's package."""
    return {
        machine for row in (*WHEELS, *GPU_WHEELS) if row.extra == extra for machine in row.glibc
    }


def _markers(some: Sequence[str], machines: Sequence[str]) -> list[str]:
    """Return the markers that tell some of a target's machines from the others.

    A 32-bit system on a 64-bit kernel is an armv7l that says aarch64, so armv7l is what no other
    machine is.
    """
    if "armv7l" in some:
        return [f'platform_machine != "{other}"' for other in machines if other not in some]
    return [" or ".join(f'platform_machine == "{machine}"' for machine in some)]


def _line(wheel: Path, extras: str, markers: Sequence[str]) -> str:
    marker = f" ; {' and '.join(markers)}" if markers else ""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"./{wheel.name}{extras}{marker} \\\n    --hash=sha256:{digest}\n"
