"""From a source to proven bundles: convert, guard, run, prove, pack, and check the packed bytes.

Each distinct file is converted once, and run once on each engine, even if several targets share it.
A target is refused as a whole if its engines are too old for a file or its proof fails; the other
targets are still exported.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from strop_export.conversion import Converter
from strop_export.errors import ConversionError, EngineMissing, EngineTooOld, ProofError
from strop_export.finishing import Finished, Refused, Shared, bundle_name, finish, refuse
from strop_export.formats import Converted, VariantSpec
from strop_export.metric import Checked
from strop_export.planning import Plan, make_plans
from strop_export.progress import Steps
from strop_export.proof.prove import Truth
from strop_export.proof.runs import Progress, Workstation, jobs_of, run_all, survey
from strop_export.proof.target import choose_golden, prove_target
from strop_export.source import Source
from strop_export.targets import Target
from strop_export.tolerances import Tolerance
from strop_export.wheels import Wheels


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
            refused.append(Refused(target, bundle_name(model, target), error))
    return workstation, refused


def export(
    source: Source,
    converter: Converter,
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
        converter: a converter that has no model yet; it is closed when all files are converted.
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
    with tempfile.TemporaryDirectory(prefix="strop-export-") as scratch:
        folder = Path(scratch)
        selecting = metric.metric if metric and not metric.note else None
        steps.begin("converting the model")
        planned = make_plans(source, targets, tolerances, converter, steps, selecting)
        shared = Shared(source, tolerances, workstation, wheels, record, planned.layers, folder)
        files = planned.files()
        able, refused = _check_plans(shared, files, planned.plans, strict=strict)
        jobs = [
            job
            for plan in able
            for spec in plan.chosen.variants
            for job in jobs_of(plan.chosen, spec, workstation)
        ]
        steps.begin("running each file on its engines")
        runs = run_all(jobs, files, source, workstation, wheels, folder, steps)
        asked = metric.metric if metric else None
        truth = Truth(source.outputs, source.keras, source.labels, asked)
        steps.begin("proving each file against Keras")
        judged = {}
        results: list[Finished | Refused] = list(refused)
        for plan in able:
            name = plan.asked.name
            steps(bundle_name(source.name, plan.asked))
            try:
                judged[name] = prove_target(
                    plan.chosen,
                    planned.converted,
                    runs,
                    workstation,
                    truth,
                    tolerances,
                    strict=strict,
                    held_out=plan.held(),
                )
                judged[name].left_out += plan.left_out()
            except (ProofError, ConversionError) as error:
                results.append(refuse(shared, plan, error))
        golden = choose_golden(truth, source.samples, judged.values(), tolerances)
        for plan in (plan for plan in able if plan.asked.name in judged):
            own = judged[plan.asked.name]
            results.append(finish(shared, plan, own, golden, strict=strict))
    return results


def _check_plans(
    shared: Shared, files: Mapping[VariantSpec, Converted], plans: list[Plan], *, strict: bool
) -> tuple[list[Plan], list[Refused]]:
    """Split the targets by whether their engines run all their files, by the measured floors.

    Returns:
        The targets whose engines do, and a refusal for each other target.
    """
    able, refused = [], []
    for plan in plans:
        try:
            plan.check(files, strict=strict)
            able.append(plan)
        except (EngineTooOld, ProofError) as error:
            refused.append(refuse(shared, plan, error))
    return able, refused
