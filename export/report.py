"""What an export says at the end: a table on screen, report.json for programs, report.md to keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from export.pipeline import Finished, Refused
from export.prove import compare
from export.source import Source

COLUMNS = (
    ("bundle", "bundle"),
    ("precision", "precision"),
    ("format", "format"),
    ("engine", "proven on"),
    ("bytes", "bytes"),
    ("accuracy", "accuracy"),
    ("disagreements", "disagree"),
    ("max_abs_error", "max abs error"),
)
_NUMBERS = {"bytes", "accuracy", "disagreements", "max_abs_error"}


def rows(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
    """One row for each bundle, variant and engine, figures as measured."""
    return [
        {
            "bundle": result.bundle,
            "target": result.target.name,
            "format": variant.spec.format,
            "precision": variant.spec.precision,
            "engine": proof.engine,
            "engine_version": proof.version,
            "device": proof.device,
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
    return json.dumps(content, indent=2).encode("utf-8") + b"\n"


def table(report: dict[str, Any]) -> Table:
    """The report as a table for the screen."""
    drawn = Table(title=f"{report['model']}: proven against Keras", title_justify="left")
    for field, title in COLUMNS:
        drawn.add_column(
            title, justify="right" if field in _NUMBERS else "left", no_wrap=field != "bundle"
        )
    last = None
    for row in report["variants"]:
        cells = _cells(row)
        if row["bundle"] == last:
            cells[0] = ""
        elif last is not None:
            drawn.add_section()
        last = row["bundle"]
        drawn.add_row(*cells)
    return drawn


def to_markdown(report: dict[str, Any]) -> bytes:
    """The report as a page."""
    keras = report["keras"] or {"samples": 0, "accuracy": None}
    lines = [
        f"# {report['model']}",
        "",
        f"Every variant, on every engine it is meant for, over {keras['samples']:,} samples, "
        "against Keras" + _accuracy_note(keras["accuracy"]) + ".",
        "",
        "| " + " | ".join(title for _, title in COLUMNS) + " |",
        "|" + "|".join("--:" if field in _NUMBERS else "---" for field, _ in COLUMNS) + "|",
        *("| " + " | ".join(_cells(row)) + " |" for row in report["variants"]),
        "",
        "*disagree*: samples whose top class is not Keras's. *max abs error*: the largest "
        "difference of any output from Keras's.",
    ]
    for heading, notes in (("Refused", report["refused"]), ("Left out", report["left_out"])):
        if notes:
            lines += ["", f"## {heading}", ""]
            lines += [f"- **{note['bundle']}**: {note['reason']}" for note in notes]
    lines += ["", "## Bundles", ""]
    lines += [
        f"- `{bundle['file']}`: {bundle['bytes']:,} bytes, SHA-256 `{bundle['sha256']}`"
        for bundle in report["bundles"]
    ]
    return ("\n".join(lines) + "\n").encode("utf-8")


def keras_figures(source: Source) -> dict[str, Any]:
    """What every variant was compared with."""
    figures = compare(source.outputs, source.outputs, source.labels)
    return {"samples": figures.samples, "accuracy": figures.accuracy}


def refusals(results: Iterable[Finished | Refused]) -> list[dict[str, Any]]:
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
    return [
        {"bundle": result.bundle, "target": result.target.name, "reason": reason}
        for result in results
        if isinstance(result, Finished)
        for reason in result.left_out
    ]


def _cells(row: dict[str, Any]) -> list[str]:
    values: Sequence[str] = (
        row["bundle"],
        row["precision"],
        row["format"],
        f"{row['engine']} {row['engine_version']}",
        f"{row['bytes']:,}",
        "-" if row["accuracy"] is None else f"{row['accuracy']:.4f}",
        f"{row['disagreements']}",
        f"{row['max_abs_error']:.2g}",
    )
    return list(values)


def _accuracy_note(accuracy: float | None) -> str:
    return "" if accuracy is None else f" (accuracy {accuracy:.4f})"
