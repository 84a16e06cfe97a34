"""A whole run: all axes, in a fixed order, into one set of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from benchmarks import (
    c_alone,
    cold,
    convolutions,
    counting,
    export_time,
    growth,
    parity,
    ratios,
    rounds,
    sizes,
)
from benchmarks.cases import Case, compared, first_of_each, judged
from benchmarks.crew import Crew
from benchmarks.results import STROP, UNITS, Ratio, Row

AXES = tuple(UNITS)

_KEPT = ("keras_model",)  # a process that takes seconds to start, for calls of milliseconds


class Plan(NamedTuple):
    """The amounts of measurement in a run."""

    generations: int  # of processes
    rounds: int  # of one image, in each generation
    batches: tuple[int, ...]
    batch_rounds: int  # of every batch, in each generation
    judged_rounds: int  # more of them, for the cases in ratios, if the batch has some
    starts: int  # of each case
    judged_starts: int  # more of them each time, for Strop and the raw loops
    one_by_one_s: float  # of single images, before anything is timed
    c_rounds: int  # of the C core
    quick: bool


FULL = Plan(4, 10, tuple(2**n for n in range(13)), 2, 6, 20, 2, 0.3, 1001, quick=False)
QUICK = Plan(2, 5, (1, 64, 256, 1024), 1, 2, 4, 0, 0.1, 201, quick=True)


class Progress(Protocol):
    """The display of a run's progress."""

    def expect(self, axis: str, seconds: float, steps: int) -> None:
        """Announce the number of steps of an axis, and its expected seconds."""

    def steps(self, axis: str) -> Callable[[str], None]:
        """Return a function to call before each step, with the name of the case."""

    def done(self, axis: str) -> None:
        """Mark an axis as finished, after any number of steps."""


def measure(
    crew: Crew, cases: list[Case], axes: set[str], plan: Plan, progress: Progress
) -> tuple[list[Row], list[Ratio]]:
    """Measure cases on some axes, without cases that are not the same model.

    Args:
        crew: builds and opens the cases.
        cases: the cases.
        axes: some of `AXES`; all but convolutions measure accuracy too.
        plan: the amounts of measurement.
        progress: the display of progress.
    """
    firsts, usual = first_of_each(cases), [case for case in cases if case.is_usual]
    if axes & {"cold_start", "memory"}:  # measured in the same processes
        axes = axes | {"cold_start", "memory"}
    if axes - {"convolutions"}:  # which check their own networks
        axes = axes | {"accuracy"}
    for axis, (seconds, steps) in _expected(cases, firsts, plan).items():
        if axis in axes:
            progress.expect(axis, seconds, steps)

    rows: list[Row] = []
    found: list[Ratio] = []
    if "accuracy" in axes:
        rows += parity.check(
            crew, cases, one_by_one_s=plan.one_by_one_s, step=progress.steps("accuracy")
        )
        progress.done("accuracy")
        crew.end()
    if axes & {"latency", "throughput"}:
        turns = _turns(crew, cases, axes, plan, progress)
        if "latency" in axes:
            rows += [rounds.latency_row(crew, case, turns) for case in cases]
            found += ratios.latency(turns)
        if "throughput" in axes:
            for batch in plan.batches:
                rows += [rounds.throughput_row(crew, case, batch, turns) for case in cases]
                if batch in ratios.JUDGED_BATCHES:
                    found += ratios.throughput(turns, batch)
    crew.end()
    if "c_alone" in axes:
        measured = c_alone.measure(crew, cases, plan.c_rounds)
        rows += measured[0]
        found += measured[1]
        progress.done("c_alone")
    if "cold_start" in axes:
        step = progress.steps("cold_start")
        starts = cold.take(crew, firsts, plan.starts, plan.judged_starts, step)
        progress.done("cold_start")
        rows += cold.rows(crew, firsts, starts)
        found += cold.ratios(starts)
    if "device_size" in axes:
        rows += [sizes.device_size(crew, case) for case in firsts]
    if "model_size" in axes:
        rows += [sizes.model_size(crew, case) for case in sizes.one_of_each_file(usual)]
    if "export_time" in axes:
        rows += export_time.by_builds(crew, usual)
        if not plan.quick:
            rows += export_time.by_command(crew, progress.steps("export_time"))
            progress.done("export_time")
    if "counting" in axes:
        try:
            rows.append(counting.measure(crew.files, plan.quick))
        except RuntimeError as error:
            rows.append(Row("Strop", STROP, "", "", "counting", absent=str(error)))
        progress.done("counting")
    if "growth" in axes:
        try:
            rows += growth.measure(plan.quick, progress.steps("growth"))
        except (RuntimeError, ValueError) as error:
            rows.append(Row("Strop", STROP, "", "", "growth", absent=str(error)))
        progress.done("growth")
    if "convolutions" in axes:
        crew.end()  # that of the digits
        amounts = convolutions.QUICK if plan.quick else convolutions.FULL
        step = progress.steps("convolutions")
        measured = convolutions.measure(crew.environments, cases, amounts, step)
        rows += measured[0]
        found += measured[1]
        progress.done("convolutions")
    return rows, found


