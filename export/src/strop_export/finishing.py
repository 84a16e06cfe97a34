"""The end of a target's export: its bundle, checked as devices do, and the folder beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop.errors import BundleError, StropError
from strop_export import bundles, guard
from strop_export.errors import EngineMissing, ExportError, ProofError
from strop_export.formats import VariantSpec
from strop_export.formats.base import CALIBRATED
from strop_export.layer_errors.entries import FileErrors
from strop_export.layer_errors.measure import TensorError
from strop_export.planning import Plan
from strop_export.preference import in_order
from strop_export.proof.companion import Folder
from strop_export.proof.golden import golden_tolerance
from strop_export.proof.gpu import NO_ADAPTER, NotOnGpu
from strop_export.proof.packed import check_bundle
from strop_export.proof.runs import Workstation
from strop_export.proof.target import Judged, Passed
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
    folder: Folder | None = None  # beside the bundle, of a target that has a companion


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


def bundle_name(model: str, target: Target) -> str:
    """Return the name of a bundle's file."""
    return f"{model}-{target.name}.strop"


@dataclass(frozen=True)
class Shared:
    """Parts that the targets of an export share at its end.

    Attributes:
        source: the model and its samples.
        tolerances: precision -> its tolerance.
        workstation: where they were proven.
        wheels: the wheels that devices get.
        record: the sources and tools that made the bundles, as plain JSON values.
        layers: the errors of the layers of each quantized file.
        folder: for draft bundles.
    """

    source: Source
    tolerances: Mapping[str, Tolerance]
    workstation: Workstation
    wheels: Wheels
    record: Mapping[str, Any]
    layers: Mapping[VariantSpec, tuple[TensorError, ...]]
    folder: Path


def refuse(shared: Shared, plan: Plan, error: StropError) -> Refused:
    """Refuse a target that came as far as its files."""
    return Refused(
        plan.asked,
        bundle_name(shared.source.name, plan.asked),
        error,
        outputs=shared.source.outputs,
        layers=_layers(shared, plan, ()),
        guarded=plan.guarded,
    )


def finish(
    shared: Shared, plan: Plan, judged: Judged, golden: NDArray[np.int64], *, strict: bool
) -> Finished | Refused:
    """Build a target's bundle, and check it until no variant of it fails.

    Args:
        shared: what the targets share.
        plan: the target and its files.
        judged: its variants; those that fail in the bundle are left out of it.
        golden: indices of the golden samples, int64 (golden samples,).
        strict: refuse the target if a variant fails.
    """
    companion = shared.workstation.companion(plan.asked.companion)
    try:
        while True:
            finished = _build(shared, plan, judged, golden)
            draft = shared.folder / finished.bundle
            draft.write_bytes(finished.content)
            fallen = check_bundle(draft, finished.variants, shared.workstation, shared.wheels)
            if companion and not fallen:
                plans = [v for v in finished.variants if v.spec.format == "plan"]
                layers = {v.spec.precision: v.converted.step_layers for v in plans}
                folder = companion.folder(draft, plan.asked, layers)
                finished, fallen = replace(finished, folder=folder), dict(folder.fallen)
            if not fallen:
                return finished
            if strict:
                raise ProofError("; ".join(fallen.values()))
            judged.drop(fallen)
    except (ExportError, BundleError) as error:
        return refuse(shared, plan, error)


def _build(shared: Shared, plan: Plan, judged: Judged, golden: NDArray[np.int64]) -> Finished:
    """Build one target's bundle of the variants that passed.

    Raises:
        ProofError: no variant is left.
    """
    if not judged.passed:
        raise ProofError(f"no variant is left: {'; '.join(judged.left_out)}")
    source, workstation, target = shared.source, shared.workstation, plan.asked
    engines, proven = in_order(target, [_proven(shared, each, golden) for each in judged.passed])
    made_for = {**shared.record, "platforms": list(target.platforms)}
    content = bundles.build(source, target.name, engines, proven, golden, made_for)
    not_on_gpu = [note for passed in judged.passed for note in passed.not_on_gpu]
    if not workstation.adapters and any(variant.spec.gpu for variant in proven):
        not_on_gpu.append(NotOnGpu(NO_ADAPTER))
    return Finished(
        target,
        bundle_name(source.name, target),
        content,
        source.outputs,
        tuple(proven),
        tuple(judged.left_out),
        tuple(not_on_gpu),
        _layers(shared, plan, proven),
        plan.guarded,
    )


def _layers(
    shared: Shared, plan: Plan, shipped: Iterable[bundles.Proven]
) -> tuple[FileErrors, ...]:
    specs = {spec for variant in shipped for spec in (variant.spec, variant.spec.source)}
    return tuple(
        FileErrors(spec, shared.layers[spec], spec in specs)
        for spec in plan.measured()
        if spec in shared.layers
    )


def _proven(shared: Shared, passed: Passed, golden: NDArray[np.int64]) -> bundles.Proven:
    spec = passed.spec
    bound = shared.tolerances[spec.precision].of(spec).golden
    bounds = tuple(
        golden_tolerance(output, keras, bound, ours if spec.precision in CALIBRATED else None)
        for output, keras, ours in zip(
            shared.source.outputs, shared.source.keras, passed.outputs, strict=True
        )
    )
    outputs = tuple(array[golden] for array in passed.outputs)
    return bundles.Proven(spec, passed.converted, passed.proofs, outputs, bounds, passed.measured)
