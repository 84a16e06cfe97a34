"""From a source to proven bundles: convert, run, prove, pack, and check the packed bytes.

Each distinct file is converted once, and run once on each engine, even if several targets share it.
A target is refused as a whole if its engines are too old for a file or its proof fails; the other
targets go on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.diagnostics.replay import PASSED
from strop.errors import StropError
from strop_export import bundles
from strop_export.conversion import Converter
from strop_export.errors import (
    ConversionError,
    DeviceMissing,
    EngineTooOld,
    ProofError,
    UnsupportedLayer,
)
from strop_export.floors import table
from strop_export.formats import Converted, VariantSpec
from strop_export.proof import environments, prove
from strop_export.proof.gpu import NO_ADAPTER, NotOnGpu
from strop_export.proof.runs import Job, Progress, RunResult, Workstation, jobs_of, run_all, survey
from strop_export.source import Source
from strop_export.targets import Target, Tolerance

_TO_TRY = "try more calibration samples, another precision, or bounds of its own (--tolerances)"


@dataclass(frozen=True)
class Finished:
    """A target that has its bundle."""

    target: Target
    bundle: str  # the file's name in dist/
    content: bytes
    variants: tuple[bundles.Proven, ...]
    left_out: tuple[str, ...]  # variants that could not be written or proven, and why
    not_on_gpu: tuple[NotOnGpu, ...]  # what was made for GPUs and proven on the CPU alone, and why


@dataclass(frozen=True)
class Refused:
    """A target that has no bundle, and the reason."""

    target: Target
    bundle: str
    reason: str
    engine_missing: bool  # the workstation's lack, not the model's


@dataclass
class _Work:
    """The results made so far, shared by all targets; an error stands in place of a result."""

    workstation: Workstation
    converted: dict[VariantSpec, Converted | ConversionError] = field(default_factory=dict)
    runs: dict[Job, RunResult] = field(default_factory=dict)

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
        What the targets can be proven on here, and the targets that need an engine that is missing.
    """
    targets = list(targets)
    workstation = survey(targets, adapters, progress)
    refused = []
    for target in targets:
        if lacks := workstation.lacks(target):
            reason = "; ".join(map(str, lacks))
            refused.append(
                Refused(target, _bundle_name(model, target), reason, engine_missing=True)
            )
    return workstation, refused


def _bundle_name(model: str, target: Target) -> str:
    return f"{model}-{target.name}.strop"


def export(
    source: Source,
    targets: Iterable[Target],
    tolerances: Mapping[str, Tolerance],
    workstation: Workstation,
    wheel: Path,
    record: Mapping[str, Any],
    progress: Progress,
    *,
    strict: bool = False,
) -> list[Finished | Refused]:
    """Export a source for some targets.

    A variant that fails its proof is left out of its bundle, by name and with its figures.

    Args:
        source: the model and its samples.
        targets: the targets.
        tolerances: precision -> its tolerance.
        workstation: from `find_engines`; it has every engine of these targets.
        wheel: the runtime's wheel; every engine runs under it.
        record: what the bundles were made from and with, as plain JSON values.
        progress: called with a line before each step.
        strict: refuse a target whole if one of its variants fails.

    Returns:
        A result for each target; first those refused because an engine is too old.

    Raises:
        ExportError: nothing could be exported at all.
    """
    targets = list(targets)
    work = _Work(workstation)
    with tempfile.TemporaryDirectory(prefix="strop-export-") as scratch:
        folder = Path(scratch)
        _convert_all(work, source, targets, folder, progress)
        able, refused = _check_floors(work, source, targets)
        jobs = [job for t in able for spec in t.variants for job in jobs_of(t, spec, workstation)]
        work.runs = run_all(jobs, work.files(), source, workstation, wheel, folder, progress)
        golden = _choose_golden(work, source, tolerances)
        results: list[Finished | Refused] = list(refused)
        for target in able:
            name = _bundle_name(source.name, target)
            progress(f"proving {name}")
            try:
                finished = _finish(
                    work, source, target, name, tolerances, golden, record, strict=strict
                )
                _check_bundle(work, finished, wheel, folder)
                results.append(finished)
            except (ProofError, DeviceMissing, ConversionError, StropError) as error:
                results.append(Refused(target, name, str(error), engine_missing=False))
    return results


def _convert_all(
    work: _Work, source: Source, targets: list[Target], folder: Path, progress: Progress
) -> None:
    with Converter(source, folder) as converter:
        for spec in dict.fromkeys(spec for target in targets for spec in target.variants):
            progress(f"converting to {spec.format} {spec.precision}")
            try:
                work.converted[spec] = converter.convert(spec)
            except ConversionError as error:
                work.converted[spec] = error


def _check_floors(
    work: _Work, source: Source, targets: list[Target]
) -> tuple[list[Target], list[Refused]]:
    """Split the targets by whether their engines, as measured, run all their files.

    Returns:
        The targets whose engines do, and the others, refused.
    """
    able, refused = [], []
    for target in targets:
        try:
            for spec in target.variants:
                converted = work.converted[spec]
                if isinstance(converted, Converted):
                    table.check(target, spec, converted.requires)
            able.append(target)
        except EngineTooOld as error:
            name = _bundle_name(source.name, target)
            refused.append(Refused(target, name, str(error), engine_missing=False))
    return able, refused


