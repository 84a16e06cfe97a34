"""kill -9 before, within and after every change that a step makes to the disk, and full disks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop import durable
from strop.fleet.reports.report import HEALTHY, REFUSED, ROLLED_BACK
from tests import environments
from tests.fleet.agent.place import Device, Place, wrong
from tests.reliability import disk, editions
from tests.reliability.kills import BEFORE, WITHIN, changes_of, kill_at

GOOD, REFUSED_ONE, SICK = "a good release", "one that is refused", "one that is rolled back"
# What the channel names, the versions that may be current at any time, and how it ends.
STEPS: dict[str, tuple[bytes, set[int], tuple[str, int]]] = {
    GOOD: (editions.content(2), {1, 2}, (HEALTHY, 2)),
    REFUSED_ONE: (wrong(2), {1}, (REFUSED, 1)),
    SICK: (editions.content(2), {1, 2}, (ROLLED_BACK, 1)),
}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder in memory, if possible: hundreds of steps are flushed."""
    with environments.in_memory() as folder:
        yield folder


def _device(place: Place, home: Path, name: str) -> Device:
    """A device that runs version 1, whose channel names another release."""
    place.publish(editions.content(1))
    device = Device(place, home / "device")
    assert device.step().state == HEALTHY
    device.now_s += 2 * 3600
    assert device.step().state == HEALTHY
    device.sick = {2} if name == SICK else set()
    place.publish(STEPS[name][0])
    shutil.copytree(device.folder, home / "template")
    return device


def _again(device: Device, home: Path) -> None:
    """Make the device what it was before the step."""
    shutil.rmtree(device.folder)
    shutil.copytree(home / "template", device.folder)
    device.start()


def _is_tidy(device: Device) -> bool:
    drafts = [path for path in device.folder.rglob("*") if path.name.endswith(durable.DRAFT)]
    return not drafts and not device.left()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork beside the threads of a client
@pytest.mark.parametrize("name", STEPS)
def test_killed_at_every_change(place: Place, home: Path, name: str) -> None:
    _, may_be, (state, version) = STEPS[name]
    device = _device(place, home, name)
    changes = changes_of(device.step)
    assert device.version() == version
    seen: set[int | None] = set()
    for number, change in enumerate(changes):
        # After a change is before the next one.
        for moment in (BEFORE, WITHIN) if change == "write" else (BEFORE,):
            _again(device, home)
            kill_at(number, moment, device.step)
            where = f"{moment} {change} {number}"
            seen.add(device.version())
            assert device.version() in may_be, where
            device.start()
            outcome = device.step()
            assert (outcome.state, outcome.could_not) == (state, False), where
            assert device.version() == version, where
            assert _is_tidy(device), where
            assert device.reports[-1].state == state, where
    assert seen == may_be
    assert len(changes) > 30


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", STEPS)
def test_a_disk_that_is_full_at_any_time(place: Place, home: Path, name: str) -> None:
    """The device runs one of its releases, and goes on once there is room."""
    _, may_be, (state, version) = STEPS[name]
    device = _device(place, home, name)
    failed = 0
    for room_bytes in (0, 10, 500, 2000, 4000, 6000, 7000, 8000, 10_000, 14_000, 16_000, 30_000):
        _again(device, home)
        with disk.full(device.folder, room_bytes):
            outcome = device.step()
            failed += outcome.could_not
            assert device.version() in may_be, room_bytes
        outcome = device.step()
        assert (outcome.state, outcome.could_not, device.version()) == (state, False, version)
        assert _is_tidy(device), room_bytes
    assert failed > 1


def test_a_full_disk_is_reported(place: Place, home: Path) -> None:
    """The state has room of its own, so reports go on."""
    device = _device(place, home, GOOD)
    before = len(device.reports)
    with disk.full(device.folder, 0):
        for _ in range(3):
            assert device.step().could_not
            device.now_s += 86400
    told = device.reports[before:]
    assert len(told) == 3
    assert all("No space left on device" in report.problem for report in told)
    assert len({report.sequence for report in told}) == 3