def _turns(
    crew: Crew, cases: list[Case], axes: set[str], plan: Plan, progress: Progress
) -> rounds.Turns:
    """Time all rounds, for one image and for batches, generation by generation."""
    turns: rounds.Turns = {}
    raced = compared(cases)
    for generation in range(plan.generations):
        if "latency" in axes:
            numbers = range(generation * plan.rounds, (generation + 1) * plan.rounds)
            step = progress.steps("latency")
            rounds.prepare(crew, cases, 1)
            rounds.take(crew, cases, 1, numbers, rounds.LATENCY_PACE, turns, step)
            crew.close(cases)
        if "throughput" in axes:
            step = progress.steps("throughput")
            each = plan.batch_rounds + plan.judged_rounds
            for batch in plan.batches:
                numbers = range(generation * each, generation * each + plan.batch_rounds)
                more = range(numbers.stop, (generation + 1) * each)
                rounds.prepare(crew, cases, batch)
                rounds.take(crew, cases, batch, numbers, rounds.THROUGHPUT_PACE, turns, step)
                if batch in ratios.JUDGED_BATCHES:
                    rounds.take(crew, raced, batch, more, rounds.THROUGHPUT_PACE, turns, step)
                crew.close(cases)
        crew.end(keeping=_KEPT)
    for axis in axes & {"latency", "throughput"}:
        progress.done(axis)
    return {key: taken for key, taken in turns.items() if not crew.absent(*key)}


def _expected(cases: list[Case], firsts: list[Case], plan: Plan) -> dict[str, tuple[float, int]]:
    """Return axis -> its expected seconds, with opening included, and its steps."""
    turns_of_one = plan.generations * plan.rounds * len(cases)
    turns_of_many = plan.generations * _batch_turns(cases, plan)
    more_starts = len(judged(firsts)) * plan.judged_starts
    starts = (len(firsts) + more_starts) * (plan.starts + 1)
    found = {
        "accuracy": (len(cases) * (0.35 + plan.one_by_one_s), len(cases)),
        "latency": (turns_of_one * 0.014, turns_of_one),
        "throughput": (turns_of_many * 0.027, turns_of_many),
        "c_alone": (4.0, 1),
        "cold_start": (10 + starts * 0.15, starts),
        "counting": (2.0, 1) if plan.quick else (5.0, 1),
        "growth": (2.0, 24) if plan.quick else (20.0, 102),
        "convolutions": convolutions.expected(
            cases, convolutions.QUICK if plan.quick else convolutions.FULL
        ),
    }
    if not plan.quick:
        found["export_time"] = (20.0 + 5 * export_time.COUNT, export_time.COUNT)
    return found


def _batch_turns(cases: list[Case], plan: Plan) -> int:
    """Return the number of turns with batches in one generation."""
    more = len(compared(cases)) * plan.judged_rounds
    times = len(set(plan.batches) & set(ratios.JUDGED_BATCHES))
    return len(plan.batches) * len(cases) * plan.batch_rounds + more * times
