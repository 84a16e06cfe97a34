"""Convolutional networks of small devices: Strop's engines beside other packages, in one run.

Each network is trained briefly and exported as `make export` exports any model; then all subjects
answer its evaluation samples, and those that are the same model are timed, alternately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks import exports, files, networks, parity, ratios, rounds
from benchmarks.cases import STROP_MODULE, Case
from benchmarks.crew import Crew
from benchmarks.environments import Environments
from benchmarks.files import Files, NotMeasurable
from benchmarks.results import Ratio, Row
from benchmarks.rounds import Turns

_AXIS = "convolutions"
BATCHES = (1, 64)
_PRECISIONS = ("int8", "float32")
# The others are written for dense networks, or take seconds for what these take milliseconds.
_MODULES = (
    *(STROP_MODULE, "litert_interpreter", "litert_compiled_model", "tflite_runtime"),
    *("onnx_runtime", "openvino_runtime", "emx_onnx_cgen"),
)
_ENGINES = ("native", "litert")  # of Strop: its own, and the one that stands first here


class Plan(NamedTuple):
    """The amounts of measurement for each network."""

    networks: tuple[str, ...]  # keys of `networks.NETWORKS`
    exports: bool  # those that are not exported yet, in a minute each
    generations: int  # of processes
    rounds: int  # in each generation
    one_by_one_s: float  # of single samples, before anything is timed


FULL = Plan(tuple(networks.NETWORKS), exports=True, generations=4, rounds=3, one_by_one_s=0.3)
QUICK = Plan(("lenet",), exports=False, generations=1, rounds=3, one_by_one_s=0.05)


def chosen(cases: Sequence[Case]) -> list[Case]:
    """Return the cases that run these networks: the first loop of each package and precision."""
    found: dict[tuple[str, ...], Case] = {}
    for case in cases:
        runs = case.module in _MODULES and case.precision in _PRECISIONS and not case.is_dense
        if runs and (case.module != STROP_MODULE or case.engine in _ENGINES):
            found.setdefault((case.module, case.engine, case.precision, case.isa), case)
    return list(found.values())


def expected(cases: Sequence[Case], plan: Plan) -> tuple[float, int]:
    """Return the seconds that the axis takes, without exports, and its steps."""
    turns = plan.generations * plan.rounds * len(BATCHES)
    steps = len(plan.networks) * len(chosen(cases)) * (turns + 1)
    return steps * 0.06, max(1, steps)


def measure(
    environments: Environments, cases: Sequence[Case], plan: Plan, step: Callable[[str], None]
) -> tuple[list[Row], list[Ratio]]:
    """Time calls of one sample and of batches, network by network.

    Args:
        environments: the environments of the peers.
        cases: those of the run.
        plan: the networks, and the amounts of measurement.
        step: called with a name before each step.

    Returns:
        The rows and ratios; a network that cannot be had gives rows that say why.
    """
    cases, rows, found = chosen(cases), list[Row](), list[Ratio]()
    for name in plan.networks:
        title = networks.NETWORKS[name].title
        try:
            prepared = exported(name, allowed=plan.exports)
        except NotMeasurable as error:
            rows += [case.row(_AXIS, network=title, absent=str(error)) for case in cases]
            continue
        with Crew(environments, prepared) as crew:
            turns = time_all(crew, cases, plan, step)
            for batch in BATCHES:
                rows += [rounds.convolutions_row(crew, case, batch, turns, title) for case in cases]
            found += ratios.convolutions(turns, title)
    return rows, found


def time_all(crew: Crew, cases: Sequence[Case], plan: Plan, step: Callable[[str], None]) -> Turns:
    """Judge all cases, and time those that are the same model.

    Args:
        crew: the crew of one network.
        cases: the cases.
        plan: the amounts of measurement.
        step: called with a name before each step.
    """
    turns = Turns()
    parity.check(crew, cases, one_by_one_s=plan.one_by_one_s, step=step, batch=BATCHES[-1])
    for generation in range(plan.generations):
        crew.end()
        numbers = range(generation * plan.rounds, (generation + 1) * plan.rounds)
        for batch in BATCHES:
            pace = rounds.LATENCY_PACE if batch == 1 else rounds.THROUGHPUT_PACE
            rounds.prepare(crew, cases, batch)
            rounds.take(crew, cases, batch, numbers, pace, turns, step)
            crew.close(cases)
    return {key: taken for key, taken in turns.items() if not crew.absent(*key)}


def exported(name: str, *, allowed: bool = True) -> Files:
    """Return a network's files; train and export it first if that was not done.

    Args:
        name: a key of `networks.NETWORKS`.
        allowed: it may be trained and exported.

    Raises:
        NotMeasurable: it is not there and must not be exported, or its export fails.
    """
    artifact, dist = exports.folder() / name, exports.folder() / "dist" / name
    if allowed:
        exports.export(exports.trained(name), ("cpu", "rpi"), _PRECISIONS, dist)
    elif not (dist / f"{name}-cpu.strop").is_file():
        raise NotMeasurable("it is not exported yet: `make bench` does, in a minute; QUICK=1 not")
    return files.prepare(artifact, dist, exports.folder() / "files" / name)
