"""The proof: each variant, on each of its engines, over every sample, against Keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from strop.bundle.manifest import Judged, OutputSpec, Proof
from strop.engines import on_device
from strop_export.errors import ProofError
from strop_export.figures import (
    DECIDED,
    Labels,
    Values,
    columns,
    decisions,
    rmse,
    spread,
)
from strop_export.proof.judge import judge
from strop_export.rules import (
    allowed_count,
    is_past,
    proportion,
)
from strop_export.tolerances import Tolerance


@dataclass(frozen=True)
class Run:
    """One engine's answers for all samples, one array (N, ...) for each output."""

    engine: str
    version: str
    outputs: tuple[Values, ...]
    device: str = "cpu"
    adapter: str = ""  # the GPU's name

    def __str__(self) -> str:
        return on_device(f"{self.engine} {self.version}", self.device)


@dataclass(frozen=True)
class Truth:
    """The reference for runs: for each output its meaning, Keras's answers and the labels."""

    specs: tuple[OutputSpec, ...]
    keras: tuple[Values, ...]
    labels: tuple[Labels, ...]

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(self.keras[0])

    def first(self, count: int) -> Truth:
        """Return the reference for the first `count` samples alone."""
        labels = tuple(known if known is None else known[:count] for known in self.labels)
        return Truth(self.specs, tuple(array[:count] for array in self.keras), labels)


def prove(
    variant: str, runs: Iterable[Run], truth: Truth, tolerance: Tolerance
) -> tuple[Proof, ...]:
    """Judge one file's runs.

    Args:
        variant: the file's format and precision, for messages.
        runs: the file's answers from each engine and device.
        truth: the reference for them.
        tolerance: how far a run may be from Keras, and runs from each other.

    Returns:
        A proof for each run, in their order.

    Raises:
        ProofError: a run exceeds the tolerance, or two runs disagree about the file; the message
            has the figures.
    """
    runs = tuple(runs)
    proofs = []
    for run in runs:
        judged, faults = zip(*judge_all(run.outputs, truth, tolerance.on(run.device)), strict=True)
        if past := [fault for each in faults for fault in each]:
            raise ProofError(f"{variant} on {run}: {'; '.join(past)}")
        proofs.append(
            Proof(run.engine, run.version, run.device, run.adapter, truth.samples, judged)
        )
    for one, other in combinations(runs, 2):
        for i, spec in enumerate(truth.specs):
            pair = one.outputs[i], other.outputs[i]
            allowed = tolerance.on("gpu" if "gpu" in (one.device, other.device) else "cpu")
            if fault := _disagreement(spec, *pair, truth.keras[i], allowed):
                raise ProofError(f"{variant}: {one} and {other} disagree: {fault}")
    return tuple(proofs)


def judge_all(
    outputs: Sequence[Values], truth: Truth, tolerance: Tolerance, *, few: bool = False
) -> list[tuple[Judged, list[str]]]:
    """Judge a run's answers for each output.

    Args:
        outputs: the run's answers, (N, ...) for each output.
        truth: the reference for them.
        tolerance: the tolerance on the run's device.
        few: the samples are the few that select a file.

    Returns:
        For each output the figures, and a line for each bound that it misses.
    """
    found = []
    for i, spec in enumerate(truth.specs):
        judged, faults = judge(
            spec, outputs[i], truth.keras[i], truth.labels[i], tolerance, few=few
        )
        named = f"output {spec.name!r}: " if len(truth.specs) > 1 else ""
        found.append((judged, [f"{named}{fault}" for fault in faults]))
    return found


def _disagreement(
    spec: OutputSpec, one: Values, other: Values, keras: Values, tolerance: Tolerance
) -> str:
    """Say how two engines disagree on one file beyond the bound; "" if they do not."""
    if spec.kind in DECIDED:
        decided = decisions(spec, one)
        differ, total = int((decided != decisions(spec, other)).sum()), decided.size
        bound = tolerance.engine_changes
        past = (
            differ > allowed_count(bound, total)
            if tolerance.plain
            else is_past(proportion(differ, total), bound)
        )
        return f"on {differ} of {total} decisions, at most {bound:.2%} allowed" if past else ""
    mine, theirs, true = columns(one), columns(other), columns(keras)
    whose, most = "a column's", tolerance.rmse_share
    if spec.kind != "regression":  # all values at once: among many, some never vary
        mine, theirs, true = mine.reshape(-1, 1), theirs.reshape(-1, 1), true.reshape(-1, 1)
        whose, most = "the output's", 10 ** (-tolerance.sqnr_db / 20)
    apart = float((rmse(mine, theirs) / spread(true)).max())
    return f"by {apart:.2%} of {whose} spread, at most {most:.2%} allowed" if apart > most else ""
