"""Runs of converted files over all samples, each on its engines and devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from strop.engines import on_device
from strop.model.arrays import npz
from strop_export import bundles
from strop_export.errors import DeviceMissing, EngineMissing, ProofError
from strop_export.formats import Converted, VariantSpec
from strop_export.proof import environments
from strop_export.proof.companion import Companion
from strop_export.proof.companions import KINDS
from strop_export.proof.prove import Run
from strop_export.source import Source
from strop_export.targets import Target
from strop_export.wheels import Wheels

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One file on one engine and device."""

    spec: VariantSpec
    engine: str
    device: str
    companion: str = ""  # the kind of the companion that runs it too

    def __str__(self) -> str:
        also = f" and {KINDS[self.companion].runs}" if self.companion else ""
        where = on_device(self.engine, self.device)
        return f"{self.spec.format} {self.spec.precision} on {where}{also}"


# The run, or why there is none: a fault of the file, or no such device on the workstation.
RunResult = Run | ProofError | DeviceMissing


@dataclass(frozen=True)
class Workstation:
    """The GPUs and engines of this workstation."""

    adapters: tuple[str, ...]  # its GPUs
    pythons: Mapping[tuple[str, str], Path]  # (engine, device) -> Python of its environment
    missing: Mapping[tuple[str, str], EngineMissing]
    companions: Mapping[str, Companion | EngineMissing] = field(default_factory=dict)  # by kind

    def lacks(self, target: Target) -> list[EngineMissing]:
        """Return an error for each engine that a target must be proven on and that is missing."""
        asked = ((engine, "cpu") for engine in target.engines)
        lacks = [self.missing[place] for place in asked if place in self.missing]
        companion = self.companions.get(target.companion)
        if isinstance(companion, EngineMissing):
            lacks.append(companion)
        return lacks

    def companion(self, kind: str) -> Companion | None:
        """Return the companion of a kind that is here; None for ""."""
        found = self.companions.get(kind)
        return None if isinstance(found, EngineMissing) else found


def survey(targets: Iterable[Target], adapters: tuple[str, ...], progress: Progress) -> Workstation:
    """Find each engine that some targets run on, or make its environment.

    Args:
        targets: the targets.
        adapters: the GPUs here; if there are none, engines for GPUs are skipped.
        progress: called with a line before each step.
    """
    pythons: dict[tuple[str, str], Path] = {}
    missing: dict[tuple[str, str], EngineMissing] = {}
    companions: dict[str, Companion | EngineMissing] = {}
    for target in targets:
        kind = target.companion
        if kind and kind not in companions:
            progress(KINDS[kind].title)
            try:
                companions[kind] = KINDS[kind].find()
            except EngineMissing as error:
                companions[kind] = error
        places = [(engine, "cpu") for engine in target.engines]
        places += [(engine, "gpu") for engine in target.gpu_engines if adapters]
        for place in places:
            if place not in pythons and place not in missing:
                progress(f"engine {on_device(*place)}")
                try:
                    pythons[place] = environments.python_for(*place)
                except EngineMissing as error:
                    missing[place] = error
    return Workstation(adapters, pythons, missing, companions)


def jobs_of(target: Target, spec: VariantSpec, workstation: Workstation) -> list[Job]:
    """List the jobs that prove a target's file; those on GPUs only if the workstation has one.

    Args:
        target: the target.
        spec: the file, one of the target's variants.
        workstation: from `survey`.
    """
    gpu_engines = target.gpu_engines_of(spec) if workstation.adapters else ()
    companion = target.companion if spec.format == "plan" else ""
    return [
        *(Job(spec, engine, "cpu", companion) for engine in target.engines_of(spec)),
        *(Job(spec, engine, "gpu") for engine in gpu_engines),
    ]


def run_all(
    jobs: Iterable[Job],
    converted: Mapping[VariantSpec, Converted],
    source: Source,
    workstation: Workstation,
    wheels: Wheels,
    folder: Path,
    progress: Progress,
) -> dict[Job, RunResult]:
    """Run each job once, two at a time.

    Args:
        jobs: the jobs; equal ones count as one.
        converted: the files; a job for any other file is skipped.
        source: the model and its samples.
        workstation: from `survey`.
        wheels: the wheels that devices get; every engine runs under them.
        folder: for draft bundles and outputs.
        progress: called with a line before each step.

    Returns:
        For each job its run, or the error in its place.
    """
    samples = folder / "samples.npz"
    named = zip((spec.name for spec in source.inputs), source.samples, strict=True)
    samples.write_bytes(npz(dict(named)))
    names = [spec.name for spec in source.outputs]
    results: dict[Job, RunResult] = {}
    started = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for number, job in enumerate(dict.fromkeys(jobs)):
            if job.spec not in converted:
                continue
            python = workstation.pythons.get((job.engine, job.device))
            if python is None:
                missing = workstation.missing[job.engine, job.device]
                results[job] = DeviceMissing(missing.problem, missing.mend)
                continue
            draft = folder / f"{number}.strop"
            draft.write_bytes(bundles.draft(source, job.spec, converted[job.spec], [job.engine]))
            companion = workstation.companion(job.companion)
            work = (job, python, wheels, draft, samples, names, companion)
            started.append((job, pool.submit(_run, *work)))
        for job, answer in started:
            progress(f"running {job}")
            try:
                results[job] = answer.result()
            except (ProofError, DeviceMissing) as error:
                results[job] = error
    return results


def _run(
    job: Job,
    python: Path,
    wheels: Wheels,
    draft: Path,
    samples: Path,
    names: Sequence[str],
    companion: Companion | None,
) -> Run:
    answers = draft.with_suffix(".npz")
    said = environments.run_strop(
        python,
        wheels.importable,
        *("run", str(draft), str(samples), "--output", str(answers)),
        *("--engine", job.engine, "--device", job.device),
        directory=draft.parent,
    )["model"]
    adapter = said["adapter"] or ""
    with np.load(answers, allow_pickle=False) as held:
        outputs = tuple(held[name] for name in names)
    run = Run(job.engine, said["engine_version"], outputs, job.device, adapter)
    return companion.run(draft, samples, run) if companion else run
