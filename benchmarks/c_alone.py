"""Strop's C core without Python, beside a loop by hand for the same network.

zig compiles the core as it ships, or gcc where there is no zig; gcc compiles the loop. Both take
one image a call, in turns in one process, and both run the test set and random bytes: the core
skips groups of pixels that are 0, the loop does not.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Case
from benchmarks.crew import Crew
from benchmarks.peers import Absent, vnni_loop
from benchmarks.peers.compiled_c import compile_program
from benchmarks.ratios import OWN, paired
from benchmarks.results import Ratio, Row
from native import build, wheels

_AXIS = "c_alone"
_IMAGES = 512  # of a round: short, so that most rounds are not interrupted
_LIMIT_S = 60
_CODE = Path(__file__).with_suffix(".c")


def measure(crew: Crew, cases: Sequence[Case], rounds: int) -> tuple[list[Row], list[Ratio]]:
    """Time the core and the loop, on both kinds of images.

    Args:
        crew: has the files.
        cases: those of the run; without Strop's own engine or the loop nothing is timed.
        rounds: the number of rounds.
    """
    both = [case for case in cases if _is_timed(case)]
    if len(both) < 2:  # the core and the loop
        return [], []
    rows: list[Row] = []
    found: list[Ratio] = []
    try:
        with TemporaryDirectory(prefix="strop-bench-") as scratch:
            plan = crew.files.path("plan", OWN, "int8")
            program = _compile(plan, Path(scratch))
            for is_dense in (False, True):
                pair = [replace(case, is_dense=is_dense) for case in both]
                images = crew.files.dense if is_dense else crew.files.images
                raw = Path(scratch, "images.raw")
                np.load(images)[:_IMAGES].tofile(raw)
                times_us = _run(program, plan, raw, rounds)
                rows += [_row(case, us) for case, us in zip(pair, times_us, strict=True)]
                found.append(_ratio(pair, times_us))
    except Absent as error:
        return [case.row(_AXIS, batch=1, absent=str(error)) for case in both], []
    return rows, found


def _is_timed(case: Case) -> bool:
    return case.engine == OWN and case.precision == "int8" and case.is_usual


def _compile(plan: Path, folder: Path) -> Path:
    """Compile the program, with the core as a library.

    Raises:
        Absent: something does not compile, or the CPU has no VNNI.
    """
    machine = None if wheels.lacks() else build.MACHINES.get(platform.machine())
    try:
        build.compile_library(folder, *(machine[:2] if machine else ()))
    except (OSError, subprocess.CalledProcessError) as error:
        raise Absent(f"the C core does not compile: {error}") from error
    loop = vnni_loop.source(str(plan))
    (folder / "loop.c").write_text(loop, encoding="ascii")
    includes = (str(build.HERE / "include"), str(folder))
    return compile_program(_CODE, folder / "c_alone", folder / "libstrop.so", includes)


def _run(program: Path, plan: Path, raw: Path, rounds: int) -> NDArray[np.float64]:
    """Return microseconds an image, float64 (2, rounds): of the core and of the loop.

    Raises:
        Absent: the program fails, or the two are not the same model.
    """
    try:
        done = subprocess.run(
            [program, plan, raw, str(rounds)],
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise Absent(f"the program in C fails: {error}") from error
    others, *lines = done.stdout.splitlines()
    if int(others) > _IMAGES // 100:
        raise Absent(f"core and loop disagree on the class of {others} of {_IMAGES} images")
    return np.array([line.split() for line in lines], np.float64).T


def _row(case: Case, us: NDArray[np.float64]) -> Row:
    p50, p95, p99 = (float(value) for value in np.percentile(us, (50, 95, 99)))
    samples = tuple(us.tolist())
    figures = {"batch": 1, "p50_us": p50, "p95_us": p95, "p99_us": p99, "value": p50}
    return case.row(_AXIS, **figures, samples_us=samples)


def _ratio(pair: Sequence[Case], times_us: NDArray[np.float64]) -> Ratio:
    core, loop = (dict(enumerate(us.tolist())) for us in times_us)
    ours, limit = pair
    return paired(ours.name.removeprefix("Strop "), OWN, _AXIS, 1, core, loop, limit.name)
