"""The sizes of the packages and model files that a device needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks import packages
from benchmarks.cases import Case, installs
from benchmarks.crew import Crew
from benchmarks.peers import Absent
from benchmarks.results import STROP, Row
from strop import engines

_OURS = ("strop", "strop-native")  # packages that are installed apart from the others
_SOURCES = (".c", ".o")


def device_size(crew: Crew, case: Case) -> Row:
    """Return the row of MiB that pip installs for a case, with NumPy and without Python.

    The installed files are measured without bytecode, which Python may or may not write. Packages
    that only a workstation needs, such as a compiler, count only if an app imports them.

    Args:
        crew: the crew, which has the environments.
        case: the case.
    """
    names = ("numpy", *installs(case))
    ours = [name for name in names if name in _OURS]
    strop = crew.environments.strop
    try:
        folder = crew.environments.site_packages(case.environment)
        found = packages.closure((name for name in names if name not in ours), folder)
        total = packages.size_bytes(found, folder) + packages.size_bytes(ours, strop)
        extension = packages.size_bytes(ours, strop, (".so",))
    except (Absent, KeyError) as error:
        return case.row("device_size", absent=str(error))
    parts = {"packages": float(len(found))} | ({"extension": extension / 1000} if extension else {})
    return case.row("device_size", value=total / 2**20, parts=parts)


def model_size(crew: Crew, case: Case) -> Row:
    """Return the row of kB of the file that a case opens.

    Strop's bundle holds all precisions, and golden samples; the parts are the files in it that the
    case's engine opens.

    Args:
        crew: the crew, which builds the file if needed.
        case: the case.
    """
    built = crew.built(case)
    if built is None:
        return case.row("model_size", absent=crew.absent(case))
    made = built.seconds is not None
    size_bytes = _bytes(built.path) if made else built.path.stat().st_size
    parts = {}
    if case.kind == STROP:
        files = built.path.with_suffix("").glob(f"{engines.entry(case.engine).format}-*")
        parts = {file.stem: file.stat().st_size / 1000 for file in sorted(files)}
    return case.row("model_size", value=size_bytes / 1000, parts=parts)


def _bytes(path: Path) -> int:
    """Return the size of a file and of the files that belong to it.

    They include weights of the same name, but not the source.
    """
    files = [file for file in path.parent.glob(f"{path.stem}.*") if file.suffix not in _SOURCES]
    return sum(file.stat().st_size for file in files)


def one_of_each_file(cases: Iterable[Case]) -> list[Case]:
    """Return one case for each file: the first loop of a package that opens it.

    Each of Strop's bundles, which hold all precisions, occurs once.
    """
    found: dict[tuple[str, str, str], Case] = {}
    for case in cases:
        key = (case.module, case.engine, "" if case.kind == STROP else case.precision)
        found.setdefault(key, case)
    return list(found.values())