def _choose_golden(
    work: _Work, source: Source, tolerances: Mapping[str, Tolerance]
) -> NDArray[np.int64]:
    """Choose the golden samples by the CPU's outputs alone.

    So a bundle for CPUs is the same whether or not the workstation has a GPU.

    Returns:
        Ascending indices into `source.samples`, int64 (golden samples,).
    """
    outputs: dict[str, list[prove.Outputs]] = {}
    bounds = {}
    for job, run in work.runs.items():
        if not isinstance(run, prove.Run) or run.outputs.shape != source.outputs.shape:
            continue
        if job.device == "cpu":
            outputs.setdefault(str(job.spec), []).append(run.outputs)
            bounds[str(job.spec)] = tolerances[job.spec.precision].of(job.spec).golden
    return prove.golden_indices(source.outputs, outputs, bounds)


def _finish(
    work: _Work,
    source: Source,
    target: Target,
    name: str,
    tolerances: Mapping[str, Tolerance],
    golden: NDArray[np.int64],
    record: Mapping[str, Any],
    *,
    strict: bool,
) -> Finished:
    """Prove one target's variants and build its bundle of those that pass.

    Raises:
        ProofError: no variant is left; or, if `strict`, one fails its proof.
        ConversionError: `strict`, and a variant cannot be written.
    """
    proven, left_out, not_on_gpu = [], [], []
    for spec in target.variants:
        variant = f"{spec.format} {spec.precision}"
        try:
            found, without_gpu = _prove_variant(work, source, target, spec, tolerances, golden)
        except UnsupportedLayer as error:  # the format's limit: no proof failed
            left_out.append(f"{variant}: {error}")
        except ConversionError as error:
            if strict:
                raise
            left_out.append(f"{variant}: {error}")
        except ProofError as error:
            if strict:
                raise
            left_out.append(f"{error}; {_TO_TRY}")
        else:
            proven.append(found)
            not_on_gpu += without_gpu
    if not proven:
        raise ProofError(f"no variant is left: {'; '.join(left_out)}")
    engines = [n for n in target.engines if any(n in {p.engine for p in v.proofs} for v in proven)]
    made_for = {**record, "platforms": list(target.platforms)}
    content = bundles.build(source, target.name, engines, proven, golden, made_for)
    if not work.workstation.adapters and any(variant.spec.gpu for variant in proven):
        not_on_gpu.append(NotOnGpu(NO_ADAPTER))
    return Finished(target, name, content, tuple(proven), tuple(left_out), tuple(not_on_gpu))


def _prove_variant(
    work: _Work,
    source: Source,
    target: Target,
    spec: VariantSpec,
    tolerances: Mapping[str, Tolerance],
    golden: NDArray[np.int64],
) -> tuple[bundles.Proven, list[NotOnGpu]]:
    """Prove one variant on every engine of a target that runs it.

    Returns:
        What was shown of it, and on which engines no GPU could be had.

    Raises:
        ConversionError: it could not be written.
        ProofError: it is not the same model, or two engines disagree about it.
    """
    converted = work.converted[spec]
    if isinstance(converted, ConversionError):
        raise converted
    runs, not_on_gpu = [], []
    for job in jobs_of(target, spec, work.workstation):
        result = work.runs[job]
        if isinstance(result, ProofError):
            raise ProofError(f"{spec.format} {spec.precision}: {result}")
        if isinstance(result, DeviceMissing):
            not_on_gpu.append(NotOnGpu(str(result), spec.format, spec.precision, job.engine))
        else:
            runs.append(result)
    tolerance = tolerances[spec.precision].of(spec)
    proofs = prove.prove(
        f"{spec.format} {spec.precision}", runs, source.outputs, source.labels, tolerance
    )
    outputs, bound = runs[0].outputs[golden], tolerance.golden * prove.scale(source.outputs)
    return bundles.Proven(spec, converted, proofs, outputs, bound), not_on_gpu


def _check_bundle(work: _Work, finished: Finished, wheel: Path, folder: Path) -> None:
    """Run `strop check`, as a device does, on the finished bytes, wherever they were proven."""
    draft = folder / finished.bundle
    draft.write_bytes(finished.content)
    proven = [
        ((proof.engine, proof.device), [variant.spec.format, variant.spec.precision])
        for variant in finished.variants
        for proof in variant.proofs
    ]
    for place in sorted({place for place, _ in proven}):
        engine, device = place
        said = environments.run_strop(
            work.workstation.pythons[place],
            wheel,
            *("check", str(draft), "--engine", engine, "--device", device),
            directory=folder,
        )
        passed = [[r["format"], r["precision"]] for r in said["results"] if r["status"] == PASSED]
        for kind in (kind for where, kind in proven if where == place):
            if kind not in passed:
                raise ProofError(f"strop check {' '.join(place)} passes over {' '.join(kind)}")
