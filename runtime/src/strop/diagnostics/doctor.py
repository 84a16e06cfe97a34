"""Which engines work on this board, by trying each; and what to do about the rest."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata

from strop import engines
from strop.device import adapters, board, wheels
from strop.device.adapters import Adapter
from strop.device.board import Board
from strop.diagnostics.apart import NoAnswer, ask
from strop.diagnostics.probe import ProbeResult, probe
from strop.errors import one_line, root_cause

ABSENT, BROKEN, WORKS = "absent", "broken", "works"

ENGINES = tuple(name for name in engines.NAMES if name != engines.FAKE)


@dataclass(frozen=True)
class EngineResult:
    """The result of one engine on one device. `reason` and `mend` are empty if it works."""

    engine: str
    device: str  # "cpu" or "gpu"
    status: str  # ABSENT, BROKEN or WORKS; a GPU that the engine refuses is ABSENT
    version: str  # of its package; empty where there is none to be had
    reason: str = ""
    mend: str = ""  # a command line, or what to use instead
    adapter: str = ""  # the GPU that it was seen to work on


@dataclass(frozen=True)
class Diagnosis:
    """The doctor's findings."""

    board: Board
    adapters: tuple[Adapter, ...]  # the GPUs that drivers offer
    driver_troubles: tuple[str, ...]  # drivers that crashed or hung, and how
    results: tuple[EngineResult, ...]


def diagnose(limit_s: float, *, progress: Callable[[str], None] = lambda engine: None) -> Diagnosis:
    """Describe this board, and try each engine in a separate process.

    A crash of one engine does not keep the others from being tried. The reference goes first: it is
    numpy alone, and without numpy no other engine works. If numpy can be imported, it is imported
    here too: the description of the board uses it, and the other engines' processes inherit it. An
    engine that works is tried on the GPU as well, if it can use one and there is one.

    Call it from a program with one thread: it forks.

    Args:
        limit_s: how long one engine may take, in seconds.
        progress: called with the name of what is tried next.
    """
    progress("reference")
    numpy = probe("reference", limit_s)
    if numpy.version:
        importlib.import_module("numpy")
    here = board.read()
    progress("GPU")
    gpus, troubles = _gpus(limit_s)
    results = []
    for engine in ENGINES:
        if not engines.is_installed(engine):
            reason = wheels.why_none(engine, here) or "not installed"
            results.append(_on_cpu(engine, ABSENT, "", reason, wheels.mend_absent(engine, here)))
            continue
        if not numpy.version:
            status = ABSENT if _is_numpy_alone(engine) and _numpy_is_absent() else BROKEN
            trouble = _numpy_trouble(numpy, here)
            results.append(_on_cpu(engine, status, _version(engine), *trouble))
            continue
        if engine == "reference":
            probed = numpy
        else:
            progress(engine)
            probed = probe(engine, limit_s)
        results.append(_found(engine, probed, here))
        if gpus and not probed.error and "gpu" in engines.entry(engine).devices:
            progress(f"{engine} gpu")
            probed = probe(engine, limit_s, "gpu")
            results.append(_found_on_gpu(engine, probed))
    return Diagnosis(here, gpus, troubles, tuple(results))


def no_numpy(error: Exception) -> tuple[str, str]:
    """Explain why numpy cannot be imported, and return the mend.

    Args:
        error: what importing it raised.
    """
    return _numpy_trouble(ProbeResult(error=root_cause(error)), board.read())


def _gpus(limit_s: float) -> tuple[tuple[Adapter, ...], tuple[str, ...]]:
    """List the GPUs that drivers offer, and the drivers that crashed or hung, with the reason."""
    found: list[Adapter] = []
    troubles = []
    for name, listed in (("CUDA", adapters.cuda), ("Vulkan", adapters.vulkan)):
        try:
            answer = ask(partial(_fields, listed), limit_s)
        except NoAnswer as no_answer:
            troubles.append(f"the {name} driver {one_line(str(no_answer))}")
        else:
            found += (Adapter(**fields) for fields in answer)
    return tuple(found), tuple(troubles)


def _fields(listed: Callable[[], Iterable[Adapter]]) -> list[dict[str, str]]:
    return [asdict(adapter) for adapter in listed()]


def _on_cpu(
    engine: str, status: str, version: str, reason: str = "", mend: str = ""
) -> EngineResult:
    return EngineResult(engine, "cpu", status, version, reason, mend)


