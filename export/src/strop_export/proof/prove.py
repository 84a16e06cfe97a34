"""Proof: every variant, on every engine it is meant for, over every sample, against Keras."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Proof
from strop.engines import on_device
from strop_export.errors import ProofError
from strop_export.targets import Tolerance

Outputs = NDArray[np.float32]  # (N, classes)


@dataclass(frozen=True)
class Run:
    """One engine's outputs for all samples."""

    engine: str
    version: str
    outputs: Outputs
    device: str = "cpu"
    adapter: str = ""  # of a GPU

    def __str__(self) -> str:
        return on_device(f"{self.engine} {self.version}", self.device)


@dataclass(frozen=True)
class Figures:
    """The figures of a run compared with Keras. Shares are 0..1."""

    samples: int
    accuracy: float | None  # None without true labels
    keras_accuracy: float | None
    disagreements: int
    max_abs_error: float

    @property
    def top1_agreement(self) -> float:
        """The share of samples whose best class is Keras's, 0..1."""
        return 1 - self.disagreements / self.samples


def compare(outputs: Outputs, keras: Outputs, labels: NDArray[np.int64] | None) -> Figures:
    """Compare a run's outputs with Keras's.

    Outputs that are not finite, or of another shape, count as infinitely wrong.

    Args:
        outputs: float32 (N, classes).
        keras: float32 (N, classes).
        labels: the true classes, int64 (N,), or None if they are not known.
    """
    samples = len(keras)
    if outputs.shape != keras.shape or not np.isfinite(outputs).all():
        return Figures(samples, None, None, samples, math.inf)
    ours, theirs = top1(outputs), top1(keras)
    return Figures(
        samples=samples,
        accuracy=None if labels is None else float((ours == labels).mean()),
        keras_accuracy=None if labels is None else float((theirs == labels).mean()),
        disagreements=int((ours != theirs).sum()),
        max_abs_error=float(np.abs(outputs.astype(np.float64) - keras).max()),
    )


def top1(outputs: Outputs) -> NDArray[np.int64]:
    """Return the best class of each row; for a single output, whether it is over a half.

    Args:
        outputs: float32 (N, classes).

    Returns:
        int64 (N,).
    """
    if outputs.shape[1] == 1:
        return np.asarray(outputs[:, 0] > 0.5, np.int64)
    return np.asarray(outputs.argmax(axis=1), np.int64)


def prove(
    variant: str,
    runs: Iterable[Run],
    keras: Outputs,
    labels: NDArray[np.int64] | None,
    tolerance: Tolerance,
) -> tuple[Proof, ...]:
    """Judge one file's runs.

    Args:
        variant: the file's format and precision, for messages.
        runs: the file's outputs from each engine and device.
        keras: Keras's outputs for the same samples, float32 (N, classes).
        labels: the true classes, int64 (N,), or None if they are not known.
        tolerance: how far a run may be from Keras, and runs from each other.

    Returns:
        A proof for each run, in their order.

    Raises:
        ProofError: a run is past the tolerance, or two runs disagree about the file; the message
            holds the figures.
    """
    runs = tuple(runs)
    proofs = []
    for run in runs:
        figures = compare(run.outputs, keras, labels)
        allowed = tolerance.on(run.device)
        past = _past(figures, allowed, scale(keras))
        if blind := _uninformed(run.outputs, keras):
            past.append(
                f"output {', '.join(map(str, blind))} is hardly nearer to Keras's than its mean "
                "is, so it says nothing about the input"
            )
        if past:
            raise ProofError(f"{variant} on {run}: {'; '.join(past)}")
        proofs.append(
            Proof(
                engine=run.engine,
                version=run.version,
                device=run.device,
                adapter=run.adapter,
                samples=figures.samples,
                accuracy=figures.accuracy,
                disagreements=figures.disagreements,
                top1_agreement=figures.top1_agreement,
                max_abs_error=figures.max_abs_error,
                tolerance=allowed.bounds(),
            )
        )
    for one, other in combinations(runs, 2):
        changes = int((top1(one.outputs) != top1(other.outputs)).sum())
        most = _allowed(tolerance.engine_changes, len(keras))
        if changes > most:
            raise ProofError(
                f"{variant}: {one} and {other} disagree on {changes} of {len(keras)} samples, "
                f"at most {most} allowed"
            )
    return tuple(proofs)


