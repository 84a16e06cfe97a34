"""Cold start and memory of each case, from the start of a new process to its first answer.

Cases alternate, each time in a new process.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from benchmarks.cases import Case, judged
from benchmarks.crew import Crew
from benchmarks.peers import Absent
from benchmarks.ratios import repeats
from benchmarks.results import Ratio, Row

_CHILD = Path(__file__).with_name("cold_child.py")
_PARTS = ("interpreter", "numpy", "open", "first answer")  # of a cold start, in ms
_LOOK = 2  # where, among them, the child looks at its memory, which is no part
_ALIKE = 2  # of these, the first ones, with the same lines in every script
_LIMIT_S = 60
COLD = 0  # the batch under which the crew records failed starts
_SLOW = "keras"  # an environment whose processes take seconds, so a few of each are enough


@dataclass(frozen=True)
class Start:
    """One process, from its start to its first answer."""

    parts_ms: tuple[float, ...]  # as _PARTS
    memory_mib: float  # peak resident memory
    over_numpy_mib: float  # of it, more than when NumPy was imported

    @property
    def total_ms(self) -> float:
        """The time from before its start to its first answer."""
        return sum(self.parts_ms)


Starts = dict[Case, dict[int, Start]]


def take(
    crew: Crew,
    cases: Sequence[Case],
    rounds: int,
    judged_starts: int,
    step: Callable[[str], None],
) -> Starts:
    """Start every case once per round, and the judged cases some more times.

    Keras starts only in some of the rounds. One round before the first fills the disk's cache.

    Args:
        crew: builds what the cases open, and keeps the reasons of cases that fail.
        cases: the cases.
        rounds: the number of rounds that count.
        judged_starts: the number of additional starts of the judged cases in each round.
        step: called with a case's name before each start.

    Returns:
        Case -> number of the start -> its figures.
    """
    classes = np.load(crew.files.answers)[:1].argmax(axis=1)
    raced = judged(cases)
    starts: Starts = {}
    for number in range(-1 - judged_starts, rounds * (1 + judged_starts)):
        turn, extra = divmod(number, 1 + judged_starts)
        some = raced if extra else cases
        for case in reversed(some) if number % 2 else some:
            step(case.name)
            if crew.absent(case, COLD) or (case.environment == _SLOW and turn % 5):
                continue
            try:
                start, found = _start(crew, case)
                if found != classes[0]:
                    raise Absent("it gives another class for the first image in a new process")
                if number >= 0:
                    starts.setdefault(case, {})[number] = start
            except Absent as error:
                crew.leave_out(case, str(error), COLD)
                starts.pop(case, None)
    return starts


def _start(crew: Crew, case: Case) -> tuple[Start, int]:
    """Start one process.

    Returns:
        Its figures, and the class that it gave the first image.
    """
    built = crew.built(case)
    if built is None:
        raise Absent(crew.absent(case))
    python = crew.environments.python(case.environment)
    command = [str(python), str(_CHILD), case.module, case.loop, case.precision]
    command += [str(built.path), str(crew.files.one_image)]
    started = monotonic()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=crew.environments.variables(case.isa),
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"a new process gave no answer within {_LIMIT_S} s") from None
    said = {name: values for name, *values in map(str.split, done.stdout.splitlines()[-3:])}
    if done.returncode or "class" not in said:
        words = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Absent(f"a new process fails: {words[:200]}")
    between_ms = np.diff([started, *map(float, said["marks"])]) * 1000
    parts_ms = tuple(map(float, np.delete(between_ms, _LOOK)))
    numpy_mib, most_mib = (int(kib) / 1024 for kib in said["memory"])
    return Start(parts_ms, most_mib, most_mib - numpy_mib), int(said["class"][0])


def rows(crew: Crew, cases: Sequence[Case], starts: Starts) -> list[Row]:
    """Make two rows for each case, of cold start (ms) and memory (MiB): medians over its starts.

    Args:
        crew: has the reason why a case has no figures.
        cases: the cases.
        starts: from `take`.
    """
    found = []
    for case in cases:
        taken = list(starts.get(case, {}).values())
        if not taken:
            why = crew.absent(case, COLD)
            found += [case.row(axis, absent=why) for axis in ("cold_start", "memory")]
            continue
        total_ms = float(np.median([start.total_ms for start in taken]))
        memory_mib = float(np.median([start.memory_mib for start in taken]))
        each_ms = np.median([start.parts_ms for start in taken], axis=0)
        parts_ms = dict(zip(_PARTS, map(float, each_ms), strict=True))
        totals_us = tuple(round(start.total_ms * 1000) for start in taken)
        found.append(case.row("cold_start", value=total_ms, parts=parts_ms, samples_us=totals_us))
        over_mib = float(np.median([start.over_numpy_mib for start in taken]))
        found.append(case.row("memory", value=memory_mib, parts={"over numpy": over_mib}))
    return found


def ratios(starts: Starts) -> list[Ratio]:
    """Divide Strop by the bare script on the same engine, start by start.

    Until NumPy is imported, both run the same lines in the same environment. That time varies from
    process to process by more than the rest of the start. So both get its mean over the starts of
    that turn on that engine.

    Args:
        starts: from `take`.
    """
    alike_ms: dict[tuple[str, int], list[float]] = {}
    for case, taken in starts.items():
        for number, start in taken.items():
            alike = alike_ms.setdefault((case.engine, number), [])
            alike.append(sum(start.parts_ms[:_ALIKE]))
    total_ms = {
        case: {
            number: float(np.mean(alike_ms[case.engine, number])) + sum(start.parts_ms[_ALIKE:])
            for number, start in taken.items()
        }
        for case, taken in starts.items()
    }
    memory_mib = {
        case: {number: start.memory_mib for number, start in taken.items()}
        for case, taken in starts.items()
    }
    return repeats("cold_start", total_ms) + repeats("memory", memory_mib)
