"""The counts in a fleet's reports, summed for one bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from strop.diagnostics.counts_files import Sum
from strop.errors import InputError
from strop.fleet.reports.collect import collect
from strop.fleet.reports.lines import read_lines

SILENT = "without counts"


def add_reports(
    total: Sum, patterns: Iterable[str], devices: Mapping[str, str]
) -> Mapping[str, int]:
    """Add the counts in the newest report of each device.

    Args:
        total: what they are added to.
        patterns: of the files of reports, as a plan of a rollout has them.
        devices: names by public key: those whose reports count.

    Returns:
        How many reports were refused, by their kind; and how many devices are without counts.

    Raises:
        ReportError: a file cannot be read, or there are too many.
    """
    collected = collect(chain.from_iterable(map(read_lines, patterns)), devices)
    for report in collected.newest.values():
        if report.counts:
            try:
                total.add(report.counts)
            except InputError:
                total.unreadable += 1
    silent = len(devices) - sum(1 for one in collected.newest.values() if one.counts)
    return {**dict(sorted(collected.refused.items())), SILENT: silent}
