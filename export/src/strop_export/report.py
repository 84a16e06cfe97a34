"""The report of an export: its content, report.json, and the tables on the screen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from strop.bundle.manifest import Judged, OutputSpec
from strop.errors import printable
from strop_export import footprints, guarded
from strop_export.columns import cells_of, columns_of, laid_out, undecided
from strop_export.dist import folder_of, native_in, requirements_name
from strop_export.figures import compare
from strop_export.finishing import Finished, Refused
from strop_export.freshness import target_key
from strop_export.layer_errors import entries as layer_entries
from strop_export.metric import Checked
from strop_export.proof.gpu import on_the_device
from strop_export.source import Source


@dataclass(frozen=True)
class Made:
    """The parts of a report that all targets of an export share."""

    model: str
    wheel: Path  # in dist/, as everything else
    keras: dict[str, Any]  # what Keras achieves
    adapters: tuple[str, ...]  # the GPUs here
    calibration: dict[str, Any]  # from `calibration.examine`
    max_drop: float | None = None  # of --max-drop
    without_native: str = ""  # why there is no native engine here; "" if there is


def merge(
    old: dict[str, Any],
    fresh: Set[str],
    results: Sequence[Finished | Refused],
    made: Made,
    key: str,
) -> dict[str, Any]:
    """Merge the entries of an earlier report that are still fresh with new results.

    Args:
        old: the earlier report, or an empty one.
        fresh: names of the targets that are still fresh in it.
        results: the results of this export.
        made: what the targets of this export share.
        key: what the bundles depend on, from `freshness.key`.

    Returns:
        The new report, as plain JSON values.
    """

    def kept(part: str) -> list[dict[str, Any]]:
        return [entry for entry in old.get(part, ()) if entry["target"] in fresh]

    out = made.wheel.parent
    bundles = [
        {
            "target": result.target.name,
            "target_key": target_key(result.target, made.adapters),
            **_entry(out / result.bundle),
            "requirements": _entry(out / requirements_name(result.target)),
            "folder": [
                _content_entry(f"{folder_of(result.bundle)}/{name}", content)
                for name, content in (result.folder.files if result.folder else {}).items()
            ],
        }
        for result in results
        if isinstance(result, Finished)
    ]
    return {
        "model": made.model,
        "inputs_sha256": key,
        "keras": made.keras,
        "calibration": made.calibration,
        "max_drop": made.max_drop,
        "wheel": _entry(made.wheel),
        "native_wheels": [_entry(path) for path in native_in(out)],
        "without_native": made.without_native,
        "bundles": kept("bundles") + bundles,
        "variants": kept("variants") + rows(results),
        "refused": refusals(results),
        "left_out": kept("left_out") + left_out(results),
        "not_on_gpu": kept("not_on_gpu") + not_on_gpu(results),
        "layers": kept("layers") + layers(results),
        "guard": kept("guard") + guarded.entries(results),
        "footprints": kept("footprints") + footprints.entries(results),
    }


def of_targets(report: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a report with the entries of some targets alone."""

    def kept(value: Any) -> Any:
        is_list = isinstance(value, list) and all("target" in entry for entry in value)
        return [entry for entry in value if entry["target"] in names] if is_list else value

    return {part: kept(value) for part, value in report.items()}


def bundle_names(report: dict[str, Any]) -> set[str]:
    """Return the file names of the bundles in a report."""
    return {bundle["file"] for bundle in report["bundles"]}


