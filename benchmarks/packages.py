"""The packages that pip has installed in an environment: versions, dependencies and sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """Return name -> version of everything in a folder of packages."""
    return {name: one.version for name, one in sorted(_installed(site_packages).items())}


def closure(names: Iterable[str], site_packages: Path) -> list[str]:
    """Return the packages with all their dependencies, as `pip install` would install them.

    Args:
        names: requirements, in pip's form.
        site_packages: the folder where they are installed.

    Returns:
        Normalized names, sorted.

    Raises:
        KeyError: one of them is not installed.
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


def size_bytes(names: Iterable[str], site_packages: Path, suffixes: Sequence[str] = ()) -> int:
    """Return the size of all files of some packages, without Python's bytecode.

    Args:
        names: normalized names of packages.
        site_packages: the folder where they are installed.
        suffixes: count only files that end so; () counts all.
    """
    total = 0
    for name in names:
        for file in _installed(site_packages)[name].files or ():
            path = Path(str(file.locate()))
            counts = path.suffix in suffixes if suffixes else path.suffix != ".pyc"
            if counts and path.is_file():
                total += path.stat().st_size
    return total
