"""One step of a rollout: collect the reports, decide, and sign the channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from strop.fleet.artifact import Release
from strop.fleet.channel import Channel, empty
from strop.fleet.promotion import require_right, require_whole
from strop.fleet.publishing import change, look
from strop.fleet.pull import find
from strop.fleet.reports.collect import collect
from strop.fleet.reports.devices import read_devices
from strop.fleet.reports.lines import read_lines
from strop.fleet.rollout.decide import ADVANCE, START, Decision, decide
from strop.fleet.rollout.plan import Plan

if TYPE_CHECKING:
    from strop.fleet.registry import Registry


class Step(NamedTuple):
    """A step that was taken, or that would be."""

    release: Release
    decision: Decision
    refused: Mapping[str, int]
    reporting: int  # devices of the list that have a report, of whatever release
    counting: int  # those of them whose report has counts

    @property
    def is_stopped(self) -> bool:
        """Tell whether the release is stopped."""
        return self.release.bundle in self.decision.channel.stopped


def step(
    plan: Plan, registry: Registry, *, again: bool = False, halt: bool = False, dry: bool = False
) -> Step:
    """Take the next step of a rollout.

    The decision is made on the channel that is then signed, and the channel is all that is
    remembered: a step that was cut short is taken by the next call.

    Args:
        plan: the plan.
        registry: the plan's repository.
        again: start a release that was stopped.
        halt: stop it, whatever the reports say.
        dry: decide, and sign nothing.

    Raises:
        InputError: the plan does not fit the channel, or the list of devices cannot be read.
        ReportError: the reports cannot be read.
        ChannelError: the channels cannot be verified, or another machine signs at the same time.
        RegistryError: the registry cannot be reached, or lacks the release or a part of it.
        BundleError: the release is no bundle, or no trusted key has signed it.
        InstallError: the disk refuses.
    """
    devices = read_devices(plan.devices)
    reports = collect(_lines(plan, len(devices)), devices)
    release = find(registry, plan.release)
    taken: list[Decision] = []

    def decided(channel: Channel) -> Channel:
        decision = decide(
            plan.group,
            _signed(channel, release),
            channel,
            devices.values(),
            reports.newest.values(),
            again=again,
            halt=halt,
        )
        if decision.action == START:  # from here on the channel says what the release is
            require_right(registry, release, plan.trusted_keys)
        elif decision.action == ADVANCE:
            require_whole(registry, _signed(channel, release))
        taken.append(decision)
        return decision.channel

    if dry:
        channels, state = look(registry, plan.keys)
        name = plan.channel
        decided(channels.channel(state, name) if name in state.names else empty(name))
    else:
        change(registry, plan.keys, plan.channel, decided)
    counting = sum(report.counts is not None for report in reports.newest.values())
    return Step(release, taken[-1], reports.refused, len(reports.newest), counting)


def _signed(channel: Channel, release: Release) -> Release:
    """Return the release as the channel has it, if it does: that is signed, a tag is not."""
    coming = channel.next.release if channel.next else None
    same = (one for one in (coming, channel.runs) if one and one.bundle == release.bundle)
    return next(same, release)


def _lines(plan: Plan, devices: int) -> Iterator[bytes]:
    if not plan.by_mqtt:
        return read_lines(plan.reports)
    from strop.fleet.reports.mqtt import parse_broker, retained

    return retained(parse_broker(plan.reports, plan.login, plan.authority), devices)
