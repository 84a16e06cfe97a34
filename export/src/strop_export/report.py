"""The report of an export: a table on screen, report.json for programs, and a Markdown page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from strop.engines import on_device
from strop_export.dist import requirements_name
from strop_export.freshness import target_key
from strop_export.pipeline import Finished, Refused
from strop_export.proof.gpu import on_the_device
from strop_export.proof.prove import compare
from strop_export.source import Source

COLUMNS = (  # field, title, least width in characters
    ("precision", "precision", 9),
    ("format", "format", 7),
    ("engine", "proven on", 15),
    ("bytes", "bytes", 7),
    ("accuracy", "accuracy", 8),
    ("disagreements", "disagree", 8),
    ("max_abs_error", "max error", 9),
)
_WIDEST = {"engine": 17}  # "litert 2.10.0 gpu": what is longer goes on below
_NUMBERS = {"bytes", "accuracy", "disagreements", "max_abs_error"}


@dataclass(frozen=True)
class Made:
    """The parts of a report that all targets of an export share."""

    model: str
    wheel: Path  # in dist/, as everything else
    keras: dict[str, Any]  # what Keras achieves
    adapters: tuple[str, ...]  # the GPUs here


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
        }
        for result in results
        if isinstance(result, Finished)
    ]
    return {
        "model": made.model,
        "inputs_sha256": key,
        "keras": made.keras,
        "wheel": _entry(made.wheel),
        "bundles": kept("bundles") + bundles,
        "variants": kept("variants") + rows(results),
        "refused": refusals(results),
        "left_out": kept("left_out") + left_out(results),
        "not_on_gpu": kept("not_on_gpu") + not_on_gpu(results),
    }


def bundle_names(report: dict[str, Any]) -> set[str]:
    """Return the file names of the bundles in a report."""
    return {bundle["file"] for bundle in report["bundles"]}


def rows(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
    """Make one row for each bundle, variant, engine and device, with the figures as measured."""
    return [
        {
            "bundle": result.bundle,
            "target": result.target.name,
            "format": variant.spec.format,
            "precision": variant.spec.precision,
            "engine": proof.engine,
            "engine_version": proof.version,
            "device": proof.device,
            "adapter": proof.adapter,
            "bytes": len(variant.converted.data),
            "samples": proof.samples,
            "accuracy": proof.accuracy,
            "disagreements": proof.disagreements,
            "top1_agreement": proof.top1_agreement,
            "max_abs_error": proof.max_abs_error,
        }
        for result in results
        if isinstance(result, Finished)
        for variant in result.variants
        for proof in variant.proofs
    ]


def to_json(content: dict[str, Any]) -> bytes:
    """Return a report as the bytes of report.json."""
    return json.dumps(content, indent=2).encode("utf-8") + b"\n"


def tables(report: dict[str, Any]) -> Iterator[Table]:
    """Give the tables of a report for the screen, one for each bundle, within 80 columns."""
    for bundle in report["bundles"]:
        drawn = Table(
            title=f"{bundle['file']}  ({bundle['bytes']:,} bytes)",
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        for field, title, width in COLUMNS:
            drawn.add_column(
                title,
                justify="right" if field in _NUMBERS else "left",
                min_width=width,
                max_width=_WIDEST.get(field),
            )
        for row in report["variants"]:
            if row["bundle"] == bundle["file"]:
                drawn.add_row(*_cells(row))
        yield drawn


def notes(report: dict[str, Any]) -> Iterator[Text]:
    """Give the lines for the screen about what was left out, and what not proven on a GPU."""
    for note in report["left_out"]:
        yield Text(f"{note['bundle']}: left out: {note['reason']}")
    for note in report["not_on_gpu"]:
        yield Text(f"{note['bundle']}: {_gpu_note(note)}")


def to_markdown(report: dict[str, Any]) -> bytes:
    """Return a report as the bytes of a Markdown page."""
    keras = report["keras"]
    lines = [
        f"# {report['model']}",
        "",
        f"Every variant, on every engine it is meant for, over {keras['samples']:,} samples, "
        "against Keras" + _accuracy_note(keras["accuracy"]) + ".",
        "",
        "| " + " | ".join(("bundle", *(title for _, title, _ in COLUMNS))) + " |",
        "|---|" + "|".join("--:" if field in _NUMBERS else "---" for field, _, _ in COLUMNS) + "|",
        *(f"| {row['bundle']} | " + " | ".join(_cells(row)) + " |" for row in report["variants"]),
        "",
        "*disagree*: samples whose top class is not Keras's. *max error*: the largest "
        "difference of any output from Keras's.",
        *_adapter_lines(report["variants"]),
    ]
    sections = {
        "Refused": [(note, note["reason"]) for note in report["refused"]],
        "Left out": [(note, note["reason"]) for note in report["left_out"]],
        "Not proven on a GPU": [(note, _gpu_note(note)) for note in report["not_on_gpu"]],
    }
    for heading, entries in sections.items():
        if entries:
            lines += ["", f"## {heading}", ""]
            lines += [f"- **{note['bundle']}**: {text}" for note, text in entries]
    lines += ["", "## Bundles", ""]
    lines += [
        f"- `{bundle['file']}`: {bundle['bytes']:,} bytes, SHA-256 `{bundle['sha256']}`"
        for bundle in report["bundles"]
    ]
    return ("\n".join(lines) + "\n").encode("utf-8")


def keras_figures(source: Source) -> dict[str, Any]:
    """Return Keras's own figures, with which every variant is compared."""
    figures = compare(source.outputs, source.outputs, source.labels)
    return {"samples": figures.samples, "accuracy": figures.accuracy}


def refusals(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
    """List the refused targets, with the reasons, as plain JSON values."""
    return [
        {
            "bundle": result.bundle,
            "target": result.target.name,
            "reason": result.reason,
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


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"file": path.name, "bytes": len(content), "sha256": digest}


def _cells(row: dict[str, Any]) -> list[str]:
    software = ", software" if row["adapter"].endswith(", software") else ""  # not a chip's proof
    return [
        row["precision"],
        row["format"],
        on_device(f"{row['engine']} {row['engine_version']}", row["device"]) + software,
        f"{row['bytes']:,}",
        "-" if row["accuracy"] is None else f"{row['accuracy']:.4f}",
        f"{row['disagreements']}",
        f"{row['max_abs_error']:.2g}",
    ]


def _adapter_lines(rows: Iterable[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(row["adapter"] for row in rows if row["adapter"])
    return ["", f"*gpu*: {'; '.join(names)}."] if names else []


def _gpu_note(note: dict[str, Any]) -> str:
    """Say what was not proven, why, and how the device proves it."""
    what = "{format} {precision} not proven on the GPU by {engine}: ".format(**note)
    said = f"{what if note['format'] else ''}{note['reason']}"
    return f"{said}; on the device: {on_the_device(note['bundle'])}"


def _accuracy_note(accuracy: float | None) -> str:
    return "" if accuracy is None else f" (accuracy {accuracy:.4f})"
