"""The proof: each variant, on each of its engines, over every sample, against Keras."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from strop.bundle.manifest import OutputSpec, Proof
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
        judged, past = [], []
        for i, spec in enumerate(truth.specs):
            keras, labels = truth.keras[i], truth.labels[i]
            found, faults = judge(spec, run.outputs[i], keras, labels, tolerance.on(run.device))
            judged.append(found)
            named = f"output {spec.name!r}: " if len(truth.specs) > 1 else ""
            past += [f"{named}{fault}" for fault in faults]
        if past:
            raise ProofError(f"{variant} on {run}: {'; '.join(past)}")
        proofs.append(
            Proof(run.engine, run.version, run.device, run.adapter, truth.samples, tuple(judged))
        )
    for one, other in combinations(runs, 2):
        for i, spec in enumerate(truth.specs):
            pair = one.outputs[i], other.outputs[i]
            allowed = tolerance.on("gpu" if "gpu" in (one.device, other.device) else "cpu")
            if fault := _disagreement(spec, *pair, truth.keras[i], allowed):
                raise ProofError(f"{variant}: {one} and {other} disagree: {fault}")
    return tuple(proofs)


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
