"""Counts in reports: those of the current bundle, and no fault of the release if there are none."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from strop.fleet.agent.agent import Outcome
from strop.fleet.reports.report import HEALTHY
from tests.fleet.agent.place import Device, Place
from tests.fleet.fleet_reports import counts
from tests.reliability import editions


@pytest.fixture
def counting(place: Place, tmp_path: Path) -> Device:
    """A device whose app saves its counts."""
    return Device(place, tmp_path / "device", counts=str(tmp_path / "counts.json"))


def test_the_report_has_the_counts_of_the_current_bundle(place: Place, counting: Device) -> None:
    place.publish(editions.content(1))
    saved = counts(editions.digest(1))
    saved.save(counting.counts)
    assert counting.step() == Outcome(HEALTHY, "", could_not=False)
    assert counting.reports[-1].counts == saved


def test_counts_of_the_bundle_before_are_not_reported(
    place: Place, counting: Device, caplog: pytest.LogCaptureFixture
) -> None:
    place.publish(editions.content(1))
    counts(editions.digest(1)).save(counting.counts)
    counting.step()
    place.publish(editions.content(2))
    assert counting.step() == Outcome(HEALTHY, "", could_not=False)
    assert [report.counts is not None for report in counting.reports] == [True, False]
    assert "no counts" not in caplog.messages


def test_an_app_that_has_not_counted_yet_is_no_news(
    place: Place, counting: Device, caplog: pytest.LogCaptureFixture
) -> None:
    place.publish(editions.content(1))
    assert counting.step() == Outcome(HEALTHY, "", could_not=False)
    assert counting.reports[-1].counts is None
    assert "no counts" not in caplog.messages


def _fifo(path: Path) -> None:
    os.mkfifo(path)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "not JSON": lambda path: path.write_bytes(b"\x00\xff\x1b[2J"),
    "deep": lambda path: path.write_bytes(b"[" * 20_000),
    "large": lambda path: path.write_bytes(counts().to_json() + b" " * 10**7),
    "other fields": lambda path: path.write_bytes(b'{"schema":1}'),
    "a newer schema": lambda path: path.write_bytes(b'{"schema":2}'),
    "a folder": Path.mkdir,
    "a FIFO": _fifo,
    "locked": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_cannot_be_used_is_a_line_in_the_log(
    kind: str, place: Place, counting: Device, caplog: pytest.LogCaptureFixture
) -> None:
    HOSTILE[kind](Path(counting.counts))
    place.publish(editions.content(1))
    with caplog.at_level(logging.WARNING, "strop"):
        assert counting.step() == Outcome(HEALTHY, "", could_not=False)
    report = counting.reports[-1]
    assert (report.counts, report.problem) == (None, "")
    assert caplog.messages.count("no counts") == 1
