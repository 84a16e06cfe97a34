"""`python -m strop_export explain BUNDLE`: print what export's report says about a bundle."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from strop.commands.parsing import OneLineParser
from strop.commands.refusal import exit_status
from strop.commands.terminal import lay_out, show, width
from strop.errors import BundleError, printable
from strop_export import guarded, report
from strop_export.layer_errors.culprit import BROKEN_DB
from strop_export.layer_errors.entries import ratio_of, title, verdict

_MOST_ROWS: Final = 12
_HEADER: Final = (
    *("layer", "operator", "kept as", "all errors", "rounding", "weights"),
    *("worst channel", "max error"),
)
_EXPLAINED: Final = (
    f"In dB, mean over the channels; more is better, below {BROKEN_DB:g} dB an output is broken. "
    "rounding, weights: with the tensor's own rounding, or its operator's own weights, alone."
)
_REPORT: Final = "report.json"
_AGAIN: Final = "export the model again, or keep report.json beside its bundles"


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: the arguments after `explain`.

    Returns:
        0, or 2 if there is no such report: one line says why; or as `exit_status` says.
    """
    arguments = parser().parse_args(argv)
    return exit_status(lambda: _explain(arguments), program="strop-export", as_json=arguments.json)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    root = OneLineParser(
        prog="strop-export explain",
        description="Print what export's report says about a bundle: its proofs, and the error of "
        "each layer. The report lies beside the bundle.",
    )
    root.add_argument("bundle", type=Path, metavar="BUNDLE", help="a .strop file")
    root.add_argument(
        "--file", metavar="NAME", help="the layers of this file alone, such as tflite-int8"
    )
    root.add_argument("--all", action="store_true", help="every tensor, not only the worst")
    root.add_argument("--json", action="store_true", help="print JSON")
    return root


def _explain(arguments: argparse.Namespace) -> int:
    content = read(arguments.bundle)
    try:
        own = {**content, "layers": _chosen(content["layers"], arguments)}
        lines = [*map(printable, _lines(own, arguments))]
        if arguments.json:
            lines = [json.dumps(own, indent=2, allow_nan=False)]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        raise _no_report(arguments.bundle) from None
    show(*lines)
    return 0


def _chosen(files: list[dict[str, Any]], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the files that were asked for."""
    chosen = [file for file in files if arguments.file in (None, _name(file))]
    if arguments.file and not chosen:
        names = ", ".join(dict.fromkeys(map(_name, files))) or "none"
        raise BundleError(
            f"{_REPORT} has no layers of {arguments.file!r} in {arguments.bundle}",
            f"choose from: {names}",
        )
    return chosen


def _lines(content: dict[str, Any], arguments: argparse.Namespace) -> Iterator[str]:
    """Yield all lines; the report may be another's, so what is wrong with it raises any error."""
    if not arguments.file:
        yield from report.tables(content, width())
        for entry in filter(guarded.is_news, content["guard"]):
            yield guarded.note(entry)
            yield ""
    for file in content["layers"]:
        yield from _table(file, all_rows=arguments.all)
    if content["layers"]:
        yield _EXPLAINED


def _no_report(bundle: Path) -> BundleError:
    return BundleError(f"{bundle.parent / _REPORT} is not a report of strop-export", _AGAIN)


def read(bundle: Path) -> dict[str, Any]:
    """Read the part of the report beside a bundle that is about the bundle.

    Args:
        bundle: the bundle.

    Returns:
        `bundles`, those of `report.SHOWN`, `layers` and `left_out`, as in report.json.

    Raises:
        BundleError: there is no report, or it is about another bundle.
    """
    path = bundle.parent / _REPORT
    try:
        digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"{bundle}: {error.strerror}", "name a .strop file") from None
    try:
        content = json.loads(path.read_bytes())
        entries = [entry for entry in content["bundles"] if entry["file"] == bundle.name]
        parts = {
            name: [entry for entry in content.get(name, ()) if entry["bundle"] == bundle.name]
            for name in (*report.SHOWN, "layers", "left_out")
        }
        known = [entry["sha256"] for entry in entries]
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}", _AGAIN) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _no_report(bundle) from None
    if not known:
        raise BundleError(f"{path} does not mention {bundle.name}", _AGAIN)
    if digest not in known:
        raise BundleError(f"{bundle} is not the file that {path} is about: SHA-256 differs", _AGAIN)
    return {"bundles": entries, **parts}


def _name(file: dict[str, Any]) -> str:
    return f"{file['format']}-{file['precision']}"


def _table(file: dict[str, Any], *, all_rows: bool) -> Iterator[str]:
    """Yield the lines of a file's table: all tensors, or the worst dozen, in the order they run."""
    ships = "" if file["ships"] else ", left out"
    yield f"{title(file)}{ships}: {verdict(file)}"
    yield ""
    tensors = file["tensors"]
    rows = sorted(range(len(tensors)), key=lambda i: _least(tensors[i]))
    rows = sorted(rows if all_rows else rows[:_MOST_ROWS])
    found = file["culprit"]
    yield from lay_out(
        [_cells(tensors[i]) for i in rows],
        [*_HEADER, ""],
        [
            ["<- breaks here" if found and tensors[i]["tensor"] == found["tensor"] else ""]
            for i in rows
        ],
        room=width(),
        numbers=set(_HEADER[3:]),
    )
    if len(rows) < len(tensors):
        yield f"the worst {len(rows)} of {len(tensors)} tensors; all {len(tensors)}: --all"
    yield ""


def _cells(tensor: dict[str, Any]) -> list[str]:
    total = tensor["total"]
    return [
        tensor["layer"] or tensor["tensor"],
        tensor["operator"],
        tensor["dtype"],
        *(_decibels(ratio_of(tensor[part])) for part in ("total", "rounding", "weights")),
        _decibels(total["worst_db"]),
        f"{total['max_error']:.2g}",
    ]


def _least(tensor: dict[str, Any]) -> float:
    """Return the smallest ratio of a tensor, by which the worst are chosen."""
    ratios = (ratio_of(tensor[part]) for part in ("rounding", "weights", "total"))
    return min((ratio for ratio in ratios if ratio is not None), default=float("inf"))


def _decibels(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}"
