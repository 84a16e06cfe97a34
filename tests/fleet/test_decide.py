"""The decision of a rollout's next step, by examples; test_decide_properties.py has any fleet."""

from __future__ import annotations

from typing import Any

import pytest

from strop.errors import InputError
from strop.fleet.channel import Channel, Next, bucket, check_channel, empty, wanted
from strop.fleet.reports.report import HEALTHY, REFUSED, ROLLED_BACK, WAITING, Report
from strop.fleet.rollout.decide import Decision, decide
from strop.fleet.rollout.plan import Group
from tests.fleet.fleet_reports import report
from tests.fleet.test_channel import release

OLD, NEW = release(1), release(2)
CANARY = Group("canary", 10.0, 100.0, 0.0, soak_minutes=30.0)
GROUPS = (CANARY, Group("half", 50.0, 90.0, 10.0), Group("all", 100.0, 90.0, 10.0))
STABLE = empty("stable")._replace(runs=OLD)
DEVICES = sorted((f"d{i}" for i in range(40)), key=lambda device: bucket(device, NEW.bundle))


def below(percent: float) -> list[str]:
    return [device for device in DEVICES if bucket(device, NEW.bundle) < percent]


def at(group: Group) -> Channel:
    return STABLE._replace(next=Next(NEW, group.percent, group.name))


def said(devices: list[str], state: str = HEALTHY, **fields: Any) -> list[Report]:
    return [report(device, state=state, **fields) for device in devices]


def decided(channel: Channel, *reports: Report, **options: bool) -> Decision:
    return decide(GROUPS, NEW, channel, DEVICES, reports, **options)


def test_a_whole_rollout() -> None:
    canaries, half = below(10.0), below(50.0)
    assert 1 < len(canaries) < len(half) < len(DEVICES)
    first = decided(STABLE)
    assert (first.action, first.channel) == ("start", at(CANARY))
    assert first.silent == tuple(canaries)
    assert [tally.state for tally in first.groups] == ["now", "to come", "to come"]
    assert [tally.devices for tally in first.groups] == [
        len(canaries),
        len(half) - len(canaries),
        len(DEVICES) - len(half),
    ]
    waits = decided(first.channel, *said(canaries[1:]))
    assert (waits.action, waits.channel) == ("wait", first.channel)
    assert waits.reason.endswith("1 silent")
    assert waits.silent == (canaries[0],)
    second = decided(first.channel, *said(canaries))
    assert (second.action, second.channel) == ("advance", at(GROUPS[1]))
    third = decided(second.channel, *said(half))
    assert (third.action, third.channel) == ("advance", at(GROUPS[2]))
    last = decided(third.channel, *said(DEVICES))
    assert (last.action, last.channel) == ("finish", STABLE._replace(runs=NEW))
    assert [tally.state for tally in last.groups] == ["done"] * 3
    assert decided(last.channel, *said(DEVICES)).action == "nothing"


@pytest.mark.parametrize("state", [REFUSED, ROLLED_BACK])
def test_a_failure_stops_it(state: str) -> None:
    canaries = below(10.0)
    reports = said(canaries[:1], state, problem="self-check: 3 of 8 samples differ")
    found = decided(at(CANARY), *reports)
    assert (found.action, found.channel.next, found.channel.runs) == ("stop", None, OLD)
    assert found.channel.stopped == (NEW.bundle,)
    assert found.failed == tuple(reports)
    assert [tally.state for tally in found.groups] == ["stopped", "to come", "to come"]
    assert f"1 of {len(canaries)} devices failed, more than 0 %" in found.reason
    assert all(wanted(found.channel, device) == OLD for device in DEVICES)
    again = decided(found.channel, *reports)
    assert (again.action, again.channel) == ("nothing", found.channel)
    anew = decided(found.channel, again=True)
    assert (anew.action, anew.channel) == ("start", at(CANARY))
    assert decided(anew.channel, again=True).action == "wait"


def test_a_failure_of_an_earlier_group_stops_it_too() -> None:
    half = below(50.0)
    reports = [*said(half[:1], ROLLED_BACK), *said(half[1:])]
    assert decided(at(GROUPS[1]), *reports).action == "stop"


def test_how_the_percentages_of_few_devices_count() -> None:
    """Exactly, and not rounded: of three, one is 33.3 %."""
    groups = (Group("all", 100.0, 90.0, 10.0),)
    channel = STABLE._replace(next=Next(NEW, 100.0, "all"))
    three = ["a", "b", "c"]
    failed = decide(groups, NEW, channel, three, said(["a"], REFUSED))
    assert failed.action == "stop"
    assert decide(groups, NEW, channel, three, said(["a", "b"])).action == "wait"
    assert decide(groups, NEW, channel, three, said(three)).action == "finish"
    ten = [f"x{i}" for i in range(10)]
    one = [*said(ten[:1], REFUSED), *said(ten[1:])]
    assert decide(groups, NEW, channel, ten, one).action == "finish"  # 10 % is not more than 10 %
    two = [*said(ten[:2], REFUSED), *said(ten[2:])]
    assert decide(groups, NEW, channel, ten, two).action == "stop"
    thirds = (Group("all", 100.0, 66.6, 33.4),)
    assert decide(thirds, NEW, channel, three, said(["a", "b"])).action == "finish"


