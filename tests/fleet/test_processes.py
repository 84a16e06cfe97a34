"""A rollout to real processes: killed at any time, some of them on full disks."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop.fleet.channel import bucket
from strop.fleet.reports.lines import read_lines
from strop.fleet.rollout.decide import FINISH, STOP
from strop.fleet.rollout.plan import Group, Plan
from strop.fleet.rollout.rollout import step
from tests import environments
from tests.figures import Record
from tests.fleet import registries, releases
from tests.fleet.processes import AgentProcess, closing
from tests.fleet.simulated import CHANNEL, Site

pytestmark = pytest.mark.alone

DEVICES = 20 if int(os.environ.get("STROP_FLEET_DEVICES", "100")) >= 1000 else 10
FIRST = 3  # devices in the first group
KILLS = 2  # of each device: after three tries without an answer a release counts as failed
FULL, FREED = 2, 2  # disks that are full to the end; that are full at first
DISK_BYTES = 512 * 2**10
KILLING_S = 4.0  # after a device is given the release: kills are at any time in it
LIMIT_S = 240.0
PAUSE_S = 1.0

GROUPS = (
    Group("some", 30.0, 50.0, 0.0, at_least=3),
    Group("all", 100.0, 30.0, 0.0),
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory, if possible."""
    with environments.in_memory() as folder:
        yield folder


@pytest.fixture
def running(place: Path) -> Iterator[registries.Running]:
    with registries.serve(place / "registry") as made:
        yield made


def test_killed_and_on_full_disks_they_end_on_the_right_bundle(
    running: registries.Running, place: Path, figure: Record
) -> None:
    site = Site(running, place / "site")
    devices: list[AgentProcess] = []
    with closing(devices):
        first, second = (site.push(releases.good(version)).release for version in (1, 2))
        for number, name in enumerate(names_of_devices(second.bundle)):
            home = place / name
            home.mkdir()
            settings = site.settings(name, home, str(home / "key"))._replace(
                poll_s=1.0, report_file=str(home / "reports.jsonl")
            )
            disk_bytes = DISK_BYTES if number < FULL + FREED else 0
            devices.append(AgentProcess(settings, home, disk_bytes))
        (site.folder / "devices").write_text("".join(f"{one.line}\n" for one in devices))
        site.promote(first)
        for device in devices:
            device.start()
        wait_for(site, devices, first.bundle)
        for device in devices[: FULL + FREED]:
            assert device.disk
            device.disk.fill()

        site.witness.allowed.add(second.bundle)
        plan = Plan(
            repository=site.place,
            channel=CHANNEL,
            release=second.manifest,
            keys=site.keys,
            devices=str(site.folder / "devices"),
            reports=str(place / "real-*" / "reports.jsonl"),
            group=GROUPS,
        )
        chance = random.Random(0)
        begun_s = time.monotonic()
        kills: list[tuple[float, AgentProcess]] = []
        spared = list(devices)
        actions: list[str] = []
        reason, next_step_s = "", begun_s
        while kills or not actions or actions[-1] not in (STOP, FINISH):
            now_s = time.monotonic()
            if now_s - begun_s > LIMIT_S:
                logs = "".join(f"\n{one.name}:\n{one.log()}" for one in devices)
                pytest.fail(f"the rollout does not end: {reason}{logs}")
            if kills and kills[0][0] <= now_s:
                device = kills.pop(0)[1]
                device.kill()
                device.start()
            if next_step_s <= now_s and (not actions or actions[-1] not in (STOP, FINISH)):
                decision = step(plan, site.open()).decision
                actions.append(decision.action)
                reason, next_step_s = decision.reason, now_s + PAUSE_S
                percent = decision.channel.next.percent if decision.channel.next else 0.0
                for device in [d for d in spared if bucket(d.name, second.bundle) < percent]:
                    spared.remove(device)
                    kills += [(now_s + chance.uniform(0, KILLING_S), device) for _ in range(KILLS)]
                kills.sort(key=lambda kill: kill[0])
            time.sleep(0.02)
        wait_for_full_disks(plan)
        for device in devices[FULL : FULL + FREED]:
            assert device.disk
            device.disk.free()
        wait_for(site, devices[FULL:], second.bundle)
        wall_s = time.monotonic() - begun_s
        full = [site.witness.look(device.installs) for device in devices[:FULL]]
        stopped = [device.stop() for device in devices]
        ended = [site.witness.look(device.installs) for device in devices]
        wanted = [first.bundle] * FULL + [second.bundle] * (DEVICES - FULL)
        wrong = sum(one != other for one, other in zip(ended, wanted, strict=True))
    figure(
        "processes, killed and on full disks, end on the right bundle",
        DEVICES,
        wrong,
        f"{sum(d.kills for d in devices)} kills, {FULL + FREED} full disks, {wall_s:,.0f} s",
    )
    figure(
        "of processes: bundles that were current, looked at",
        site.witness.seen,
        len(site.witness.unverified),
    )
    assert wrong == 0
    assert site.witness.unverified == []
    assert full == [first.bundle] * FULL
    assert actions[-1] == FINISH
    assert stopped == [0] * DEVICES


def names_of_devices(bundle: str) -> list[str]:
    """Choose names that put `FIRST` devices into the first group, and list those last.

    A name's group follows from the bundle's digest, which is another on every CPU: the bundle's
    outputs are computed where the test runs. The full disks are the first on the list, thus in the
    last group, of which enough other devices become healthy.
    """
    names = [f"real-{number:02}" for number in range(100)]
    in_first = [name for name in names if bucket(name, bundle) < GROUPS[0].percent]
    in_last = [name for name in names if name not in in_first]
    return in_last[: DEVICES - FIRST] + in_first[:FIRST]


def wait_for(site: Site, devices: list[AgentProcess], bundle: str) -> None:
    """Wait until a bundle is current on all devices; look at what is current meanwhile."""
    end_s = time.monotonic() + LIMIT_S
    left = list(devices)
    while left:
        left = [device for device in left if site.witness.look(device.installs) != bundle]
        if left and time.monotonic() > end_s:
            pytest.fail(f"{len(left)} devices do not get there; {left[0].name}: {left[0].log()}")
        time.sleep(0.1)


def wait_for_full_disks(plan: Plan) -> None:
    """Wait until a device has reported that its disk is full."""
    end_s = time.monotonic() + LIMIT_S
    while not any(b"No space left" in line for line in read_lines(plan.reports)):
        if time.monotonic() > end_s:
            pytest.fail("no device reports that its disk is full")
        time.sleep(0.1)
