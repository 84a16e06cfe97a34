"""The sizes of what a device needs: packages and model files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks import packages
from benchmarks.cases import STROP_MODULE, Case, installs
from benchmarks.crew import Crew
from benchmarks.peers import Absent
from benchmarks.results import Row

_SOURCES = (".c", ".o")


def device_size(crew: Crew, case: Case) -> Row:
    """Return the row of MiB of all that pip brings for a case, NumPy included and Python not.

    It is measured where it is installed, without bytecode, which Python may or may not write. What
    only a workstation needs, such as a compiler, is counted only if an app imports it.

    Args:
        crew: knows where the packages are.
        case: the case.
    """
    names = ("numpy", *installs(case))
    try:
        folder = crew.environments.site_packages(case.environment)
        bytes_of_strop = 0
        if case.module == STROP_MODULE:
            names = tuple(name for name in names if name != "strop")
            bytes_of_strop = packages.size_bytes(["strop"], crew.environments.strop)
        found = packages.closure(names, folder)
        total = packages.size_bytes(found, folder) + bytes_of_strop
    except (Absent, KeyError) as error:
        return case.row("device_size", absent=str(error))
    return case.row("device_size", value=total / 2**20, parts={"packages": float(len(found))})


def model_size(crew: Crew, case: Case) -> Row:
    """Return the row of kB of the file that a case opens.

    Strop's bundle holds all precisions, and golden samples.

    Args:
        crew: builds the file if need be.
        case: the case.
    """
    built = crew.built(case)
    if built is None:
        return case.row("model_size", absent=crew.absent(case))
    made = built.seconds is not None
    size_bytes = _bytes(built.path) if made else built.path.stat().st_size
    return case.row("model_size", value=size_bytes / 1000)


def _bytes(path: Path) -> int:
    """Return the size of a file and of the files that belong to it.

    Those are the weights of the same name, but not the source.
    """
    files = [file for file in path.parent.glob(f"{path.stem}.*") if file.suffix not in _SOURCES]
    return sum(file.stat().st_size for file in files)


def one_of_each_file(cases: Iterable[Case]) -> list[Case]:
    """Return one case for each file: the first loop of a package that opens it.

    Each of Strop's bundles, which hold all precisions, is there once.
    """
    found: dict[tuple[str, str, str], Case] = {}
    for case in cases:
        of_strop = case.module == STROP_MODULE
        key = (case.module, case.engine, "" if of_strop else case.precision)
        found.setdefault(key, case)
    return list(found.values())
