"""The lowest releases of the engines that run a file, and whether a target's are new enough.

The tables in this folder hold the measurements of each release. An operator or opset that is in no
table counts as not supported, and so does a release older than all measured ones.
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
from strop.errors import either
from strop_export.errors import EngineTooOld, TargetError
from strop_export.floors.releases import PACKAGES
from strop_export.formats import VariantSpec
from strop_export.paths import FLOORS, REQUIREMENTS
from strop_export.targets import Target


@dataclass(frozen=True)
class Table:
    """The versions that the releases of one engine take.

    Attributes:
        releases: the measured releases, ascending.
        highest: for an operator, "opset" or "ir_version": release -> the highest version taken from
            that release on, until the next one listed.
    """

    releases: tuple[str, ...]  # those measured, ascending
    highest: Mapping[str, Mapping[str, int]]

    def takes(self, name: str, release: str) -> int:
        """Return the highest version of something that a release takes; 0 if none is known.

        Args:
            name: an operator, "opset" or "ir_version".
            release: any release of the engine, measured or not.
        """
        wanted = Version(release)
        since = [n for r, n in self.highest.get(name, {}).items() if Version(r) <= wanted]
        return since[-1] if since else 0

    def lowest(self, needs: Mapping[str, int]) -> str | None:
        """Return the lowest measured release that, like every later one, takes all of `needs`.

        Args:
            needs: name -> version.

        Returns:
            The release, or None if the newest measured one does not take all of them.
        """
        lowest = None
        for release in reversed(self.releases):
            if any(self.takes(name, release) < version for name, version in needs.items()):
                break
            lowest = release
        return lowest


@functools.cache
def read(engine: str) -> Table:
    """Read the table of an engine; an engine that was never measured has an empty one."""
    if engine not in PACKAGES:
        return Table((), {})
    content = tomllib.loads((FLOORS / f"{engine}.toml").read_text(encoding="ascii"))
    return Table(tuple(content["releases"]), content["highest"])


def lowest(engine: str, requires: Mapping[str, Any]) -> str | None:
    """Return the lowest release of an engine that runs a file, or None if none is known to.

    Args:
        engine: the engine's name.
        requires: the `requires` of the `Converted` file.
    """
    return read(engine).lowest(_needs(requires))


def floors(engines: Iterable[str], requires: Mapping[str, Any]) -> dict[str, str]:
    """Return the lowest release of each engine that runs a file.

    Args:
        engines: names of engines.
        requires: the `requires` of the `Converted` file.

    Returns:
        Engine -> release. An engine is left out if it was never measured, or if no release of it is
        known to run the file.
    """
    found = {engine: lowest(engine, requires) for engine in engines}
    return {engine: release for engine, release in found.items() if release is not None}


def check_pins(target: Target) -> None:
    """Check that the locks of a target pin its engines.

    Raises:
        TargetError: a lock does not pin its engine.
    """
    for engine in target.engines:
        if engine in PACKAGES:
            pinned(engine, _lock(target, engine))


def check(target: Target, spec: VariantSpec, requires: Mapping[str, Any]) -> None:
    """Check that every engine of a target runs a file, in the release that its devices get.

    Args:
        target: the target.
        spec: the format and precision of the file.
        requires: the `requires` of the `Converted` file.

    Raises:
        EngineTooOld: an engine does not run it; the message says what the file needs, what the
            release takes and how to fix it.
    """
    needs = _needs(requires)
    for engine in target.engines_of(spec) if needs else ():
        release = pinned(engine, _lock(target, engine))
        known = {name: read(engine).takes(name, release) for name in needs}
        lacking = [name for name, version in needs.items() if known[name] < version]
        if lacking:
            word = " version" if spec.format == "tflite" else ""
            said = ", ".join(
                f"{name}{word} {needs[name]} where {engine} {release} takes "
                + (f"{known[name]} at most" if known[name] else "no version known")
                for name in lacking
            )
            mends = _mends(target, spec, engine, lacking, lowest(engine, requires))
            raise EngineTooOld(f"{spec.format} {spec.precision} needs {said}", either(*mends))


def pinned(engine: str, lock: Path) -> str:
    """Return the release of an engine that a lock installs.

    If the release depends on the Python version, this is the lowest.

    Args:
        engine: the engine's name.
        lock: a requirements file with pinned versions.

    Raises:
        TargetError: the lock does not pin the engine's package.
    """
    package = PACKAGES.get(engine, engine)
    # Builds for GPUs have other names; in the same release they read the same files.
    starts = tuple(f"{name}==" for name in (package, *packages(engine)))
    pins = [
        pin.version
        for line in lock.read_text(encoding="ascii").splitlines()
        if line.startswith(starts)
        for pin in Requirement(line.rstrip(" \\")).specifier
    ]
    if not pins:
        raise TargetError(f"{lock.name} pins no {package}", "name the lock of the first engine")
    return min(pins, key=Version)


def _lock(target: Target, engine: str) -> Path:
    """Return the lock that a device installs for an engine.

    It is the target's own lock for the target's first engine that a lock pins, and the engine's for
    any other.
    """
    first = engine == next(name for name in target.engines if name in PACKAGES)
    return REQUIREMENTS / (target.requirements if first else f"{engine}.txt")


def _needs(requires: Mapping[str, Any]) -> Mapping[str, int]:
    """Return the versions to look up: operators of a .tflite file, or opset and IR version."""
    needs: Mapping[str, int] = requires.get("op_versions", requires)
    return needs


def _mends(
    target: Target, spec: VariantSpec, engine: str, lacking: list[str], release: str | None
) -> list[str]:
    file = f"{target.name}.toml"
    mends = []
    # In a dynamic file, per-channel scales need a version of FULLY_CONNECTED above 10.
    if spec.precision == "dynamic" and spec.per_channel and "FULLY_CONNECTED" in lacking:
        mends.append(f"set per_channel = false for it in {file}")
    if len(target.engines_of(spec)) > 1:
        mends.append(f"remove {engine} from the engines in {file}")
    else:
        mends.append(f"remove the variant from {file}")
    if release is not None:
        mends.append(f"lock {PACKAGES[engine]} {release} or newer")
    return mends