_LEAST_SPREAD = 0.01  # of an output column, as a share of the outputs' scale: less is noise
_MOST_ERROR = 0.9  # root mean square, as a share of the column's spread; the mean alone has 1


def _uninformed(outputs: Outputs, keras: Outputs) -> list[int]:
    """Find the output columns that a run predicts hardly better than Keras's mean would.

    Top classes and the largest error do not see a regression whose file answers one constant, nor
    one ruined output beside a larger one.

    Args:
        outputs: the run's, float32 (N, columns).
        keras: Keras's, float32 (N, columns).
    """
    if outputs.shape != keras.shape or not np.isfinite(outputs).all():
        return []  # refused for that
    theirs = keras.astype(np.float64)
    spread = theirs.std(axis=0)
    rmse = np.sqrt(((outputs - theirs) ** 2).mean(axis=0))
    telling = spread > _LEAST_SPREAD * np.abs(theirs).max()
    return [int(column) for column in np.flatnonzero(telling & (rmse > _MOST_ERROR * spread))]


def _past(figures: Figures, tolerance: Tolerance, scale: float) -> list[str]:
    """List the figures that are past their bounds, one line each."""
    past = []
    allowed = _allowed(tolerance.disagreements, figures.samples)
    if figures.disagreements > allowed:
        past.append(
            f"{figures.disagreements} of {figures.samples} samples get another class than from "
            f"Keras, at most {allowed} allowed"
        )
    if not figures.max_abs_error <= tolerance.max_abs_error * scale:
        past.append(
            f"max abs error {figures.max_abs_error:.3g}, at most "
            f"{tolerance.max_abs_error * scale:.3g} allowed"
        )
    if figures.accuracy is not None and figures.keras_accuracy is not None:
        loss = figures.keras_accuracy - figures.accuracy
        if loss > tolerance.accuracy_loss + 1e-9:
            past.append(
                f"accuracy {figures.accuracy:.4f} against Keras's {figures.keras_accuracy:.4f}, "
                f"a loss of at most {tolerance.accuracy_loss:.4f} allowed"
            )
    return past


def _allowed(share: float, samples: int) -> int:
    """Return a share as a count; a share above zero allows at least one sample."""
    return math.ceil(share * samples - 1e-9)


def scale(keras: Outputs) -> float:
    """Return the factor for error bounds, which are meant for outputs of size about 1.

    Larger outputs widen them; the factor is never below 1.

    Args:
        keras: Keras's outputs, float32 (N, classes).
    """
    return max(1.0, float(np.abs(keras).max()))


def golden_indices(
    keras: Outputs,
    outputs: Mapping[str, list[Outputs]],
    tolerances: Mapping[str, float],
    *,
    count: int = 128,
    seed: int = 20,
) -> NDArray[np.int64]:
    """Choose the samples that a device replays: half at random, half those Keras is least sure of.

    A sample is passed over if two healthy engines here differ on it by more than half of the golden
    tolerance: int8 kernels round differently, the hardest images amplify that, and so the sample
    would fail good devices.

    Args:
        keras: float32 (N, classes).
        outputs: for each variant, the outputs of each of its engines, float32 (N, classes).
        tolerances: for each variant, the golden tolerance, for outputs of size about 1.
        count: how many samples to choose.
        seed: of the random choice.

    Returns:
        Ascending indices, int64 (min(count, N),), or fewer where engines leave no more.
    """
    steady = np.ones(len(keras), bool)
    for variant, runs in outputs.items():
        spread = np.max(runs, axis=0) - np.min(runs, axis=0)
        steady &= spread.max(axis=1) <= tolerances[variant] * scale(keras) / 2
    candidates = np.flatnonzero(steady)
    if keras.shape[1] == 1:
        margins = np.abs(keras[:, 0] - 0.5)
    else:
        best = np.partition(keras, -2, axis=1)
        margins = best[:, -1] - best[:, -2]
    hard = candidates[np.argsort(margins[candidates], kind="stable")][: count // 2]
    rest = np.setdiff1d(candidates, hard)
    random = np.random.Generator(np.random.PCG64(seed))
    chosen = random.choice(rest, min(count - len(hard), len(rest)), replace=False)
    indices: NDArray[np.int64] = np.sort(np.concatenate([hard, chosen]))
    return indices
