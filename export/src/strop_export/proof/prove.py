"""The proof: each variant, on each of its engines, over every sample, against Keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from strop.bundle.manifest import Judged, OutputSpec, Proof
from strop.engines import on_device
from strop_export.errors import ProofError, SourceError
from strop_export.figures import (
    DECIDED,
    Labels,
    Values,
    columns,
    decisions,
    rmse,
    spread,
)
from strop_export.metric import Measured, Metric
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
    """The reference for runs.

    Attributes:
        specs: the outputs.
        keras: Keras's answers, (N, ...) for each output.
        labels: the truth, or None, for each output.
        metric: the user's own, or None.
    """

    specs: tuple[OutputSpec, ...]
    keras: tuple[Values, ...]
    labels: tuple[Labels, ...]
    metric: Metric | None = None

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(self.keras[0])

    def first(self, count: int) -> Truth:
        """Return the reference for the first `count` samples alone."""
        labels = tuple(known if known is None else known[:count] for known in self.labels)
        keras = tuple(array[:count] for array in self.keras)
        return replace(self, keras=keras, labels=labels)

    @cached_property
    def _keras_score(self) -> float:
        return self.metric.score(self.specs, self.keras, self.labels) if self.metric else 0.0

    def measure(self, outputs: Sequence[Values]) -> Measured | None:
        """Measure a run by the user's own metric.

        Args:
            outputs: the run's answers, (N, ...) for each output, finite and of Keras's shape.

        Returns:
            The figures; None if there is no metric.

        Raises:
            SourceError: the metric fails, or gives anything but a finite number.
        """
        if self.metric is None:
            return None
        found = self.metric.score(self.specs, outputs, self.labels)
        return Measured(self.metric.name, self._keras_score, found, self.metric.max_loss)


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


def measure_all(variant: str, runs: Iterable[Run], truth: Truth) -> tuple[Measured, ...]:
    """Measure one file's proven runs by the user's own metric.

    Args:
        variant: the file's format and precision, for messages.
        runs: its runs, which passed `prove`.
        truth: the reference for them.

    Returns:
        The figures of each run, in their order; none if there is no metric.

    Raises:
        ProofError: the metric of a run falls too far, or fails on it.
    """
    measured = []
    for run in runs:
        try:
            found = truth.measure(run.outputs)
        except SourceError as error:
            raise ProofError(f"{variant} on {run}: {error.problem}") from None
        if found is None:
            continue
        if found.fault:
            raise ProofError(f"{variant} on {run}: {found.fault}")
        measured.append(found)
    return tuple(measured)


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