def rows(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
    """Make one row for each bundle, variant, engine and device, with the figures as measured.

    The figures of the first output that is a class also stand in the row itself.
    """
    return [
        {
            "bundle": result.bundle,
            "target": result.target.name,
            "format": variant.spec.format,
            "precision": variant.spec.precision,
            "recipe": layer_entries.recipe(variant.spec),
            "engine": proof.engine,
            "engine_version": proof.version,
            "device": proof.device,
            "adapter": proof.adapter,
            "bytes": len(variant.converted.data),
            "samples": proof.samples,
            "outputs": [
                {"name": spec.name, "kind": spec.kind, **judged._asdict()}
                for spec, judged in zip(result.outputs, proof.outputs, strict=True)
            ],
            "metric": measured._asdict() if measured else None,
            **_class_figures(result.outputs, proof.outputs),
        }
        for result in results
        if isinstance(result, Finished)
        for variant in result.variants
        for proof, measured in zip_longest(variant.proofs, variant.measured)
    ]


_OF_CLASS = ("accuracy", "disagreements", "top1_agreement", "max_abs_error")


def _class_figures(specs: Iterable[OutputSpec], judged: Iterable[Judged]) -> dict[str, Any]:
    for spec, found in zip(specs, judged, strict=True):
        if spec.kind == "class":
            return {name: found.figures[name] for name in _OF_CLASS}
    return {}


def to_json(content: dict[str, Any]) -> bytes:
    """Return a report as the bytes of report.json."""
    return json.dumps(content, indent=2).encode("utf-8") + b"\n"


# The parts of a report that `tables` reads, besides its bundles.
SHOWN: Final = ("variants", "footprints", "guard")


def tables(report: dict[str, Any], room: int | None) -> Iterator[str]:
    """Yield the lines of a report's tables for the screen, a table for each bundle.

    Args:
        report: from `merge`; of its parts `bundles` and `SHOWN` are read.
        room: columns of the screen; None: any number.
    """
    for bundle in report["bundles"]:
        own = [row for row in report["variants"] if row["bundle"] == bundle["file"]]
        columns = [column for column in columns_of(own) if not column.page_only]
        yield f"{printable(bundle['file'])}  ({bundle['bytes']:,} bytes)"
        yield ""
        rows = [cells for row in own for cells in cells_of(row, columns)]
        yield from laid_out(rows, columns, room)
        yield ""
    yield from footprints.tables(report["footprints"], room)
    yield from guarded.tables(report["guard"], room)


def notes(report: dict[str, Any]) -> Iterator[str]:
    """Yield lines for the screen: what is undecided, replaced, left out, not proven on a GPU."""
    if report["keras"]["self_evaluated"]:
        yield (
            f"self-evaluated: judged on {report['keras']['samples']:,} of the calibration samples, "
            "for lack of others (--evaluation)"
        )
    if report["without_native"]:
        yield f"without plans: {report['without_native']}"
    if (metric := report["keras"]["metric"]) and metric["note"]:
        yield metric["note"]
    yield from undecided(row for row in report["variants"] if _differs(row))
    for entry in filter(guarded.is_news, report["guard"]):
        yield f"{entry['bundle']}: {guarded.note(entry)}"
    for note in report["left_out"]:
        yield f"{note['bundle']}: left out: {note['reason']}"
    for note in report["not_on_gpu"]:
        yield f"{note['bundle']}: {gpu_note(note)}"


def keras_figures(source: Source, metric: Checked | None = None) -> dict[str, Any]:
    """Return Keras's own figures, with which every variant is compared.

    Args:
        source: the model and its samples.
        metric: the user's own, or None.
    """
    own: list[dict[str, Any]] = [
        {
            "name": spec.name,
            "kind": spec.kind,
            "figures": {
                name.removeprefix("keras_"): figure
                for name, figure in compare(spec, keras, keras, labels).items()
                if name.startswith("keras_")
            },
        }
        for spec, keras, labels in zip(source.outputs, source.keras, source.labels, strict=True)
    ]
    accuracy = next((o["figures"]["accuracy"] for o in own if o["kind"] == "class"), None)
    return {
        "samples": len(source.keras[0]),
        "accuracy": accuracy,
        "self_evaluated": source.self_evaluated,
        "outputs": own,
        "metric": metric
        and {
            "name": metric.metric.name,
            "value": metric.keras,
            "max_loss": metric.metric.max_loss,
            "note": metric.note,
        },
    }


def refusals(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
    """List the refused targets, with the reasons, as plain JSON values."""
    return [
        {
            "bundle": result.bundle,
            "target": result.target.name,
            "reason": str(result.error),
            "mend": result.error.mend,
            "engine_missing": result.engine_missing,
        }
        for result in results
        if isinstance(result, Refused)
    ]


def left_out(results: Iterable[Finished | Refused]) -> list[dict[str, str]]:
    """List the variants that finished targets leave out, with the reasons, as plain JSON values."""
    return [
        {"bundle": result.bundle, "target": result.target.name, "reason": reason}
        for result in results
        if isinstance(result, Finished)
        for reason in result.left_out
    ]


def not_on_gpu(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
    """List what finished targets could not prove on a GPU, as plain JSON values."""
    return [
        {"bundle": result.bundle, "target": result.target.name, **asdict(note)}
        for result in results
        if isinstance(result, Finished)
        for note in result.not_on_gpu
    ]


def layers(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
    """List the error of each tensor of each quantized file, as plain JSON values."""
    return [
        layer_entries.entry(result.bundle, result.target.name, file)
        for result in results
        for file in result.layers
    ]


def _entry(path: Path) -> dict[str, Any]:
    return _content_entry(path.name, path.read_bytes())


def _content_entry(name: str, content: bytes) -> dict[str, Any]:
    return {"file": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _differs(row: dict[str, Any]) -> bool:
    return any(output["figures"].get("disagreements") for output in row["outputs"])


def gpu_note(note: dict[str, Any]) -> str:
    """Write what was not proven on a GPU, why, and how the device proves it."""
    what = "{format} {precision} not proven on the GPU by {engine}: ".format(**note)
    said = f"{what if note['format'] else ''}{note['reason']}"
    return f"{said}; on the device: {on_the_device(note['bundle'])}"