def test_a_download_that_fails_is_not_the_releases_failure() -> None:
    canaries = below(10.0)
    found = decided(at(CANARY), *said(canaries, WAITING, problem="the registry has gone"))
    assert (found.action, found.failed) == ("wait", ())
    assert found.groups[0].waiting == len(canaries)


def test_a_device_must_have_been_healthy_for_long_enough() -> None:
    canaries = below(10.0)
    found = decided(at(CANARY), *said(canaries, healthy_for_s=1799.9))
    assert (found.action, found.groups[0].soaking) == ("wait", len(canaries))
    assert "not yet for 30 minutes" in found.reason
    assert decided(at(CANARY), *said(canaries, healthy_for_s=1800.0)).action == "advance"


@pytest.mark.parametrize(
    "fields",
    [
        {"wanted": OLD.bundle, "current": OLD.bundle},
        {"channel": "beta"},
        {"wanted": None, "current": None, "state": WAITING},
    ],
    ids=str,
)
def test_reports_of_something_else_do_not_count(fields: dict[str, Any]) -> None:
    canaries = below(10.0)
    found = decided(at(CANARY), *[report(device, **fields) for device in canaries])
    assert (found.action, found.silent) == ("wait", tuple(canaries))


def test_only_the_newest_report_counts() -> None:
    canaries = below(10.0)
    later = said(canaries[:1], ROLLED_BACK, sequence=2)
    assert decided(at(CANARY), *later, *said(canaries)).action == "stop"
    earlier = said(canaries[:1], WAITING, sequence=0)
    assert decided(at(CANARY), *said(canaries), *earlier).action == "advance"


def test_devices_that_are_not_listed_or_not_in_the_group_do_not_count() -> None:
    outside = DEVICES[len(below(10.0)) :]
    failed = said([*outside, "stranger"], REFUSED)
    found = decided(at(CANARY), *failed)
    assert found.action == "wait"
    assert found.groups[0].failed == 0


def test_a_group_too_small_takes_the_next_devices() -> None:
    groups = (Group("one", 0.001, 100.0, 0.0, at_least=3), GROUPS[2])
    found = decide(groups, NEW, STABLE, DEVICES, [])
    coming = found.channel.next
    assert coming is not None
    assert [d for d in DEVICES if bucket(d, NEW.bundle) < coming.percent] == DEVICES[:3]
    assert found.groups[0].devices == 3
    check_channel(found.channel)
    repeated = decide(groups, NEW, found.channel, DEVICES, said(DEVICES[:2]))
    assert repeated.action == "wait"
    assert decide(groups, NEW, found.channel, DEVICES, said(DEVICES[:3])).action == "advance"


def test_a_fleet_of_one() -> None:
    first = decide(GROUPS, NEW, STABLE, ["only"], [])
    assert (first.action, first.silent) == ("start", ("only",))
    done = decide(GROUPS, NEW, first.channel, ["only"], said(["only"]))
    assert (done.action, done.channel) == ("finish", STABLE._replace(runs=NEW))
    with pytest.raises(InputError, match="there is no device"):
        decide(GROUPS, NEW, STABLE, [], [])


def test_at_least_so_many_must_answer() -> None:
    groups = (Group("all", 100.0, 1.0, 0.0, at_least=4),)
    channel = STABLE._replace(next=Next(NEW, 100.0, "all"))
    assert decide(groups, NEW, channel, DEVICES, said(DEVICES[:3])).action == "wait"
    assert decide(groups, NEW, channel, DEVICES, said(DEVICES[:4])).action == "finish"


def test_devices_that_leave_the_list_are_replaced() -> None:
    groups = (CANARY._replace(at_least=len(below(10.0))), *GROUPS[1:])
    left = DEVICES[1:]
    found = decide(groups, NEW, at(CANARY), left, [])
    assert (found.action, found.reason) == ("advance", "group canary takes more devices")
    coming = found.channel.next
    assert coming is not None
    assert coming.group == "canary"
    assert coming.percent > 10
    assert decide(groups, NEW, found.channel, left, []).action == "wait"


def test_a_channel_that_another_rollout_or_plan_has() -> None:
    other = STABLE._replace(next=Next(release(3), 10.0, "canary"))
    with pytest.raises(InputError, match="is rolling out another release, digits v3"):
        decided(other)
    with pytest.raises(InputError, match="is at group early, which is not in the plan"):
        decided(STABLE._replace(next=Next(NEW, 10.0, "early")))
    with pytest.raises(InputError, match="runs v9, and v2 is older; strop promote"):
        decided(STABLE._replace(runs=release(9)))


def test_stopped_by_hand() -> None:
    found = decided(at(CANARY), *said(below(10.0)), halt=True)
    assert (found.action, found.channel) == ("stop", STABLE._replace(stopped=(NEW.bundle,)))
    assert decided(found.channel, halt=True).action == "nothing"
    with pytest.raises(InputError, match="there is nothing to stop"):
        decided(STABLE, halt=True)
    with pytest.raises(InputError, match="runs this release already"):
        decided(STABLE._replace(runs=NEW), halt=True)


def test_a_new_channel() -> None:
    first = decided(empty("stable"))
    assert first.action == "start"
    assert first.channel.runs is None
