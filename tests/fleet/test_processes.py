"""A rollout to real processes: killed at any time, some of them on full disks."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop.fleet.reports.lines import read_lines
from strop.fleet.rollout.decide import FINISH, STOP
from strop.fleet.rollout.plan import Group, Plan
from strop.fleet.rollout.rollout import step
from tests.figures import Record
from tests.fleet import registries, releases
from tests.fleet.processes import AgentProcess, closing
from tests.fleet.simulated import CHANNEL, Site

pytestmark = pytest.mark.alone

DEVICES = 20 if int(os.environ.get("STROP_FLEET_DEVICES", "100")) >= 1000 else 10
KILLS = 2  # of each device: after three tries without an answer a release counts as failed
FULL, FREED = 2, 2  # disks that are full to the end; that are full at first
DISK_BYTES = 512 * 2**10
KILLING_S = 20.0  # kills are at any time in it
LIMIT_S = 240.0
PAUSE_S = 1.0

GROUPS = (
    Group("some", 30.0, 50.0, 0.0),
    Group("all", 100.0, 50.0, 0.0),
)


@pytest.fixture
def running(in_memory: Path) -> Iterator[registries.Running]:
    with registries.serve(in_memory / "registry") as made:
        yield made


def test_killed_and_on_full_disks_they_end_on_the_right_bundle(
    running: registries.Running, in_memory: Path, figure: Record
) -> None:
    site = Site(running, in_memory / "site")
    devices = []
    with closing(devices):
        for number in range(DEVICES):
            name = f"real-{number:02}"
            place = in_memory / name
            place.mkdir()
            settings = site.settings(name, place, str(place / "key"))._replace(
                poll_s=1.0, report_file=str(place / "reports.jsonl")
            )
            disk_bytes = DISK_BYTES if number < FULL + FREED else 0
            devices.append(AgentProcess(settings, place, disk_bytes))
        (site.folder / "devices").write_text("".join(f"{one.line}\n" for one in devices))
        first = site.push(releases.good(1)).release
        site.promote(first)
        for device in devices:
            device.start()
        wait_for(site, devices, first.bundle)
        for device in devices[: FULL + FREED]:
            assert device.disk
            device.disk.fill()

        second = site.push(releases.good(2)).release
        site.witness.allowed.add(second.bundle)
        plan = Plan(
            repository=site.place,
            channel=CHANNEL,
            release=second.manifest,
            keys=site.keys,
            devices=str(site.folder / "devices"),
            reports=str(in_memory / "real-*" / "reports.jsonl"),
            group=GROUPS,
        )
        chance = random.Random(0)
        begun_s = time.monotonic()
        kills = sorted(
            (begun_s + chance.uniform(0, KILLING_S), device.name)
            for device in devices
            for _ in range(KILLS)
        )
        by_name = {device.name: device for device in devices}
        actions = []
        next_step_s = begun_s
        while kills or not actions or actions[-1] not in (STOP, FINISH):
            assert time.monotonic() - begun_s < LIMIT_S, actions
            if kills and kills[0][0] <= time.monotonic():
                device = by_name[kills.pop(0)[1]]
                device.kill()
                device.start()
            if next_step_s <= time.monotonic() and (not actions or actions[-1] != FINISH):
                actions.append(step(plan, site.open()).decision.action)
                next_step_s = time.monotonic() + PAUSE_S
            time.sleep(0.02)
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
        said = sum(b"No space left" in line for line in read_lines(plan.reports))
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
    assert said > 0
    assert stopped == [0] * DEVICES


def wait_for(site: Site, devices: list[AgentProcess], bundle: str) -> None:
    """Wait until a bundle is current on all devices; look at what is current meanwhile."""
    end_s = time.monotonic() + LIMIT_S
    left = list(devices)
    while left:
        left = [device for device in left if site.witness.look(device.installs) != bundle]
        if left and time.monotonic() > end_s:
            pytest.fail(f"{len(left)} devices do not get there; {left[0].name}: {left[0].log()}")
        time.sleep(0.1)
