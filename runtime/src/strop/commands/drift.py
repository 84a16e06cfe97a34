"""strop drift: tell whether the input still looks like what the model was proven on.

Exit status: 0 it does, or a difference is worth a watch; 1 it has drifted; 2 that cannot be told.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strop.bundle.counts import Counts
from strop.bundle.file import Bundle
from strop.bundle.manifest import InputSpec, plain
from strop.bundle.open import open_bundle
from strop.commands.fleet import the_extra
from strop.commands.refusal import FAILED
from strop.commands.saving import require_other, save
from strop.commands.terminal import print_json, print_line, print_table
from strop.diagnostics.counts_files import ENDING, Sum, add_files, later
from strop.diagnostics.drift import ALIKE, DRIFTED, Finding, Judgement, judge
from strop.diagnostics.drift_words import headline
from strop.errors import InputError, StropError
from strop.versions import install_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROWS = 12  # figures in the table; those that are not alike are always shown
_READ = (ENDING, ".jsonl")  # how the names of counts and reports end
_HEADER = ("figure", "judged", "PSI", "by chance", "distance", "p")


def main(arguments: argparse.Namespace) -> int:
    """Judge what a model has counted, and show it."""
    if arguments.picture is not None:
        _require_no_input(arguments)
        try:
            from strop.diagnostics import drift_picture  # before any work
        except ImportError as error:
            raise StropError(f"--picture needs {error.name}", install_line("drift")) from None
    if arguments.since is not None and arguments.devices is not None:
        raise InputError("--since is for counts of one place", "leave out --since or --devices")
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    total = Sum(bundle)
    refused: Mapping[str, int] = {}
    if arguments.devices is not None:
        refused = _add_reports(total, arguments.counts, arguments.devices)
    else:
        add_files(total, arguments.counts)
    left_out = _left_out(total, refused)
    if total.total is not None and arguments.since is not None:
        before = Sum(bundle)
        add_files(before, [arguments.since])
        if before.total is None:
            raise InputError(
                f"--since has no counts of {_label(bundle)}",
                "name earlier ones of the same bundle, or judge without --since",
            )
        total.total = later(total.total, before.total)
    if total.total is None:
        raise InputError(
            f"cannot tell: nothing was counted of {_label(bundle)}"
            + (f" ({', '.join(left_out)})" if left_out else ""),
            "name the counts of a model of this very bundle",
        )
    judgement = judge(bundle.manifest, total.total)
    if arguments.picture is not None:
        save(arguments.picture, drift_picture.png(bundle.manifest, total.total, judgement))
    if arguments.json:
        print_json(_content(arguments, bundle, total, refused, judgement))
    else:
        _show(bundle, total.total, total.taken, left_out, judgement)
        if arguments.picture is not None:
            print_line(f"picture: {arguments.picture}")
    return FAILED if judgement.level == DRIFTED else 0


def _require_no_input(arguments: argparse.Namespace) -> None:
    """Refuse a picture in place of a file that is read, or may be: one of a folder or a pattern.

    Raises:
        InputError: it would be.
    """
    picture = arguments.picture
    others = (arguments.since, arguments.devices)
    named = [arguments.bundle, *arguments.counts, *(path for path in others if path is not None)]
    require_other(picture, named)
    if Path(picture).suffix in _READ:
        raise InputError(
            f"{picture} has the name of counts or reports, and would be a picture",
            "choose a name that ends in .png",
        )


def _add_reports(total: Sum, patterns: Sequence[str], devices: str) -> Mapping[str, int]:
    """Add the counts in the newest report of each device; return what was refused, by its kind."""
    with the_extra():
        from strop.fleet.reports.counted import add_reports
        from strop.fleet.reports.devices import read_devices
    return add_reports(total, patterns, read_devices(devices))


def _label(bundle: Bundle) -> str:
    manifest = bundle.manifest
    return f"{manifest.name} v{manifest.model_version} for {manifest.target}"


def _left_out(total: Sum, refused: Mapping[str, int]) -> list[str]:
    found = {"of other bundles": total.others, "that cannot be used": total.unreadable, **refused}
    return [f"{count:,} {kind}" for kind, count in found.items() if count]


def _content(
    arguments: argparse.Namespace,
    bundle: Bundle,
    total: Sum,
    refused: Mapping[str, int],
    judgement: Judgement,
) -> dict[str, Any]:
    counts = total.total
    assert counts is not None  # noqa: S101  the caller has looked
    return {
        "bundle": arguments.bundle,
        "digest": bundle.digest,
        "level": judgement.level,
        "said": headline(judgement),
        "samples": counts.samples,
        "calls": counts.calls,
        "since": counts.since,
        "until": counts.until,
        "taken": total.taken,
        "left_out": {
            "other_bundles": total.others,
            "unreadable": total.unreadable,
            "reports": dict(refused),
        },
        "findings": [_finding(one) for one in judgement.findings],
        "unjudged": list(judgement.unjudged),
    }


def _finding(one: Finding) -> dict[str, Any]:
    fields = {name: plain(value) for name, value in one._asdict().items() if name != "spec"}
    side = "input" if isinstance(one.spec, InputSpec) else "output"
    return {side: one.spec.name, **fields}


def _show(
    bundle: Bundle, counts: Counts, taken: int, left_out: Sequence[str], judgement: Judgement
) -> None:
    print_line(f"{judgement.level}: {headline(judgement)}")
    summed = f"; the sum of {taken:,} counts" if taken > 1 else ""
    print_line(
        f"{_label(bundle)}: {counts.samples:,} samples of {counts.calls:,} calls, "
        f"{counts.since} to {counts.until}{summed}"
    )
    if left_out:
        print_line(f"left out: {', '.join(left_out)}")
    differing = sum(one.level != ALIKE for one in judgement.findings)
    shown = judgement.findings[: max(_ROWS, differing)]
    several = len(bundle.manifest.inputs) > 1 or len(bundle.manifest.outputs) > 1
    print_table([_row(one, named=several) for one in shown], _HEADER)
    if hidden := len(judgement.findings) - len(shown):
        print_line(f"{hidden} more figures are alike")
    for line in judgement.unjudged:
        print_line(f"not judged: {line}")


def _row(one: Finding, *, named: bool) -> tuple[str, ...]:
    return (
        f"{one.spec.name} {one.figure}" if named else one.figure,
        one.level,
        f"{one.psi:.3f}",
        f"{one.by_chance:.3f}",
        f"{one.distance:.3f}",
        f"{one.p_value:.2g}",
    )
