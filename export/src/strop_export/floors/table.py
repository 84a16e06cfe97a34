"""The lowest releases of the engines that run a file, and whether a target's are new enough.

The tables in this folder hold what was measured of each release. What no table has, an
operator, an opset or a release older than all, is taken by nobody: nothing is assumed.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from strop.device.wheels import packages
from strop_export.errors import EngineTooOld, TargetError
from strop_export.floors.releases import PACKAGES
from strop_export.formats import VariantSpec
from strop_export.paths import FLOORS, REQUIREMENTS
from strop_export.targets import Target


@dataclass(frozen=True)
class Table:
    """What the releases of one engine take.

    ``highest`` holds, for an operator, ``opset`` or ``ir_version``, the releases from which on
    another version is the highest.
    """

    releases: tuple[str, ...]  # those measured, ascending
    highest: Mapping[str, Mapping[str, int]]

    def takes(self, name: str, release: str) -> int:
        """The highest version of something that a release takes; 0: none that is known of."""
        wanted = Version(release)
        since = [n for r, n in self.highest.get(name, {}).items() if Version(r) <= wanted]
        return since[-1] if since else 0

    def lowest(self, needs: Mapping[str, int]) -> str | None:
        """The lowest measured release that takes all of it, as every later one does."""
        lowest = None
        for release in reversed(self.releases):
            if any(self.takes(name, release) < version for name, version in needs.items()):
                break
            lowest = release
        return lowest


@functools.cache
def table(engine: str) -> Table:
    """The table of an engine; an empty one if it was never measured."""
    if engine not in PACKAGES:
        return Table((), {})
    content = tomllib.loads((FLOORS / f"{engine}.toml").read_text(encoding="ascii"))
    return Table(tuple(content["releases"]), content["highest"])


def lowest(engine: str, requires: Mapping[str, Any]) -> str | None:
    """The lowest release of an engine that runs a file, or None if none is known to.

    Args:
        requires: of the `Converted` file.
    """
    return table(engine).lowest(_needs(requires))


def floors(engines: Iterable[str], requires: Mapping[str, Any]) -> dict[str, str]:
    """The lowest release of each engine; without those that need none, or that run it in none."""
    found = {engine: lowest(engine, requires) for engine in engines}
    return {engine: release for engine, release in found.items() if release is not None}


def check_pins(target: Target) -> None:
    """See that the locks of a target pin its engines.

    Raises:
        TargetError: one does not.
    """
    for engine in target.engines:
        if engine in PACKAGES:
            pinned(engine, _lock(target, engine))


def check(target: Target, spec: VariantSpec, requires: Mapping[str, Any]) -> None:
    """See that every engine of a target runs a file, in the release that its devices get.

    Raises:
        EngineTooOld: one does not; the message says what the file has, what the release takes
            and what would help.
    """
    needs = _needs(requires)
    for engine in target.engines_of(spec) if needs else ():
        release = pinned(engine, _lock(target, engine))
        known = {name: table(engine).takes(name, release) for name in needs}
        lacking = [name for name, version in needs.items() if known[name] < version]
        if lacking:
            word = " version" if spec.format == "tflite" else ""
            said = ", ".join(
                f"{name}{word} {needs[name]} where {engine} {release} takes "
                + (f"{known[name]} at most" if known[name] else "none that is known of")
                for name in lacking
            )
            mends = _mends(target, spec, engine, lacking, lowest(engine, requires))
            raise EngineTooOld(
                f"{spec.format} {spec.precision} needs {said}: {', or '.join(mends)}"
            )


def pinned(engine: str, lock: Path) -> str:
    """The release of an engine that a lock installs; the lowest, where it depends on the Python.

    Raises:
        TargetError: the lock does not pin it.
    """
    package = PACKAGES.get(engine, engine)
    # Builds for GPUs have other names: what reads a file is the same in the same release.
    starts = tuple(f"{name}==" for name in (package, *packages(engine)))
    pins = [
        pin.version
        for line in lock.read_text(encoding="ascii").splitlines()
        if line.startswith(starts)
        for pin in Requirement(line.rstrip(" \\")).specifier
    ]
    if not pins:
        raise TargetError(f"{lock.name} pins no {package}: name the lock of the first engine")
    return min(pins, key=Version)


def _lock(target: Target, engine: str) -> Path:
    """What a device installs: the target's own lock for its first engine, else the engine's."""
    first = engine == target.engines[0]
    return REQUIREMENTS / (target.requirements if first else f"{engine}.txt")


def _needs(requires: Mapping[str, Any]) -> Mapping[str, int]:
    """What a table is asked for: operators of a .tflite file, or opset and IR version."""
    needs: Mapping[str, int] = requires.get("op_versions", requires)
    return needs


def _mends(
    target: Target, spec: VariantSpec, engine: str, lacking: list[str], release: str | None
) -> list[str]:
    file = f"{target.name}.toml"
    mends = []
    # One scale a channel is what takes FULLY_CONNECTED past version 10 there.
    if spec.precision == "dynamic" and spec.per_channel and "FULLY_CONNECTED" in lacking:
        mends.append(f"set per_channel = false for it in {file}")
    if len(target.engines_of(spec)) > 1:
        mends.append(f"take {engine} out of the engines in {file}")
    else:
        mends.append(f"leave the variant out of {file}")
    if release is not None:
        mends.append(f"lock {PACKAGES[engine]} {release} or newer")
    return mends
