"""From a source to proven bundles: convert, guard, run, prove, pack, and check the packed bytes.

Each distinct file is converted once, and run once on each engine, even if several targets share it.
A target is refused as a whole if its engines are too old for a file or its proof fails; the other
targets are still exported.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop.errors import BundleError, StropError
from strop_export import bundles, guard
from strop_export.errors import (
    ConversionError,
    DeviceMissing,
    EngineMissing,
    EngineTooOld,
    ProofError,
)
from strop_export.formats import Converted, VariantSpec
from strop_export.formats.base import CALIBRATED
from strop_export.layer_errors.entries import FileErrors
from strop_export.layer_errors.measure import TensorError
from strop_export.metric import Checked
from strop_export.planning import Plan, make_plans
from strop_export.preference import in_order
from strop_export.progress import Steps
from strop_export.proof import web
from strop_export.proof.golden import golden_tolerance
from strop_export.proof.gpu import NO_ADAPTER, NotOnGpu
from strop_export.proof.packed import check_bundle
from strop_export.proof.prove import Truth
from strop_export.proof.runs import Job, Progress, RunResult, Workstation, jobs_of, run_all, survey
from strop_export.proof.target import Judged, Passed, choose_golden, prove_target
from strop_export.source import Source
from strop_export.targets import Target
from strop_export.tolerances import Tolerance
from strop_export.wheels import Wheels


@dataclass(frozen=True)
class Finished:
    """A target that has its bundle."""

    target: Target
    bundle: str  # the file's name in dist/
    content: bytes
    outputs: tuple[OutputSpec, ...]
    variants: tuple[bundles.Proven, ...]
    left_out: tuple[str, ...]  # variants that could not be written or proven, and why
    not_on_gpu: tuple[NotOnGpu, ...]  # files for GPUs that were proven on the CPU alone, and why
    layers: tuple[FileErrors, ...] = ()  # of the quantized files, those left out too
    guarded: tuple[guard.Path, ...] = ()  # how the files in the places of its int8 files were found
    page: web.Page | None = None  # the module for pages, of a target that needs it


@dataclass(frozen=True)
class Refused:
    """A target that has no bundle, and the reason."""

    target: Target
    bundle: str
    error: StropError  # the reason
    outputs: tuple[OutputSpec, ...] = ()
    layers: tuple[FileErrors, ...] = ()  # of the quantized files, if it came so far
    guarded: tuple[guard.Path, ...] = ()  # the search for files in the places of int8 files

    @property
    def engine_missing(self) -> bool:
        """Whether the workstation is at fault, not the model."""
        return isinstance(self.error, EngineMissing)


@dataclass
class _Work:
    """The results so far, shared by all targets; an error replaces a missing result."""

    workstation: Workstation
    converted: dict[VariantSpec, Converted | ConversionError] = field(default_factory=dict)
    runs: dict[Job, RunResult] = field(default_factory=dict)
    layers: dict[VariantSpec, tuple[TensorError, ...]] = field(default_factory=dict)

    def files(self) -> dict[VariantSpec, Converted]:
        """Return the files that could be converted."""
        return {s: file for s, file in self.converted.items() if isinstance(file, Converted)}


def find_engines(
    model: str, targets: Iterable[Target], adapters: tuple[str, ...], progress: Progress
) -> tuple[Workstation, list[Refused]]:
    """Find the engines of some targets on this workstation.

    Args:
        model: the model's name, for the names of the bundles.
        targets: the targets.
        adapters: the GPUs here, from `gpu.adapters`.
        progress: called with a line before each step.

    Returns:
        The workstation, and a refusal for each target that needs an engine that is missing.
    """
    targets = list(targets)
    workstation = survey(targets, adapters, progress)
    refused = []
    for target in targets:
        if lacks := workstation.lacks(target):
            error = EngineMissing(
                "; ".join(lack.problem for lack in lacks),
                "; ".join(filter(None, (lack.mend for lack in lacks))),
            )
            refused.append(Refused(target, _bundle_name(model, target), error))
    return workstation, refused


def _bundle_name(model: str, target: Target) -> str:
    return f"{model}-{target.name}.strop"


def export(
    source: Source,
    targets: Iterable[Target],
    tolerances: Mapping[str, Tolerance],
    workstation: Workstation,
    wheels: Wheels,
    record: Mapping[str, Any],
    steps: Steps,
    *,
    strict: bool = False,
    metric: Checked | None = None,
) -> list[Finished | Refused]:
    """Export a source for some targets.

    If an int8 file loses too much on the held-out samples, the guard chooses another file in its
    place. A variant that fails its proof is left out of its bundle, by name and with its figures.

    Args:
        source: the model and its samples.
        targets: the targets.
        tolerances: precision -> its tolerance.
        workstation: from `find_engines`; it has every engine of these targets.
        wheels: the wheels that devices get; every engine runs under them.
        record: the sources and tools that made the bundles, as plain JSON values.
        steps: three steps of them are taken here.
        strict: refuse the whole target if one of its variants fails, or if no quantized file can
            take the place of an int8 file.
        metric: the user's own, or None. It also selects, if it has no note.

    Returns:
        A result for each target; first those refused before anything runs.

    Raises:
        ExportError: nothing could be exported at all.
    """
    targets = list(targets)
    work = _Work(workstation)
    with tempfile.TemporaryDirectory(prefix="strop-export-") as scratch:
        folder = Path(scratch)
        selecting = metric.metric if metric and not metric.note else None
        steps.begin("converting the model")
        planned = make_plans(source, targets, tolerances, folder, steps, selecting)
        work.converted, work.layers = planned.converted, planned.layers
        able, refused = _check_plans(work, source, planned.plans, strict=strict)
        jobs = [
            job
            for plan in able
            for spec in plan.chosen.variants
            for job in jobs_of(plan.chosen, spec, workstation)
        ]
        steps.begin("running each file on its engines")
        work.runs = run_all(jobs, work.files(), source, workstation, wheels, folder, steps)
        asked = metric.metric if metric else None
        truth = Truth(source.outputs, source.keras, source.labels, asked)
        steps.begin("proving each file against Keras")
        judged = {}
        results: list[Finished | Refused] = list(refused)
        for plan in able:
            name = plan.asked.name
            steps(_bundle_name(source.name, plan.asked))
            try:
                judged[name] = prove_target(
                    plan.chosen,
                    work.converted,
                    work.runs,
                    workstation,
                    truth,
                    tolerances,
                    strict=strict,
                    held_out=plan.held(),
                )
                judged[name].left_out += plan.left_out()
            except (ProofError, ConversionError) as error:
                results.append(_refused(work, source, plan, error))
        golden = choose_golden(truth, source.samples, judged.values(), tolerances)
        for plan in (plan for plan in able if plan.asked.name in judged):
            try:
                own = judged[plan.asked.name]
                while True:
                    finished = _finish(work, source, plan, own, golden, tolerances, record)
                    draft = folder / finished.bundle
                    draft.write_bytes(finished.content)
                    fallen = check_bundle(draft, finished.variants, workstation, wheels)
                    if finished.page:
                        specs = [variant.spec for variant in finished.variants]
                        precisions = [spec.precision for spec in specs if spec.format == "plan"]
                        fallen |= web.check_in_node(finished.page, draft, precisions)
                    if not fallen:
                        break
                    if strict:
                        raise ProofError("; ".join(fallen.values()))
                    own.drop(fallen)
                results.append(finished)
            except (ProofError, DeviceMissing, BundleError) as error:
                results.append(_refused(work, source, plan, error))
    return results


def _refused(work: _Work, source: Source, plan: Plan, error: StropError) -> Refused:
    return Refused(
        plan.asked,
        _bundle_name(source.name, plan.asked),
        error,
        outputs=source.outputs,
        layers=_layers(work, plan, ()),
        guarded=plan.guarded,
    )


def _layers(work: _Work, plan: Plan, shipped: Iterable[bundles.Proven]) -> tuple[FileErrors, ...]:
    specs = {spec for variant in shipped for spec in (variant.spec, variant.spec.source)}
    return tuple(
        FileErrors(spec, work.layers[spec], spec in specs)
        for spec in plan.measured()
        if spec in work.layers
    )


def _check_plans(
    work: _Work, source: Source, plans: list[Plan], *, strict: bool
) -> tuple[list[Plan], list[Refused]]:
    """Split the targets by whether their engines run all their files, by the measured floors.

    Returns:
        The targets whose engines do, and a refusal for each other target.
    """
    able, refused = [], []
    for plan in plans:
        try:
            plan.check(work.files(), strict=strict)
            able.append(plan)
        except (EngineTooOld, ProofError) as error:
            refused.append(_refused(work, source, plan, error))
    return able, refused


def _finish(
    work: _Work,
    source: Source,
    plan: Plan,
    judged: Judged,
    golden: NDArray[np.int64],
    tolerances: Mapping[str, Tolerance],
    record: Mapping[str, Any],
) -> Finished:
    """Build one target's bundle of the variants that passed.

    Raises:
        ProofError: no variant is left.
    """
    if not judged.passed:
        raise ProofError(f"no variant is left: {'; '.join(judged.left_out)}")
    target = plan.asked
    proven = [_proven(p, source, golden, tolerances) for p in judged.passed]
    engines, proven = in_order(target, proven)
    made_for = {**record, "platforms": list(target.platforms)}
    content = bundles.build(source, target.name, engines, proven, golden, made_for)
    not_on_gpu = [note for passed in judged.passed for note in passed.not_on_gpu]
    if not work.workstation.adapters and any(variant.spec.gpu for variant in proven):
        not_on_gpu.append(NotOnGpu(NO_ADAPTER))
    return Finished(
        target,
        _bundle_name(source.name, target),
        content,
        source.outputs,
        tuple(proven),
        tuple(judged.left_out),
        tuple(not_on_gpu),
        _layers(work, plan, proven),
        plan.guarded,
        work.workstation.page_of(target),
    )


def _proven(
    passed: Passed,
    source: Source,
    golden: NDArray[np.int64],
    tolerances: Mapping[str, Tolerance],
) -> bundles.Proven:
    spec = passed.spec
    bound = tolerances[spec.precision].of(spec).golden
    bounds = tuple(
        golden_tolerance(output, keras, bound, ours if spec.precision in CALIBRATED else None)
        for output, keras, ours in zip(source.outputs, source.keras, passed.outputs, strict=True)
    )
    outputs = tuple(array[golden] for array in passed.outputs)
    return bundles.Proven(spec, passed.converted, passed.proofs, outputs, bounds, passed.measured)
