"""What pip has installed in an environment: versions, and how much a package brings with it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@cache
def _installed(site_packages: Path) -> dict[str, Distribution]:
    found = distributions(path=[str(site_packages)])
    return {canonicalize_name(one.metadata["Name"]): one for one in found}


def versions(site_packages: Path) -> dict[str, str]:
    """name -> version of everything in a folder of packages."""
    return {name: one.version for name, one in sorted(_installed(site_packages).items())}


def closure(names: Iterable[str], site_packages: Path) -> list[str]:
    """The packages, and those that they ask for, and so on: what `pip install` would bring.

    Raises:
        KeyError: one of them is not there.
    """
    python = site_packages.parent.name.removeprefix("python")
    here = _installed(site_packages)
    wanted, found = [Requirement(name) for name in names], dict[str, None]()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if name in found and extras == {""}:
            continue
        found[name] = None
        for line in here[name].requires or ():
            asked = Requirement(line)
            if asked.marker is None or any(
                asked.marker.evaluate({"extra": extra, "python_version": python})
                for extra in extras
            ):
                wanted.append(asked)
    return sorted(found)


def size_bytes(names: Iterable[str], site_packages: Path) -> int:
    """Bytes of all files that packages have installed, Python's bytecode apart."""
    total = 0
    for name in names:
        for file in _installed(site_packages)[name].files or ():
            path = Path(str(file.locate()))
            if path.suffix != ".pyc" and path.is_file():
                total += path.stat().st_size
    return total
