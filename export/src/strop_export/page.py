"""report.md: the report of an export as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from strop_export import calibration, footprints, guarded
from strop_export.columns import EXPLAINED, Column, cells_of, columns_of, shown, undecided
from strop_export.layer_errors.entries import picture_name, title, verdict
from strop_export.markdown import escaped, table
from strop_export.report import gpu_note

_BUNDLE = Column("bundle", lambda row, _: str(row["bundle"]), number=False)


def to_markdown(report: dict[str, Any]) -> bytes:
    """Return a report as the bytes of a Markdown page."""
    keras = report["keras"]
    lines = [
        f"# {escaped(report['model'])}",
        "",
        f"Every variant, on every engine it is meant for, over {keras['samples']:,} samples, "
        "against Keras" + escaped(_keras_said(keras)) + ".",
    ]
    if keras["self_evaluated"]:
        lines.append("They are calibration samples, for lack of others: self-evaluated.")
    if metric := keras["metric"]:
        lines.append(
            f"A file may lose {metric['max_loss']:g} of {escaped(metric['name'])}, which replaces "
            f"the bounds of quantized files. {escaped(metric['note'])}".rstrip()
        )
    if report["without_native"]:
        lines.append(f"Without plans: {escaped(report['without_native'])}.")
    columns = columns_of(report["variants"])
    lines += [
        "",
        *_table(
            [_BUNDLE, *columns],
            [
                (row["bundle"], *cells)
                for row in report["variants"]
                for cells in cells_of(row, columns)
            ],
        ),
        "",
        EXPLAINED,
        *_adapter_lines(report["variants"]),
    ]
    if open_ones := list(undecided(report["variants"])):
        lines += ["", "## Undecided", "", *(f"- {escaped(line)}" for line in open_ones)]
    lines += _footprints(report["footprints"])
    lines += _paths(report["guard"])
    sections = {
        "Refused": [(note, note["reason"]) for note in report["refused"]],
        "Left out": [(note, note["reason"]) for note in report["left_out"]],
        "Not proven on a GPU": [(note, gpu_note(note)) for note in report["not_on_gpu"]],
    }
    for heading, entries in sections.items():
        if entries:
            lines += ["", f"## {heading}", ""]
            lines += [f"- **{escaped(note['bundle'])}**: {escaped(text)}" for note, text in entries]
    lines += calibration.page(report, escaped)
    lines += list(_layer_lines(report["layers"]))
    lines += ["", "## Bundles", ""]
    lines += [
        f"- {escaped(bundle['file'])}: {bundle['bytes']:,} bytes, SHA-256 `{bundle['sha256']}`"
        for bundle in report["bundles"]
    ]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _layer_lines(layers: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a section about the layers: each bundle's picture, and a line for each file."""
    for bundle in dict.fromkeys(file["bundle"] for file in layers):
        yield from ("", f"## Layers of {escaped(bundle)}", "")
        yield f"![signal to noise of each layer]({quote(picture_name(bundle))})"
        yield ""
        for file in layers:
            if file["bundle"] == bundle:
                yield f"- **{escaped(title(file))}**: {escaped(verdict(file))}"


def _footprints(found: Sequence[dict[str, Any]]) -> list[str]:
    """Write the memory that the firmware needs, a table for each bundle."""
    if not found:
        return []
    lines = ["", "## Firmware", "", f"In bytes. {footprints.EXPLAINED}"]
    for bundle, rows in footprints.by_bundle(found).items():
        lines += ["", f"{escaped(bundle)}:", "", *_table(footprints.COLUMNS, rows)]
    return lines


def _paths(found: Sequence[dict[str, Any]]) -> list[str]:
    """Write the steps tried for each int8 file that did not hold."""
    lines = []
    for entry in filter(guarded.is_news, found):
        columns, rows = guarded.table(entry)
        lines += [
            "",
            f"### {escaped(entry['bundle'])}: {guarded.title(entry)}",
            "",
            f"{escaped(guarded.note(entry))}.",
            "",
            *_table(columns, rows),
            "",
            *(
                f"- {escaped(step['name'])}: {escaped(step['reason'])}"
                for step in entry["steps"]
                if not step["holds"]
            ),
            *([f"- mixed stopped: {escaped(entry['stopped'])}"] if entry["stopped"] else []),
        ]
    return ["", "## In the place of int8", *lines] if lines else []


def _table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> list[str]:
    numbers = {column.title for column in columns if column.number}
    return table([column.title for column in columns], rows, numbers)


def _adapter_lines(rows: Iterable[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(row["adapter"] for row in rows if row["adapter"])
    return ["", f"*gpu*: {escaped('; '.join(names))}."] if names else []


def _keras_said(keras: dict[str, Any]) -> str:
    """Write what Keras achieves, where labels or a metric of the user's own tell."""
    outputs, metric = keras["outputs"], keras["metric"]
    several = len(outputs) > 1
    said = [
        f"{output['name']}: {name} {shown(figure)}" if several else f"{name} {shown(figure)}"
        for output in outputs
        for name, figure in output["figures"].items()
        if figure is not None
    ]
    if metric:
        said.append(f"{metric['name']} {metric['value']:.4g}")
    return f" ({'; '.join(said)})" if said else ""
