"""The lines about the calibration samples, for the screen and for report.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from strop_export.calibration import settling

_MOST_ROWS = 20  # of layers in report.md; report.json has all


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines for the screen: whether the ranges have settled, and the warnings.

    Args:
        report: the content of report.json.
    """
    examined = report["calibration"]
    yield f"calibration: {_verdict(examined)}"
    for warned in examined["warnings"]:
        yield f"calibration: warning: {_warning(warned)}"


def page(report: Mapping[str, Any], escape: Callable[[str], str]) -> Iterator[str]:
    """Yield the lines of report.md: the same, the picture, and a table of the layers.

    Args:
        report: the content of report.json.
        escape: returns text as Markdown that shows it.
    """
    examined = report["calibration"]
    yield from ("", "## Calibration", "", f"{escape(_verdict(examined))}.")
    if examined["warnings"]:
        yield ""
        yield from (f"- **Warning**: {escape(_warning(each))}." for each in examined["warnings"])
    settled = examined["settling"]
    if settled is None:
        return
    *steps, _ = settled["steps"]
    rows = sorted(settled["layers"], key=lambda row: -row["lacks"][steps.index(_half(settled))])
    some = f" (the last {_MOST_ROWS} of {len(rows)} layers; report.json has all)"
    more = some if len(rows) > _MOST_ROWS else ""
    yield from ("", f"![how the ranges settle](<{quote(picture_name(report['model']))}>)", "")
    yield f"The share of its final range that a layer lacks after some samples{more}."
    yield from ("", f"| layer | final range | {' | '.join(f'{k:,}' for k in steps)} |")
    yield "|---|---|" + "--:|" * len(steps)
    for row in rows[:_MOST_ROWS]:
        low, high = row["range"]
        shares = " | ".join(f"{share:.1%}" for share in row["lacks"][:-1])
        yield f"| {escape(row['layer'])} | {low:.4g} to {high:.4g} | {shares} |"


def picture_name(model: str) -> str:
    """Return the file name of the picture in dist/."""
    return f"{model}-calibration.png"


def _half(settled: Mapping[str, Any]) -> int:
    return max(int(settled["samples"]) // 2, 1)


def _warning(warned: Mapping[str, str]) -> str:
    where = f"input {warned['input']!r}: " if warned["input"] else ""
    return f"{where}{warned['found']}; {warned['mend']}"


def _verdict(examined: Mapping[str, Any]) -> str:
    """Say how many samples there are, and whether the ranges have settled."""
    count, settled = examined["samples"], examined["settling"]
    said = f"{count:,} samples"
    if examined["held_out"]:
        said += f", {examined['held_out']:,} held out"
    if settled is None:
        return f"{said}; there are no ranges to compare"
    if settled["samples"] < count:
        said += f" ({settled['samples']:,} measured)"
    if settled["settled_at"] is None:
        return f"{said}, and the ranges have not settled: {settling.last_doubling(settled)}"
    return f"{said}; the ranges settled after {settled['settled_at']:,}, {settled['last']} last"
