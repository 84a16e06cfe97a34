"""Rollouts of simulated fleets: what holds whatever the devices report, and in whatever order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop.errors import InputError
from strop.fleet.artifact import Release
from strop.fleet.channel import Channel, bucket, check_channel, empty, wanted
from strop.fleet.reports.report import HEALTHY, REFUSED, ROLLED_BACK, WAITING, Report
from strop.fleet.rollout.decide import (
    ADVANCE,
    FINISH,
    NOTHING,
    START,
    STOP,
    WAIT,
    Decision,
    decide,
)
from strop.fleet.rollout.plan import Group

OLD = Release("sha256:" + "0a" * 32, "1a" * 32, 1000, "digits", 1, "rpi")
NEW = Release("sha256:" + "0b" * 32, "1b" * 32, 1000, "digits", 2, "rpi")
STEPS = 40  # more than any rollout of these plans takes

_percents = st.lists(st.sampled_from((0.5, 1, 5, 10, 33.3, 50)), unique=True, max_size=3)


@st.composite
def plans(draw: st.DrawFn) -> list[Group]:
    groups = []
    for i, percent in enumerate([*sorted(draw(_percents)), 100]):
        errors = draw(st.sampled_from((0, 5, 33.3, 50, 100)))
        success = draw(
            st.sampled_from(
                [s for s in (0.1, 50, 66.7, 95, 100) if s + errors <= 100] or [100 - errors or 0.1]
            )
        )
        if success + errors > 100:
            errors = 100 - success
        soak = draw(st.sampled_from((0, 1)))
        least = draw(st.integers(1, 4))
        groups.append(Group(f"group-{i}", percent, success, errors, soak, least))
    return groups


def report(device: str, state: str, sequence: int = 1, **changes: Any) -> Report:
    healthy = state == HEALTHY
    made = Report(
        1,
        device,
        sequence,
        "2026-11-01T00:00:00Z",
        "stable",
        NEW.bundle,
        NEW.bundle if healthy else OLD.bundle,
        2 if healthy else 1,
        state,
        600.0 if healthy else 0.0,
        "" if healthy else "it failed",
        10,
        "members",
        "0.1.0",
    )
    return made._replace(**changes)


fleets = st.integers(1, 60).map(lambda n: [f"camera-{i}" for i in range(n)])
running = empty("stable")._replace(runs=OLD)
_states = st.sampled_from((HEALTHY, HEALTHY, HEALTHY, WAITING, REFUSED, ROLLED_BACK, ""))


def decided(groups: list[Group], channel: Channel, devices: list[str], reports: Any) -> Decision:
    return decide(groups, NEW, channel, devices, reports)


def exposed(channel: Channel, devices: list[str]) -> set[str]:
    return {device for device in devices if wanted(channel, device) == NEW}


@settings(max_examples=300, deadline=None)
@given(plans(), fleets, st.data())
def test_a_fleet_rolls_out_or_stops(groups: list[Group], devices: list[str], data: Any) -> None:
    fates = {device: data.draw(_states) for device in devices}
    channel, had, stopped = running, set[str](), False
    for _ in range(STEPS):
        have = exposed(channel, devices)
        reports = [report(device, fates[device]) for device in sorted(have) if fates[device]]
        taken = decided(groups, channel, devices, reports)
        check_channel(taken.channel)  # devices can read what is signed
        assert sum(tally.devices for tally in taken.groups) == len(devices)
        for tally in taken.groups:
            counts = (tally.healthy, tally.soaking, tally.failed, tally.waiting, tally.silent)
            assert sum(counts) == tally.devices
        mixed = reports * 2
        random.Random(len(devices)).shuffle(mixed)
        assert decided(groups, channel, devices, mixed) == taken  # the order does not matter
        if taken.action in (ADVANCE, FINISH):
            _require_earned(groups, channel, devices, fates, taken)
        after = exposed(taken.channel, devices)
        if taken.action == STOP:
            stopped = True
            assert not after
            assert NEW.bundle in taken.channel.stopped
            assert all(wanted(taken.channel, device) == OLD for device in devices)
        else:
            assert have <= after  # nobody is taken back
        if taken.action in (WAIT, NOTHING):
            assert taken.channel == channel
            break
        assert taken.channel != channel
        channel, had = taken.channel, had | after
    else:
        raise AssertionError("it does not end")
    if all(fate == HEALTHY for fate in fates.values()):
        assert channel.runs == NEW
        assert channel.next is None
    if stopped:
        assert taken.action == NOTHING  # and it is not started again


def _require_earned(
    groups: list[Group],
    channel: Channel,
    devices: list[str],
    fates: dict[str, str],
    taken: Decision,
) -> None:
    """Count again, in another way: each group that has the release is within its thresholds."""
    assert channel.next is not None
    before = 0.0
    for group, tally in zip(groups, taken.groups, strict=True):
        own = [d for d in devices if before <= bucket(d, NEW.bundle) < tally.percent]
        failed = sum(fates[device] in (REFUSED, ROLLED_BACK) for device in own)
        healthy = sum(fates[device] == HEALTHY for device in own)
        assert 100 * failed <= group.error_percent * len(own) + 1e-9
        assert 100 * healthy >= group.success_percent * len(own) - 1e-9
        assert healthy + failed >= min(group.at_least, len(own))
        before = tally.percent
        if group.name == channel.next.group:
            break


@settings(max_examples=200, deadline=None)
@given(plans(), fleets, st.data())
def test_more_failures_never_help(groups: list[Group], devices: list[str], data: Any) -> None:
    channel = decided(groups, running, devices, []).channel
    have = sorted(exposed(channel, devices))
    states = {device: data.draw(_states) for device in have}
    worse = dict(states)
    worse[data.draw(st.sampled_from(have))] = ROLLED_BACK
    before, after = (
        decided(groups, channel, devices, [report(d, s) for d, s in fates.items() if s])
        for fates in (states, worse)
    )
    order = (STOP, WAIT, ADVANCE, FINISH)
    if before.action == STOP:
        assert after.action == STOP
    if {before.action, after.action} <= {WAIT, STOP}:
        assert order.index(after.action) <= order.index(before.action)


@settings(max_examples=200, deadline=None)
@given(plans(), fleets, st.data())
def test_reports_of_others_do_not_count(groups: list[Group], devices: list[str], data: Any) -> None:
    channel = decided(groups, running, devices, []).channel
    bare = decided(groups, channel, devices, [])
    other: dict[str, Any] = {"wanted": OLD.bundle, "current": OLD.bundle}
    noise = [
        report(f"stranger-{i}", data.draw(st.sampled_from((HEALTHY, REFUSED)))) for i in range(5)
    ]
    noise += [report(device, HEALTHY, **other) for device in devices]  # of the bundle before
    assert decided(groups, channel, devices, noise) == bare
    elsewhere = [report(device, REFUSED, channel="beta") for device in devices]
    assert decided(groups, channel, devices, elsewhere) == bare
    outrun = [report(device, HEALTHY, 1) for device in devices]
    outrun += [report(device, HEALTHY, 2, **other) for device in devices]
    assert decided(groups, channel, devices, outrun) == bare  # an older report came later


@settings(max_examples=200, deadline=None)
@given(plans(), fleets, fleets, st.data())
def test_the_list_of_devices_may_change(
    groups: list[Group], devices: list[str], others: list[str], data: Any
) -> None:
    channel = running
    for fleet in (devices, others, devices, others):
        have = exposed(channel, fleet)
        try:
            taken = decided(groups, channel, fleet, [report(device, HEALTHY) for device in have])
        finally:
            check_channel(channel)
        assert taken.action in (START, ADVANCE, FINISH, WAIT, NOTHING)
        assert have <= exposed(taken.channel, fleet)
        if channel.next and taken.channel.next:
            assert taken.channel.next.percent >= channel.next.percent
        channel = taken.channel


def test_what_all_devices_run_is_not_stopped_silently() -> None:
    """A rollout that has finished cannot be stopped: who asks for it must hear that."""
    finished = running._replace(runs=NEW)
    with pytest.raises(InputError, match="runs this release already"):
        decide([Group("all", 100, 100, 0)], NEW, finished, ["camera-1"], [], halt=True)


def test_a_late_failure_in_an_earlier_group_stops() -> None:
    """A canary that fails after its group has passed counts as one that fails at once."""
    groups = [Group("canary", 10, 90, 10, at_least=2), Group("all", 100, 90, 10)]
    devices = [f"camera-{i}" for i in range(40)]
    first = decided(groups, running, devices, []).channel
    canaries = sorted(exposed(first, devices))
    healthy = [report(device, HEALTHY) for device in canaries]
    second = decided(groups, first, devices, healthy).channel
    assert second.next
    assert second.next.group == "all"
    late = report(canaries[0], ROLLED_BACK, sequence=2)
    assert decided(groups, second, devices, [*healthy, late]).action == STOP
