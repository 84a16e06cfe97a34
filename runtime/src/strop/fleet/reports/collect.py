"""Collects reports: the newest of each device, whoever carried them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from strop.errors import ReportError
from strop.fleet.reports.report import Forged, Report, Unlisted, newest, read_line

UNLISTED, FORGED, MALFORMED = "unlisted", "forged", "malformed"


class Collected(NamedTuple):
    """What was read of the reports."""

    newest: Mapping[str, Report]  # by device
    refused: Mapping[str, int]  # how many were unlisted, forged or malformed


def collect(lines: Iterable[bytes], devices: Mapping[str, str]) -> Collected:
    """Keep the newest report of each device, and count what is refused.

    Args:
        lines: anybody's bytes.
        devices: names by public key.
    """
    refused: Counter[str] = Counter()
    return Collected(newest(_verified(lines, devices, refused)), refused)


def _verified(
    lines: Iterable[bytes], devices: Mapping[str, str], refused: Counter[str]
) -> Iterator[Report]:
    for line in lines:
        try:
            report = read_line(line, devices)
        except Unlisted:
            refused[UNLISTED] += 1
        except Forged:
            refused[FORGED] += 1
        except ReportError:
            refused[MALFORMED] += 1
        else:
            yield report