def _found(engine: str, probed: ProbeResult, here: Board) -> EngineResult:
    version = probed.version or _version(engine)
    if not probed.error:
        return _on_cpu(engine, WORKS, version)
    return _on_cpu(engine, BROKEN, version, *explain(engine, probed, here))


def _found_on_gpu(engine: str, probed: ProbeResult) -> EngineResult:
    version = probed.version or _version(engine)
    if not probed.error:
        return EngineResult(engine, "gpu", WORKS, version, adapter=probed.adapter)
    said = one_line(probed.error)
    if probed.refused:
        return EngineResult(engine, "gpu", ABSENT, version, said, one_line(probed.mend))
    mend = "update the GPU's driver, or use device='cpu'"
    if probed.timed_out:
        mend = f"give a slow board more time with --timeout; or {mend}"
    return EngineResult(engine, "gpu", BROKEN, version, said, mend)


def explain(engine: str, probed: ProbeResult, here: Board) -> tuple[str, str]:
    """Explain a failed probe: what it means, with the engine's own words, and the mend.

    The reference engine needs only numpy, so its reasons name numpy.

    Args:
        engine: the one that was tried.
        probed: its result, with an error.
        here: the board it was tried on.

    Returns:
        The reason and the mend.
    """
    said = one_line(probed.error)
    if _is_numpy_alone(engine):
        kind, other = "numpy", "use the OS's own (python3-numpy), or an older one"
        mend = wheels.mend_broken_numpy(here)
        reinstall = mend
    else:
        kind, other = "wheel", "use another engine"
        mend = wheels.mend_by_reinstalling(_package(engine), here)
        reinstall = "use another engine, or reinstall this one"
    if probed.timed_out:
        return said, f"give a slow board more time with --timeout; or {reinstall}"
    if engine == "tflite" and not (here.numpy or "").startswith(("0.", "1.")):
        what = f"tflite-runtime 2.14 was built for numpy 1 and this is numpy {here.numpy}"
        return f"{what}: {said}", wheels.pip("'numpy<2'")
    # A newer numpy looks at the CPU first, and says this instead of dying.
    if probed.killed_by == "SIGILL" or "built with baseline optimizations" in said:
        return f"{said}: this {kind} was built for a newer CPU", other
    if found := re.search(r"version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found", said):
        return (
            f"the package needs {found[1]}, and what this OS has is older: {said}",
            f"update the OS, or {other}",
        )
    # A wheel's own libraries have a digest in their names.
    if re.search(r"lib\S+-[0-9a-f]{8}\S*: cannot open shared object", said):
        return f"the package lacks one of its own libraries: {said}", mend
    if found := re.search(r"((lib[\w+-]+)\.so\.?(\d*)[\d.]*): cannot open shared object", said):
        library = found[1]
        package = f"{found[2]}{found[3]}".replace("_", "-")  # Debian has libgomp.so.1 in libgomp1
        install = f"sudo apt install {package}" if here.debian else f"install what has {library}"
        return f"the OS has no {library}, which the package needs: {said}", install
    if found := re.search(r"undefined symbol: (\w+)", said):
        return f"the package misses {found[1]} in another library's version here: {said}", mend
    if "ELF" in said or "Exec format" in said:
        return f"the package is damaged, or was made for another machine: {said}", mend
    return said, mend or reinstall


def _version(engine: str) -> str:
    """Read the version that a package's installer recorded; the package need not import."""
    return _installed("numpy" if _is_numpy_alone(engine) else _package(engine))


def _is_numpy_alone(engine: str) -> bool:
    return engines.entry(engine).package is None


def _package(engine: str) -> str:
    """Choose the installed one of the packages that bring an engine, or else the usual one."""
    names = wheels.packages(engine)
    return next(filter(_installed, names), names[0])


def _installed(package: str) -> str:
    """Look up the version of a package; empty where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _numpy_is_absent() -> bool:
    return importlib.util.find_spec("numpy") is None


def _numpy_trouble(probed: ProbeResult, here: Board) -> tuple[str, str]:
    """Explain why a numpy cannot be imported, and return the mend."""
    if _numpy_is_absent():
        return "numpy is not installed, and strop needs it", wheels.mend_numpy(here)
    # It may put a page of advice before what went wrong.
    _, _, cause = probed.error.rpartition("Original error was: ")
    words = " ".join(cause.split())
    reason, mend = explain("reference", replace(probed, error=words), here)
    return f"numpy is installed and broken: {reason}", mend
