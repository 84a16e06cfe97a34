"""One export, from the request to the files in `dist/`; what is there and still right stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from strop_export import (
    calibration,
    dist,
    freshness,
    guarded,
    page,
    pipeline,
    report,
    selection,
    source,
    targets,
)
from strop_export.conversion import Converter
from strop_export.errors import EngineMissing, SourceError, TargetError
from strop_export.finishing import Finished, Refused
from strop_export.firmware.options import Options
from strop_export.floors import table
from strop_export.layer_errors.picture import pictures
from strop_export.metric import Metric, check
from strop_export.paths import TOLERANCES
from strop_export.progress import Steps
from strop_export.proof import gpu
from strop_export.tolerances import Tolerance, for_depth
from strop_export.tolerances import tolerances as read_tolerances
from strop_export.wheels import NATIVE, Wheels, find_wheels, native_here

STEPS: Final = 7

# What TensorFlow says on loading, and what ONNX Runtime reports to its makers unless told not to.
_QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Request:
    """A request: the model to export, the targets, and the folder for the results.

    Attributes:
        files: the model and its samples.
        out: the folder for the bundles and the report.
        targets: names of targets, paths of .toml files, and "all".
        precisions: keep only the variants of these; None: all.
        model_version: the version, for a model without a training record.
        tasks: kinds, by output name ("" for the only one), that override the detected ones.
        shapes: shapes of one sample, by input name ("" for the only one), for free sizes.
        trust: run the Python code that the model's file or `files.custom` brings.
        tolerances: the TOML file of bounds.
        max_drop: what quantized files may lose instead, in points or percent; None: the bounds.
        strict: refuse a target whole if one of its variants fails.
        metric: the user's own, which decides instead of the bounds; None: the bounds.
        firmware: options for the targets with firmware; those not given are the targets' own.

    Raises:
        TargetError: `max_drop` is no such number.
    """

    files: source.Files
    out: Path
    targets: Sequence[str] = (targets.ALL,)
    precisions: Sequence[str] | None = None
    model_version: int = 1
    tasks: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trust: bool = False
    tolerances: Path = TOLERANCES
    max_drop: float | None = None
    strict: bool = False
    metric: Metric | None = None
    firmware: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        drop = self.max_drop
        is_number = isinstance(drop, Real) and not isinstance(drop, bool)
        if drop is not None and not (is_number and 0 < drop < 100):
            raise TargetError(
                f"max_drop is {drop!r}", "give a number above 0 and below 100, in points or percent"
            )
        if drop is not None:
            object.__setattr__(self, "max_drop", float(drop))  # NumPy's are not JSON

    @property
    def share(self) -> float | None:
        """`max_drop` as a share, 0..1."""
        return None if self.max_drop is None else self.max_drop / 100

    def key(self) -> str:
        """Return a SHA-256 of all that the bundles depend on besides their targets.

        Raises:
            SourceError: a file of the source cannot be read.
            OSError: the file of tolerances cannot be read.
        """
        options = {
            "name": self.files.name,
            "model_version": self.model_version,
            "tolerances": self.tolerances.read_text(encoding="utf-8"),
            "max_drop": self.share,
            "metric": self.metric and self.metric.key(),
            "task": sorted(self.tasks.items()),
            "shape": sorted(self.shapes.items()),
        }
        return freshness.key(self.files.digests(), options)


@dataclass(frozen=True)
class Outcome:
    """The outcome of an export.

    Attributes:
        targets: the names of the targets asked for.
        report: the content of report.json, which may have other targets too.
        refused: the targets that have no bundle.
        made: whether anything was made; if not, all was there.
        stray: bundles in the folder that are not in the report.
    """

    targets: tuple[str, ...]
    report: dict[str, Any]
    refused: tuple[Refused, ...]
    made: bool
    stray: tuple[str, ...] = ()

    def failed(self, request: Request) -> list[Refused]:
        """List the refused targets that make an export fail.

        If all targets were asked for, one whose engine cannot be had on this workstation does not.
        """
        lenient = targets.ALL in request.targets
        return [each for each in self.refused if not (lenient and each.engine_missing)]


def run(request: Request, show: Callable[[str], None]) -> Outcome:
    """Export, and write the results once all of them are made.

    Args:
        request: what to export.
        show: called with a line of text before each step, and for what it finds.

    Raises:
        ExportError: nothing could be exported; what was in the folder stays.
        OSError: a file cannot be read or written.
    """
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    chosen = selection.of_precisions(selection.load_all(request.targets), request.precisions)
    chosen = selection.with_firmware(chosen, request.firmware)
    without_native = "" if request.strict else _why_no_native(chosen)
    if without_native:
        chosen = [selection.without(target, NATIVE) for target in chosen]
    for target in chosen:
        table.check_pins(target)
    tolerances = read_tolerances(
        request.files.name,
        request.tolerances,
        request.share,
        by_metric=request.metric is not None,
    )
    key = request.key()
    old = freshness.read_report(request.out, key)
    adapters = gpu.adapters() if any(target.gpu_engines for target in chosen) else ()
    fresh = freshness.fresh_targets(request.out, old, chosen, adapters)
    if request.strict:  # a bundle that lacks a file may be refused now
        fresh -= {note["target"] for note in old.get("left_out", ())}
        fresh -= {entry["target"] for entry in old.get("guard", ()) if guarded.is_float(entry)}
    stale = [target for target in chosen if target.name not in fresh]
    asked = tuple(target.name for target in chosen)
    if not stale:
        return Outcome(asked, old, (), made=False)
    with (
        TemporaryDirectory(prefix="strop-") as scratch,
        TemporaryDirectory(prefix="strop-convert-") as shared,
        Converter(Path(shared)) as converter,
    ):
        wheels = find_wheels(Path(scratch))
        steps = Steps(show, STEPS)
        results, made = _make(request, converter, stale, adapters, tolerances, wheels, steps)
        made = replace(made, without_native=without_native)
        steps.begin(f"writing {request.out}")
        dist.publish(request.out, wheels, results)
    content = report.merge(old, fresh, results, made, key)
    _write(request.out, content)
    there = {path.name for path in request.out.glob("*.strop")}
    refused = tuple(result for result in results if isinstance(result, Refused))
    stray = tuple(sorted(there - report.bundle_names(content)))
    return Outcome(asked, content, refused, made=True, stray=stray)


def _why_no_native(chosen: Sequence[targets.Target]) -> str:
    """Say why the native engine is missing here; "" if it is not, or if no target wants it."""
    if not any(NATIVE in target.engines for target in chosen):
        return ""
    try:
        native_here()
    except EngineMissing as error:
        return str(error)
    return ""


def _make(
    request: Request,
    converter: Converter,
    stale: list[targets.Target],
    adapters: tuple[str, ...],
    tolerances: dict[str, Tolerance],
    wheels: Wheels,
    steps: Steps,
) -> tuple[list[Finished | Refused], report.Made]:
    """Export the stale targets.

    Returns:
        The results, and what the report says of all of them.
    """
    files = request.files
    steps.begin(f"reading {files.model.name}")
    read = source.read(
        files,
        model_version=request.model_version,
        trust=request.trust,
        shapes=request.shapes,
        tasks=request.tasks,
    )
    if read.self_evaluated and request.strict:
        raise SourceError(
            "--strict takes no self-evaluation", "give test samples with --evaluation"
        )
    for spec in read.outputs:
        steps(f"output {spec.name} is judged as {spec.kind}")
    for note in read.notes:
        steps(f"note: {note}")
    checked = check(request.metric, read) if request.metric else None
    if checked:
        steps(f"metric {checked.metric.name} of Keras is {checked.keras:.4g}")
    steps.begin("examining the calibration samples")
    examined = calibration.examine(read)
    steps.begin("finding the engines")
    workstation, refused = pipeline.find_engines(files.name, stale, adapters, steps)
    results: list[Finished | Refused] = list(refused)
    refused_names = {refusal.target.name for refusal in refused}
    able = [target for target in stale if target.name not in refused_names]
    if able:
        record = {"source": dict(read.digests), "versions": freshness.versions()}
        results += pipeline.export(
            read,
            converter,
            able,
            for_depth(tolerances, read.kernels),
            workstation,
            wheels,
            record,
            steps,
            strict=request.strict,
            metric=checked,
        )
    shared = report.Made(
        files.name,
        request.out / wheels.runtime.name,
        report.keras_figures(read, checked),
        adapters,
        examined,
        request.max_drop,
    )
    return results, shared


def _write(out: Path, content: dict[str, Any]) -> None:
    """Write the report and its pictures."""
    settled = out / calibration.picture_name(content["model"])
    settled.unlink(missing_ok=True)
    if content["calibration"]["settling"]:
        settling = content["calibration"]["settling"]
        dist.write(settled, calibration.draw(content["model"], settling))
    dist.write(out / "report.json", report.to_json(content))
    dist.write(out / "report.md", page.to_markdown(content))
    for name, picture in pictures(content["layers"]):
        dist.write(out / name, picture)
