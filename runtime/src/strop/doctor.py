"""Which engines work on this board, seen to work; and what to do about the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import strop
from strop import board, engines, wheels
from strop.board import Board
from strop.errors import one_line
from strop.probe import Outcome, probe

ABSENT, BROKEN, WORKS = "absent", "broken", "works"

ENGINES = tuple(name for name in engines.NAMES if name != engines.FAKE)


@dataclass(frozen=True)
class Finding:
    """What became of one engine. `reason` and `mend` are empty if it works."""

    engine: str
    status: str  # ABSENT, BROKEN or WORKS
    version: str  # of its package; empty where there is none to be had
    reason: str
    mend: str  # a command line, or what to use instead


def diagnose(
    here: Board, limit_s: float, *, tell: Callable[[str], None] = lambda engine: None
) -> list[Finding]:
    """Try each engine on its own, so that none can keep the others from being tried.

    Call it from a program with one thread: it forks.

    Args:
        here: what `board.read` says.
        limit_s: how long one engine may take.
        tell: called with each engine's name before it is tried.
    """
    findings = []
    for engine in ENGINES:
        tell(engine)
        findings.append(_examine(engine, here, limit_s))
    return findings


def no_numpy() -> str:
    """What there is to say, in one line, where numpy cannot be imported."""
    return f"{_numpy_trouble()}: {wheels.mend_numpy(board.read())}"


def _examine(engine: str, here: Board, limit_s: float) -> Finding:
    if engine != "reference" and not engines.is_installed(engine):
        reason = wheels.why_none(engine, here) or "not installed"
        return Finding(engine, ABSENT, "", reason, wheels.mend_absent(engine, here))
    if strop._numpy_error:
        status = ABSENT if engine == "reference" and _numpy_is_absent() else BROKEN
        return Finding(engine, status, _version(engine), _numpy_trouble(), wheels.mend_numpy(here))
    outcome = probe(engine, limit_s)
    version = outcome.version or _version(engine)
    if not outcome.error:
        return Finding(engine, WORKS, version, "", "")
    reason, mend = explain(engine, outcome, here)
    return Finding(engine, BROKEN, version, reason, mend)


def explain(engine: str, outcome: Outcome, here: Board) -> tuple[str, str]:
    """What a failed probe means, with the engine's own words, and the mend."""
    said = one_line(outcome.error)
    other = "use another engine, or reinstall this one"
    mend = wheels.mend_by_reinstalling(engine, here) if engine != "reference" else ""
    if outcome.timed_out:
        return said, f"give a slow board more time with --timeout; or {other}"
    if engine == "tflite" and not (here.numpy or "").startswith(("0.", "1.")):
        what = f"tflite-runtime 2.14 was built for numpy 1 and this is numpy {here.numpy}"
        return f"{what}: {said}", wheels.pip("'numpy<2'")
    if outcome.killed_by == "SIGILL":
        return f"{said}: this wheel was built for a newer CPU", "use another engine"
    if found := re.search(r"version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found", said):
        return (
            f"the package needs {found[1]}, and what this OS has is older: {said}",
            "update the OS, or use another engine",
        )
    if found := re.search(r"((lib[\w+-]+)\.so\.?(\d*)[\d.]*): cannot open shared object", said):
        library = found[1]
        package = f"{found[2]}{found[3]}".replace("_", "-")  # Debian has libgomp.so.1 in libgomp1
        install = f"sudo apt install {package}" if here.debian else f"install what has {library}"
        return f"the OS has no {library}, which the package needs: {said}", install
    if found := re.search(r"undefined symbol: (\w+)", said):
        return f"the package misses {found[1]} in another library's version here: {said}", mend
    if "ELF" in said or "Exec format" in said:
        return f"the package is damaged, or was made for another machine: {said}", mend
    return said, mend or other


def _version(engine: str) -> str:
    """The version of a package that may not even import, as its installer wrote it down."""
    try:
        return metadata.version(wheels.package(engine) if engine != "reference" else "numpy")
    except metadata.PackageNotFoundError:
        return ""


def _numpy_is_absent() -> bool:
    return strop._numpy_error.startswith("ModuleNotFoundError: No module named 'numpy'")


def _numpy_trouble() -> str:
    if _numpy_is_absent():
        return "numpy is not installed, and strop needs it"
    # numpy puts a page of advice before what went wrong.
    _, _, cause = strop._numpy_error.rpartition("Original error was: ")
    return f"numpy is installed and broken: {' '.join(cause.split())}"
