"""The guard's part of a report: the steps tried for each int8 file, and what ships in its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from strop.bundle.manifest import OutputSpec
from strop_export.columns import (
    Column,
    cells_of,
    decibels,
    figure_columns,
    laid_out,
    metric_columns,
    worst,
)
from strop_export.finishing import Finished, Refused
from strop_export.guard import Path, Tried
from strop_export.metric import Measured
from strop_export.tolerances import QUANTIZED

Entry = dict[str, Any]  # of the report's `guard`

_FIXED = (
    Column("step", lambda step, _: str(step["name"]), number=False, common=True),
    Column("bytes", lambda step, _: _count(step["bytes"]), common=True),
    Column("samples", lambda step, _: _count(step["samples"] or None), common=True),
    Column("in integers", lambda step, _: _share(step["integer_share"]), common=True),
)
_HOLDS = Column("", lambda step, _: _outcome(step), number=False, common=True)


def entries(results: Iterable[Finished | Refused]) -> list[Entry]:
    """List how the files in the places of int8 files were found, as plain JSON values."""
    return [_entry(result, path) for result in results for path in result.guarded]


def _entry(result: Finished | Refused, path: Path) -> Entry:
    chosen = path.chosen
    variants = result.variants if isinstance(result, Finished) else ()
    shipped = any(chosen in (variant.spec, variant.spec.source) for variant in variants)
    return {
        "bundle": result.bundle,
        "target": result.target.name,
        "format": path.asked.format,
        "asked": path.asked.precision,
        "chosen": chosen.precision if chosen else None,
        "shipped": shipped,
        "calibrating": path.calibrating,
        "held_out": path.held_out,
        "steps": [_step(tried, result.outputs) for tried in path.tried],
        "stopped": path.stopped,
        "ranking": [ranked._asdict() for ranked in path.ranking],
    }


def _step(tried: Tried, outputs: Iterable[OutputSpec]) -> dict[str, Any]:
    judged = zip(outputs, tried.outputs, strict=True) if tried.outputs else ()
    return {
        "name": tried.name,
        "precision": tried.spec.precision,
        "quantization": asdict(tried.spec.quantization),
        "bytes": tried.size,
        "samples": tried.samples,
        "integer_share": tried.integer_share,
        "outputs": [{"name": o.name, "kind": o.kind, **found._asdict()} for o, found in judged],
        "metric": tried.measured._asdict() if tried.measured else None,
        "holds": not tried.fault,
        "reason": tried.fault,
        "at_fault": tried.at_fault,
    }


def is_news(entry: Entry) -> bool:
    """Tell whether another file than the first was chosen, or none."""
    return len(entry["steps"]) > 1 or not entry["steps"][0]["holds"]


def is_float(entry: Entry) -> bool:
    """Tell whether no quantized file was chosen."""
    return entry["chosen"] not in QUANTIZED


def tables(found: Iterable[Entry], room: int | None) -> Iterator[str]:
    """Yield the lines of a table for each path with several steps; equal paths have one.

    Args:
        found: the report's `guard`.
        room: columns of the screen; None: any number.
    """
    shown: list[Any] = []
    for entry in filter(is_news, found):
        if (entry["format"], entry["steps"]) in shown:
            continue
        shown.append((entry["format"], entry["steps"]))
        columns, rows = table(entry)
        yield f"{title(entry)}:"
        yield ""
        yield from laid_out(rows, columns, room)
        if entry["stopped"]:
            yield f"mixed stopped: {entry['stopped']}"
        yield ""


def title(entry: Entry) -> str:
    """Write what a path was for, and what judged it."""
    return f"{entry['format']} {entry['asked']}, judged on {entry['held_out']} held-out samples"


def table(entry: Entry) -> tuple[list[Column], list[list[str]]]:
    """Return the columns and the rows of a path's table."""
    own, by_metric = figure_columns(entry["steps"]), metric_columns(entry["steps"])
    columns = [*_FIXED, *(column for column in own if not column.page_only), *by_metric, _HOLDS]
    empty = next((_without_figures(s["outputs"]) for s in entry["steps"] if s["outputs"]), None)
    nothing = empty or [{"name": "", "kind": "raw", "figures": {}}]
    steps = [{**step, "outputs": step["outputs"] or nothing} for step in entry["steps"]]
    return columns, [cells for step in steps for cells in cells_of(step, columns)]


