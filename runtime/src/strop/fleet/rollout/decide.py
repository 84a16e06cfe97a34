"""The next step of a rollout, from the signed channel and the devices' newest reports.

Nothing else is remembered: the channel says which group has the release, and a repeated decision is
the same (docs/decisions/0054-rollouts.md). Devices are in groups by `bucket`, so that the channel
can name a group by one number, its percentage.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from strop.errors import InputError
from strop.fleet.artifact import Release
from strop.fleet.channel import MAX_STOPPED, Channel, Next, bucket
from strop.fleet.reports.report import FAILED, HEALTHY, Report, newest
from strop.fleet.rollout.plan import Group

START, ADVANCE, FINISH, STOP, WAIT, NOTHING = (
    "start",
    "advance",
    "finish",
    "stop",
    "wait",
    "nothing",
)


class Tally(NamedTuple):
    """What the devices of one group say about the release."""

    group: str
    percent: float  # of all devices, with the groups before: of the plan, or more for `at_least`
    devices: int  # its own; each is counted once below
    healthy: int  # for long enough
    soaking: int  # healthy, but not for long enough yet
    failed: int
    waiting: int  # they have not tried it to the end
    silent: int  # no report of this release
    state: str  # "done", "now", "to come", "stopped"


class Decision(NamedTuple):
    """A step, and why.

    Attributes:
        action: "start", "advance", "finish", "stop", "wait" or "nothing".
        reason: one line.
        channel: the channel after the step.
        groups: counts, in the plan's order.
        silent: devices that have the release to run, and have sent no report of it.
        failed: reports of devices that the release failed on.
    """

    action: str
    reason: str
    channel: Channel
    groups: tuple[Tally, ...]
    silent: tuple[str, ...]
    failed: tuple[Report, ...]


def decide(
    groups: Sequence[Group],
    release: Release,
    channel: Channel,
    devices: Iterable[str],
    reports: Iterable[Report],
    *,
    again: bool = False,
    halt: bool = False,
) -> Decision:
    """Decide the next step.

    Args:
        groups: of the plan; at least one.
        release: what is rolled out.
        channel: as it is signed now.
        devices: the names of the listed devices.
        reports: verified ones, in any order. Only the newest of a listed device counts, and only if
            it is about this release and of this channel.
        again: start a release that was stopped.
        halt: stop, whatever the reports say.

    Raises:
        InputError: another rollout is under way in the channel, the channel is at a group that is
            not in the plan, the release is older than what the channel runs, or there is nothing to
            halt.
    """
    at = _under_way(groups, release, channel)
    own = _members(groups, release, channel, devices, at)
    about = {
        device: report
        for device, report in newest(reports).items()
        if report.wanted == release.bundle and report.channel == channel.channel
    }
    tallies = [
        _count(group, percent, members, about)
        for group, (percent, members) in zip(groups, own, strict=True)
    ]
    action, reason, after = _step(groups, release, channel, tallies, at, again=again, halt=halt)
    reached = _reached(groups, release, after, at)
    tallies = [
        tally._replace(state=_state(i, reached, is_stopped=release.bundle in after.stopped))
        for i, tally in enumerate(tallies)
    ]
    exposed = [device for _, members in own[: max(reached, 0) + 1] for device in members]
    return Decision(
        action,
        reason,
        after,
        tuple(tallies),
        tuple(device for device in exposed if device not in about) if reached >= 0 else (),
        tuple(about[device] for _, members in own for device in members if _failed(about, device)),
    )


def stop(channel: Channel, release: Release) -> Channel:
    """Return the channel without this release: its devices go back to what the channel runs."""
    coming = channel.next
    ends = coming is not None and coming.release.bundle == release.bundle
    stopped = (*channel.stopped_but(release.bundle), release.bundle)
    return channel._replace(next=None if ends else coming, stopped=stopped[-MAX_STOPPED:])


def _under_way(groups: Sequence[Group], release: Release, channel: Channel) -> int | None:
    """Return the place of the group that has the release now; None: it is not being rolled out."""
    coming = channel.next
    if coming is None:
        return None
    if coming.release.bundle != release.bundle:
        raise InputError(
            f"channel {channel.channel} is rolling out another release, "
            f"{coming.release.name} v{coming.release.model_version}, to group {coming.group}",
            "finish that with its own plan, or stop it: strop rollout PLAN --stop",
        )
    for i, group in enumerate(groups):
        if group.name == coming.group:
            return i
    raise InputError(
        f"channel {channel.channel} is at group {coming.group}, which is not in the plan",
        f"there are {', '.join(group.name for group in groups)}",
    )


def _members(
    groups: Sequence[Group],
    release: Release,
    channel: Channel,
    devices: Iterable[str],
    at: int | None,
) -> list[tuple[float, list[str]]]:
    """Give each group its percentage, with the groups before it, and its own devices.

    A group for which percent gives fewer devices than `at_least` takes the next ones. What the
    channel has given to devices already is never taken back.
    """
    places = sorted((bucket(device, release.bundle), device) for device in set(devices))
    buckets = [place for place, _ in places]
    found: list[tuple[float, list[str]]] = []
    before, first = 0.0, 0
    for i, group in enumerate(groups):
        percent = max(before, group.percent)
        if first < len(places):
            last = min(first + group.at_least, len(places)) - 1
            percent = max(percent, math.nextafter(buckets[last], 100.0))
        if i == at and channel.next:
            percent = max(percent, channel.next.percent)
        end = bisect_left(buckets, percent)
        found.append((percent, [device for _, device in places[first:end]]))
        before, first = percent, end
    return found


def _count(group: Group, percent: float, members: Sequence[str], about: dict[str, Report]) -> Tally:
    healthy = soaking = failed = waiting = silent = 0
    for device in members:
        report = about.get(device)
        if report is None:
            silent += 1
        elif report.state in FAILED:
            failed += 1
        elif report.state != HEALTHY:
            waiting += 1
        elif report.healthy_for_s >= group.soak_minutes * 60:
            healthy += 1
        else:
            soaking += 1
    counts = (healthy, soaking, failed, waiting, silent)
    return Tally(group.name, percent, len(members), *counts, state="")


def _step(
    groups: Sequence[Group],
    release: Release,
    channel: Channel,
    tallies: Sequence[Tally],
    at: int | None,
    *,
    again: bool,
    halt: bool,
) -> tuple[str, str, Channel]:
    """Return the action, its reason, and the channel after it."""
    if at is None:
        return _begin(release, channel, tallies, again=again, halt=halt)
    if halt:
        return STOP, f"by hand, at group {groups[at].name}", stop(channel, release)
    for group, tally in zip(groups[: at + 1], tallies, strict=False):
        if _is_above(tally.failed, group.error_percent, tally.devices):
            reason = (
                f"group {group.name}: {tally.failed} of {tally.devices} devices failed, more than "
                f"{group.error_percent:g} %"
            )
            return STOP, reason, stop(channel, release)
    now = tallies[at]
    if channel.next and now.percent > channel.next.percent:
        return ADVANCE, f"group {now.group} takes more devices", _to(release, channel, now)
    missing = _missing(groups[at], now)
    if missing:
        return WAIT, f"group {now.group}: {missing}", channel
    passed = f"group {now.group} has passed: {now.healthy} of {now.devices} devices are healthy"
    for tally in tallies[at + 1 :]:
        if tally.devices:
            reason = f"{passed}; next is {_label(tally)}"
            return ADVANCE, reason, _to(release, channel, tally)
    return (
        FINISH,
        f"{passed}; all devices of channel {channel.channel} run the release",
        channel._replace(runs=release, next=None),
    )


def _begin(
    release: Release, channel: Channel, tallies: Sequence[Tally], *, again: bool, halt: bool
) -> tuple[str, str, Channel]:
    """Take the first step, if there is one to take."""
    runs = channel.runs
    if runs and runs.bundle == release.bundle:
        if halt:
            raise InputError(
                f"channel {channel.channel} runs this release already, on all devices",
                "strop promote --allow-downgrade goes back",
            )
        return NOTHING, f"channel {channel.channel} runs this release already", channel
    if release.bundle in channel.stopped and not again:
        return NOTHING, "this release was stopped; --again starts it once more", channel
    if halt:
        raise InputError(
            f"channel {channel.channel} is not rolling out this release", "there is nothing to stop"
        )
    if runs and release.model_version < runs.model_version:
        raise InputError(
            f"channel {channel.channel} runs v{runs.model_version}, and v{release.model_version} "
            "is older",
            "strop promote --allow-downgrade goes back, for all devices at once",
        )
    first = next((tally for tally in tallies if tally.devices), None)
    if first is None:
        raise InputError("there is no device to roll out to", "list devices")
    return START, f"the first is {_label(first)}", _to(release, channel, first)


def _to(release: Release, channel: Channel, tally: Tally) -> Channel:
    """Return the channel with the release for a group and those before it."""
    coming = Next(release, tally.percent, tally.group)
    return channel._replace(next=coming, stopped=channel.stopped_but(release.bundle))


def _missing(group: Group, tally: Tally) -> str:
    """Say what a group lacks before the next one can start; "" if nothing."""
    needed = math.ceil(Fraction(str(group.success_percent)) * tally.devices / 100)
    answers = min(group.at_least, tally.devices)
    if tally.healthy >= needed and tally.healthy + tally.failed >= answers:
        return ""
    parts = [
        f"{tally.healthy} of {tally.devices} devices are healthy, {max(needed, answers)} must be"
    ]
    named = {
        f"not yet for {group.soak_minutes:g} minutes": tally.soaking,
        "failed": tally.failed,
        "under way": tally.waiting,
        "silent": tally.silent,
    }
    parts += [f"{count} {what}" for what, count in named.items() if count]
    return "; ".join(parts)


def _is_above(count: int, percent: float, of: int) -> bool:
    """Tell whether so many are more than a percentage, exactly, as the plan writes it."""
    return 100 * count > Fraction(str(percent)) * of


def _reached(groups: Sequence[Group], release: Release, channel: Channel, at: int | None) -> int:
    """Return the place of the last group that has the release; -1: none has."""
    if channel.runs and channel.runs.bundle == release.bundle:
        return len(groups)
    if channel.next is None:
        return -1 if at is None else at
    return next(i for i, group in enumerate(groups) if group.name == channel.next.group)


def _state(place: int, reached: int, *, is_stopped: bool) -> str:
    if is_stopped:
        return "stopped" if place <= reached else "to come"
    if place == reached:
        return "now"
    return "done" if place < reached else "to come"


def _label(tally: Tally) -> str:
    many = f"{tally.devices} device{'' if tally.devices == 1 else 's'}"
    return f"group {tally.group}, with {many} ({tally.percent:.4g} % with those before)"


def _failed(about: dict[str, Report], device: str) -> bool:
    report = about.get(device)
    return report is not None and report.state in FAILED
