"""From a source to proven bundles: convert, run, prove, pack, and check what was packed.

Each distinct file is converted once and run once on each engine, whatever the number of targets
that share it. A target whose engines are too old for a file, or whose proof fails, is refused
whole; the others go on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export import bundles, environments, floor, prove
from export.errors import (
    ConversionError,
    EngineMissing,
    EngineTooOld,
    ProofError,
    UnsupportedLayer,
)
from export.formats import Converted, VariantSpec, convert
from export.source import Source
from export.targets import Target, Tolerance
from strop.errors import StropError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Finished:
    """A target that has its bundle."""

    target: Target
    bundle: str  # the file's name in dist/
    content: bytes
    variants: tuple[bundles.Proven, ...]
    left_out: tuple[str, ...]  # variants the model cannot have, and why


@dataclass(frozen=True)
class Refused:
    """A target that has none, and why."""

    target: Target
    bundle: str
    reason: str
    engine_missing: bool  # the workstation's lack, not the model's


@dataclass
class _Work:
    """What has been made so far, shared by all targets; errors stand where results would."""

    pythons: Mapping[str, Path]
    converted: dict[VariantSpec, Converted | ConversionError] = field(default_factory=dict)
    runs: dict[tuple[VariantSpec, str], prove.Run | ProofError] = field(default_factory=dict)


def find_engines(
    model: str, targets: Iterable[Target], progress: Progress
) -> tuple[dict[str, Path], list[Refused]]:
    """The interpreter of each engine that can be had, and the targets that want another."""
    pythons: dict[str, Path] = {}
    missing: dict[str, EngineMissing] = {}
    refused = []
    for target in targets:
        for engine in target.engines:
            if engine not in pythons and engine not in missing:
                progress(f"engine {engine}")
                try:
                    pythons[engine] = environments.python_for(engine)
                except EngineMissing as error:
                    missing[engine] = error
        reasons = [str(missing[engine]) for engine in target.engines if engine in missing]
        if reasons:
            name = _bundle_name(model, target)
            refused.append(Refused(target, name, "; ".join(reasons), engine_missing=True))
    return pythons, refused


def _bundle_name(model: str, target: Target) -> str:
    return f"{model}-{target.name}.strop"


def export(
    source: Source,
    targets: Iterable[Target],
    tolerances: Mapping[str, Tolerance],
    pythons: Mapping[str, Path],
    wheel: Path,
    record: Mapping[str, Any],
    progress: Progress,
) -> list[Finished | Refused]:
    """Export a source for some targets.

    Args:
        pythons: the interpreter of each engine the targets want, from `find_engines`.
        wheel: the runtime's wheel; every engine runs under it.
        record: what the bundles were made from and with.
        progress: called with a line before each step.

    Raises:
        ExportError: nothing could be exported at all.
    """
    targets = list(targets)
    work = _Work(pythons)
    with tempfile.TemporaryDirectory(prefix="strop-export-") as scratch:
        folder = Path(scratch)
        _convert_all(work, source, targets, progress)
        able, refused = _check_floors(work, source, targets)
        _run_all(work, source, able, wheel, folder, progress)
        golden = _choose_golden(work, source, tolerances)
        results: list[Finished | Refused] = list(refused)
        for target in able:
            name = _bundle_name(source.name, target)
            progress(f"proving {name}")
            try:
                finished = _finish(work, source, target, name, tolerances, golden, record)
                _check_bundle(work, finished, wheel, folder)
                results.append(finished)
            except (ProofError, ConversionError, StropError) as error:
                results.append(Refused(target, name, str(error), engine_missing=False))
    return results


def _convert_all(work: _Work, source: Source, targets: list[Target], progress: Progress) -> None:
    for spec in dict.fromkeys(spec for target in targets for spec in target.variants):
        progress(f"converting to {spec.format} {spec.precision}")
        try:
            work.converted[spec] = convert(source.model, spec, source.calibration)
        except ConversionError as error:
            work.converted[spec] = error


def _check_floors(
    work: _Work, source: Source, targets: list[Target]
) -> tuple[list[Target], list[Refused]]:
    """The targets whose engines run all their files, going by what was measured, and the others."""
    able, refused = [], []
    for target in targets:
        try:
            for spec in target.variants:
                converted = work.converted[spec]
                if isinstance(converted, Converted):
                    floor.check(target, spec, converted.requires)
            able.append(target)
        except EngineTooOld as error:
            name = _bundle_name(source.name, target)
            refused.append(Refused(target, name, str(error), engine_missing=False))
    return able, refused


def _run_all(
    work: _Work,
    source: Source,
    targets: list[Target],
    wheel: Path,
    folder: Path,
    progress: Progress,
) -> None:
    """Run every file on every engine it is meant for, two at a time."""
    samples = folder / "samples.npy"
    np.save(samples, source.samples)
    pairs = dict.fromkeys(
        (spec, engine)
        for target in targets
        for spec in target.variants
        for engine in target.engines_of(spec)
    )
    jobs = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for number, (spec, engine) in enumerate(pairs):
            python, converted = work.pythons[engine], work.converted[spec]
            if isinstance(converted, ConversionError):
                continue
            draft = folder / f"{number}.strop"
            draft.write_bytes(bundles.draft(source, spec, converted, [engine]))
            job = pool.submit(_run_one, python, wheel, draft, samples, engine)
            jobs.append((spec, engine, job))
        for spec, engine, job in jobs:
            progress(f"running {spec.format} {spec.precision} on {engine}")
            try:
                work.runs[spec, engine] = job.result()
            except ProofError as error:
                work.runs[spec, engine] = error


def _run_one(python: Path, wheel: Path, draft: Path, samples: Path, engine: str) -> prove.Run:
    answers = draft.with_suffix(".npy")
    said = environments.run_strop(
        python,
        wheel,
        *("run", str(draft), str(samples), "--engine", engine, "--output", str(answers)),
        directory=draft.parent,
    )
    return prove.Run(engine, said["model"]["engine_version"], np.load(answers))


def _choose_golden(
    work: _Work, source: Source, tolerances: Mapping[str, Tolerance]
) -> NDArray[np.int64]:
    outputs: dict[str, list[prove.Outputs]] = {}
    bounds = {}
    for (spec, _), run in work.runs.items():
        if isinstance(run, prove.Run) and run.outputs.shape == source.outputs.shape:
            outputs.setdefault(str(spec), []).append(run.outputs)
            bounds[str(spec)] = tolerances[spec.precision].golden
    return prove.golden_indices(source.outputs, outputs, bounds)


def _finish(
    work: _Work,
    source: Source,
    target: Target,
    name: str,
    tolerances: Mapping[str, Tolerance],
    golden: NDArray[np.int64],
    record: Mapping[str, Any],
) -> Finished:
    """Prove one target's variants and pack its bundle."""
    proven, left_out = [], []
    for spec in target.variants:
        converted = work.converted[spec]
        if isinstance(converted, UnsupportedLayer):
            left_out.append(f"{spec.format} {spec.precision}: {converted}")
            continue
        if isinstance(converted, ConversionError):
            raise converted
        runs = []
        for engine in target.engines_of(spec):
            run = work.runs[spec, engine]
            if isinstance(run, ProofError):
                raise run
            runs.append(run)
        tolerance = tolerances[spec.precision]
        proofs = prove.prove(
            f"{spec.format} {spec.precision}", runs, source.outputs, source.labels, tolerance
        )
        proven.append(
            bundles.Proven(
                spec,
                converted,
                proofs,
                runs[0].outputs[golden],
                tolerance.golden * prove.scale(source.outputs),
            )
        )
    if not proven:
        raise ProofError(f"no variant is left: {'; '.join(left_out)}")
    engines = [n for n in target.engines if any(n in {p.engine for p in v.proofs} for v in proven)]
    made_for = {**record, "platforms": list(target.platforms)}
    content = bundles.build(source, target.name, engines, proven, golden, made_for)
    return Finished(target, name, content, tuple(proven), tuple(left_out))


def _check_bundle(work: _Work, finished: Finished, wheel: Path, folder: Path) -> None:
    """The last word is the device's own: `strop check` on the finished bytes, on every engine."""
    draft = folder / finished.bundle
    draft.write_bytes(finished.content)
    engines = {proof.engine for variant in finished.variants for proof in variant.proofs}
    for engine in sorted(engines):
        environments.run_strop(
            work.pythons[engine], wheel, "check", str(draft), "--engine", engine, directory=folder
        )
