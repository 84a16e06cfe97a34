"""The decision of a rollout's next step: what holds whatever a fleet reports, and in any order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from strop.fleet.channel import Channel, Next, bucket, check_channel, wanted
from strop.fleet.reports.report import HEALTHY, REFUSED, ROLLED_BACK, WAITING, Report
from strop.fleet.rollout.decide import ADVANCE, FINISH, STOP, WAIT, Decision, Tally, decide
from strop.fleet.rollout.plan import Group
from tests.fleet.fleet_reports import report
from tests.fleet.test_decide import NEW, OLD, STABLE

NAMES = st.lists(st.integers(0, 99).map(lambda i: f"d{i}"), min_size=1, max_size=25, unique=True)
STATES = st.sampled_from([HEALTHY, HEALTHY, HEALTHY, WAITING, REFUSED, ROLLED_BACK])
PERCENT = st.one_of(st.integers(0, 100).map(float), st.floats(0, 100))


@st.composite
def plans(draw: st.DrawFn) -> tuple[Group, ...]:
    inner = draw(st.lists(st.floats(0.001, 99.9), max_size=3, unique=True))
    groups = []
    for i, percent in enumerate((*sorted(inner), 100.0)):
        success = draw(PERCENT.filter(lambda value: value > 0))
        error = min(draw(PERCENT), 100 - success)
        soak, least = draw(st.sampled_from([0.0, 1.0])), draw(st.integers(1, 4))
        groups.append(Group(f"g{i}", percent, success, error, soak, least))
    return tuple(groups)


def reports_of(devices: list[str]) -> st.SearchStrategy[list[Report]]:
    one = st.builds(
        lambda device, number, state, soaked, bundle: report(
            device,
            number,
            state=state,
            wanted=bundle,
            current=bundle if state == HEALTHY else None,
            healthy_for_s=float(soaked) if state == HEALTHY else 0.0,
        ),
        st.sampled_from([*devices, "stranger"]),
        st.integers(1, 4),
        STATES,
        st.sampled_from([0, 59, 60, 3600]),
        st.sampled_from([NEW.bundle, NEW.bundle, NEW.bundle, OLD.bundle]),
    )
    return st.lists(one, max_size=40)


def percent_of(channel: Channel) -> float:
    if channel.runs == NEW:
        return 100.0
    return channel.next.percent if channel.next else 0.0


def all_counted(tally: Tally) -> bool:
    return sum(tally[3:8]) == tally.devices


@settings(deadline=None, max_examples=150)
@given(plans(), NAMES, st.data())
def test_any_rollout(groups: tuple[Group, ...], devices: list[str], data: st.DataObject) -> None:
    """Take steps with any reports: monotone, never past a threshold, the same in any order."""
    start = data.draw(st.sampled_from([None, *groups]))
    channel = STABLE._replace(next=Next(NEW, start.percent, start.name)) if start else STABLE
    for _ in range(8):
        reports = data.draw(reports_of(devices))
        found = decide(groups, NEW, channel, devices, reports)
        shuffled = data.draw(st.permutations(reports))
        assert decide(groups, NEW, channel, list(reversed(devices)), shuffled) == found
        check_channel(found.channel)
        assert all(map(all_counted, found.groups))
        assert sum(tally.devices for tally in found.groups) == len(devices)
        for tally in found.groups:  # members are whom the channel reaches
            reached = [d for d in devices if bucket(d, NEW.bundle) < tally.percent]
            count = sum(t.devices for t in found.groups if t.percent <= tally.percent)
            assert len(reached) == count
        if found.action in ("wait", "nothing"):
            assert found.channel == channel
            assert (found.action == "nothing") == (NEW in (channel.runs,) or not channel.next)
        elif found.action == "stop":
            assert found.channel.next is None
            assert found.channel.runs == channel.runs
            assert found.channel.stopped == (NEW.bundle,)
        else:
            assert percent_of(found.channel) >= percent_of(channel)
            assert found.channel.stopped == ()
            _require_passed(groups, found, channel)
        if channel.next:
            _require_thresholds(groups, found, channel)
        channel = found.channel


def _require_thresholds(groups: tuple[Group, ...], found: Decision, before: Channel) -> None:
    """A group that has the release, with more failures than it may have: only then it stops."""
    assert before.next
    names = [group.name for group in groups]
    reached = names.index(before.next.group)
    tallies = found.groups[: reached + 1]
    above = [
        tally.failed * 100 > group.error_percent * tally.devices + 1e-6
        for group, tally in zip(groups, tallies, strict=False)
    ]
    allowed = [
        tally.failed * 100 < group.error_percent * tally.devices - 1e-6 or not tally.failed
        for group, tally in zip(groups, tallies, strict=False)
    ]
    if any(above):
        assert found.action == "stop"
    if all(allowed):
        assert found.action != "stop"


def _require_passed(groups: tuple[Group, ...], found: Decision, before: Channel) -> None:
    """The group before has as many healthy devices as it needs, unless it takes more itself."""
    if before.next is None or (
        found.channel.next and found.channel.next.group == before.next.group
    ):
        return
    names = [group.name for group in groups]
    place = names.index(before.next.group)
    group, tally = groups[place], found.groups[place]
    assert tally.healthy * 100 >= group.success_percent * tally.devices - 1e-6
    assert tally.healthy + tally.failed >= min(group.at_least, tally.devices)


@settings(deadline=None, max_examples=100)
@given(plans(), NAMES, st.data())
def test_a_repeated_call_changes_nothing(
    groups: tuple[Group, ...], devices: list[str], data: st.DataObject
) -> None:
    """With the same reports, of devices that the channel had reached: one step, and no second."""
    channel = STABLE
    for _ in range(5):
        reached = [d for d in devices if wanted(channel, d) == NEW] or ["stranger"]
        reports = data.draw(reports_of(reached))
        after = decide(groups, NEW, channel, devices, reports)
        again = decide(groups, NEW, after.channel, devices, reports)
        assert again.action in ("wait", "nothing")
        assert again.channel == after.channel
        channel = after.channel


@settings(deadline=None, max_examples=100)
@given(plans(), NAMES)
def test_a_healthy_fleet_always_arrives(groups: tuple[Group, ...], devices: list[str]) -> None:
    channel = STABLE
    for _ in range(len(groups) + 1):
        reports = [report(d) for d in devices if wanted(channel, d) == NEW]
        channel = decide(groups, NEW, channel, devices, reports).channel
    assert channel == STABLE._replace(runs=NEW)


@settings(deadline=None, max_examples=100)
@given(plans(), NAMES, st.data())
def test_more_failures_never_help(
    groups: tuple[Group, ...], devices: list[str], data: st.DataObject
) -> None:
    channel = decide(groups, NEW, STABLE, devices, []).channel
    reached = [device for device in devices if wanted(channel, device) == NEW]
    states = {device: data.draw(STATES) for device in reached}
    one = data.draw(st.sampled_from(reached))
    worse = {**states, one: ROLLED_BACK}
    order = (STOP, WAIT, ADVANCE, FINISH)
    before, after = (
        decide(groups, NEW, channel, devices, [report(d, state=s) for d, s in fates.items()])
        for fates in (states, worse)
    )
    if before.action == STOP or states[one] == HEALTHY:  # else it counts among `at_least` now
        assert order.index(after.action) <= order.index(before.action)


@settings(deadline=None, max_examples=100)
@given(plans(), NAMES, NAMES)
def test_the_list_of_devices_may_change(
    groups: tuple[Group, ...], devices: list[str], others: list[str]
) -> None:
    channel = STABLE
    for fleet in (devices, others, devices, others):
        reached = {device for device in fleet if wanted(channel, device) == NEW}
        found = decide(groups, NEW, channel, fleet, map(report, reached))
        check_channel(found.channel)
        assert found.action != STOP
        assert reached <= {device for device in fleet if wanted(found.channel, device) == NEW}
        assert percent_of(found.channel) >= percent_of(channel)
        channel = found.channel