def _without_figures(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**output, "figures": {}} for output in outputs]


def note(entry: Entry) -> str:
    """Write which file ships in the place of an int8 one, and why."""
    first, last = entry["steps"][0], entry["steps"][-1]
    at = first["at_fault"]  # the last step says the same figure of the same output
    missed = _missed(first)
    why = _said(first, at, missed) if missed else first["reason"]
    how = "cannot be written" if first["bytes"] is None else "did not hold"
    said = f"{entry['format']} {entry['asked']} {how} ({why}): "
    if not last["holds"]:
        return f"{said}no other file does{_prevented(entry)}"
    size = f"{last['bytes']:,} bytes"
    said += f"{last['name']} does ({_said(last, at, missed)}; {size})"
    if not entry["shipped"]:
        said += ", but failed its proof"
    if is_float(entry):
        said += _prevented(entry)
    return said


def _prevented(entry: Entry) -> str:
    """Name the layer that loses most, if the layers were ranked."""
    if not entry["ranking"]:
        return ""
    worst_layer = entry["ranking"][0]
    return (
        f"; layer {worst_layer['layer']} loses most (SQNR {decibels(worst_layer['damage_db'])} "
        "with it alone in integers)"
    )


def _missed(step: dict[str, Any]) -> str:
    """Return the name of a figure that misses its bound; "" if it is in no figure."""
    if step["metric"]:
        return "metric" if Measured(**step["metric"]).fault else ""
    if not step["outputs"]:
        return ""
    output = step["outputs"][step["at_fault"]]
    figures, bounds = output["figures"], output["bounds"]
    if figures.get("disagreements"):
        if figures.get("accuracy") is not None:
            loss = figures["keras_accuracy"] - figures["accuracy"]
            if loss > bounds["accuracy_loss"] + 1e-9:
                return "accuracy"
        share = bounds.get("pixels", bounds.get("disagreements", 0.0))
        if 1 - _agreement(figures) > share + 1e-9:
            return "agreement"
    if max(figures.get("rmse_share", [0.0])) > bounds.get("rmse_share", math.inf):
        return "rmse_share"
    if figures.get("sqnr_db", math.inf) < bounds.get("sqnr_db", -math.inf):
        return "sqnr_db"
    return ""


def _said(step: dict[str, Any], at: int, missed: str) -> str:
    """Write the figures of the user's own metric, or without one, those of an output.

    Args:
        step: a step that was judged.
        at: the index of the output, which is named if there are several.
        missed: the figure that the first step misses; "" for those of the output's kind.
    """
    if metric := step["metric"]:
        return f"{metric['name']} {metric['found']:.4g}, Keras {metric['keras']:.4g}"
    output = step["outputs"][at]
    figures = output["figures"]
    named = f"output {output['name']!r}: " if len(step["outputs"]) > 1 else ""
    if "rmse_share" in figures:
        return f"{named}rmse {worst(figures['rmse_share'])}"
    if "sqnr_db" in figures and (missed == "sqnr_db" or output["kind"] == "raw"):
        return f"{named}SQNR {decibels(figures['sqnr_db'])}"
    agreement = f"agreement {_agreement(figures):.3f}"
    if figures.get("accuracy") is None:
        return f"{named}{agreement}"
    accuracy = f"accuracy {figures['accuracy']:.3f}, Keras {figures['keras_accuracy']:.3f}"
    is_lost = missed == "accuracy" and not step["holds"]
    return f"{named}{accuracy}{'' if is_lost else f', {agreement}'}"


def _agreement(figures: dict[str, Any]) -> float:
    name = "top1_agreement" if "top1_agreement" in figures else "agreement"
    return float(figures[name])


def _count(size: int | None) -> str:
    return "-" if size is None else f"{size:,}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _outcome(step: dict[str, Any]) -> str:
    if step["holds"]:
        return "holds"
    return "misses" if any(output["figures"] for output in step["outputs"]) else "fails"
