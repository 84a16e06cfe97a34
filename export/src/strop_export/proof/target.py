"""The proof of one target: which of its variants passed, which are left out, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Proof
from strop_export.errors import ConversionError, DeviceMissing, ProofError, UnsupportedLayer
from strop_export.formats import Converted, VariantSpec
from strop_export.metric import Measured
from strop_export.proof.golden import golden_indices
from strop_export.proof.gpu import NotOnGpu
from strop_export.proof.prove import Truth, measure_all, prove
from strop_export.proof.runs import Job, RunResult, Workstation, jobs_of
from strop_export.targets import Target
from strop_export.tolerances import Tolerance

_TO_TRY = (
    "try more calibration samples, another precision, or other bounds (--tolerances, --metric)"
)
_MOST_GOLDEN, _LEAST_GOLDEN = 128, 16  # samples that a device replays
_GOLDEN_BYTES = 2**22  # of all, with one set of outputs; a device gets fewer large pictures


@dataclass(frozen=True)
class Passed:
    """A variant that passed its proof."""

    spec: VariantSpec
    converted: Converted
    proofs: tuple[Proof, ...]
    measured: tuple[Measured, ...]  # for each proof, by the user's own metric if there is one
    outputs: tuple[NDArray[Any], ...]  # (N, ...) each, of the preferred engine
    cpu_outputs: tuple[tuple[NDArray[Any], ...], ...]  # of each engine on the CPU
    not_on_gpu: tuple[NotOnGpu, ...]


@dataclass
class Judged:
    """All variants of a target: those that passed, and why the others are left out."""

    passed: list[Passed] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def drop(self, fallen: Mapping[tuple[str, str], str]) -> None:
        """Leave out variants that passed but fail in the bundle.

        Args:
            fallen: the reason, by format and precision.
        """
        self.passed = [p for p in self.passed if (p.spec.format, p.spec.precision) not in fallen]
        self.left_out += fallen.values()


def prove_target(
    target: Target,
    converted: Mapping[VariantSpec, Converted | ConversionError],
    runs: Mapping[Job, RunResult],
    workstation: Workstation,
    truth: Truth,
    tolerances: Mapping[str, Tolerance],
    *,
    strict: bool,
    held_out: Mapping[VariantSpec, int] | None = None,
) -> Judged:
    """Judge each variant of a target.

    Args:
        target: the target.
        converted: the files, or why there are none.
        runs: the result of each job.
        workstation: where they ran.
        truth: the reference for runs.
        tolerances: precision -> its tolerance.
        strict: raise at the first variant that fails.
        held_out: for each file that was selected, the number of held-out calibration samples on
            which it held.

    Raises:
        ProofError: `strict`, and a variant fails its proof.
        ConversionError: `strict`, and a variant cannot be written.
    """
    judged = Judged()
    for spec in target.variants:
        try:
            file = converted[spec]
            if isinstance(file, ConversionError):
                raise file
            jobs = jobs_of(target, spec, workstation)
            held = (held_out or {}).get(spec, 0)
            tolerance = tolerances[spec.precision]
            judged.passed.append(_prove(spec, file, jobs, runs, truth, tolerance, held))
        except UnsupportedLayer as error:  # a limit of the format: no proof failed
            judged.left_out.append(f"{spec.format} {spec.precision}: {error}")
        except ConversionError as error:
            if strict:
                raise
            judged.left_out.append(f"{spec.format} {spec.precision}: {error}")
        except ProofError as error:
            if strict:
                raise
            judged.left_out.append(str(error))
    return judged


def _to_try(held: int) -> str:
    """Say what helps against a failed proof.

    Args:
        held: the number of held-out calibration samples on which the file held; 0: none were.
    """
    if not held:
        return _TO_TRY
    return f"the {held} held-out calibration samples did not show it: {_TO_TRY}"


def _prove(
    spec: VariantSpec,
    file: Converted,
    jobs: Sequence[Job],
    runs: Mapping[Job, RunResult],
    truth: Truth,
    tolerance: Tolerance,
    held: int,
) -> Passed:
    """Prove one variant on every engine that runs it.

    Raises:
        ProofError: it is not the same model, an engine fails, or two engines disagree about it.
    """
    variant = f"{spec.format} {spec.precision}"
    ran, not_on_gpu = [], []
    for job in jobs:
        result = runs[job]
        if isinstance(result, ProofError):
            raise result.within(variant)
        if isinstance(result, DeviceMissing):
            not_on_gpu.append(NotOnGpu(str(result), spec.format, spec.precision, job.engine))
        else:
            ran.append(result)
    try:
        proofs = prove(variant, ran, truth, tolerance.of(spec))
        measured = measure_all(variant, ran, truth)
    except ProofError as error:
        raise ProofError(error.problem, _to_try(held)) from None
    on_cpu = tuple(run.outputs for run in ran if run.device == "cpu")
    return Passed(spec, file, proofs, measured, ran[0].outputs, on_cpu, tuple(not_on_gpu))


def choose_golden(
    truth: Truth,
    samples: Iterable[NDArray[Any]],
    judged: Iterable[Judged],
    tolerances: Mapping[str, Tolerance],
) -> NDArray[np.int64]:
    """Choose the golden samples of all targets, by the outputs of passed files on the CPU.

    A bundle for CPUs is then the same whether or not the workstation has a GPU.

    Args:
        truth: the reference for runs.
        samples: (N, ...) for each input.
        judged: the judged variants of each target.
        tolerances: precision -> its tolerance.

    Returns:
        Ascending indices into the samples, int64 (golden samples,).
    """
    steady: dict[VariantSpec, list[tuple[NDArray[Any], ...]]] = {}
    for passed in (p for each in judged for p in each.passed):
        steady.setdefault(passed.spec, []).extend(passed.cpu_outputs)
    bounded = [(runs, tolerances[spec.precision].of(spec).golden) for spec, runs in steady.items()]
    sample_bytes = sum(array[0].nbytes for array in (*samples, *truth.keras))
    count = min(_MOST_GOLDEN, max(_LEAST_GOLDEN, _GOLDEN_BYTES // max(sample_bytes, 1)))
    return golden_indices(truth, bounded, count=count)
