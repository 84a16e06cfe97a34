"""A simulated fleet: the real agent and real folders of installs, with a clock of our own.

A device is an `Agent` in this process. It polls a real registry over HTTP, verifies, installs into
its folder, and replays the golden samples on the reference engine, in this process. Simulated are
the clock, so that a day takes minutes, and the app: it is healthy or not by the release's version.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from strop.bundle.keys import make_pair, read_private
from strop.bundle.signing import public_half
from strop.bundle.trust import Trust
from strop.fleet.agent.agent import Agent
from strop.fleet.agent.backoff import Backoff
from strop.fleet.agent.clock import Clock
from strop.fleet.agent.settings import Settings
from strop.fleet.artifact import Release
from strop.fleet.channel import Channel
from strop.fleet.promotion import promote
from strop.fleet.publishing import change, create
from strop.fleet.push import Pushed, push
from strop.fleet.registry import Registry
from strop.fleet.reports.lines import append
from strop.fleet.reports.report import FAILED, Report, read_line, sign
from strop.fleet.rollout.decide import ADVANCE, FINISH, NOTHING, START, STOP
from strop.fleet.rollout.plan import Group, Plan
from strop.fleet.rollout.rollout import step
from tests import bundles
from tests.conftest import Tell
from tests.fleet import releases
from tests.fleet.checks import check_here
from tests.fleet.registries import Running
from tests.fleet.timeline import Timeline
from tests.fleet.witness import Witness

CHANNEL = "stable"
POLL_MINUTES = 15.0
STEP_MINUTES = 10  # between two calls of `strop rollout`
SOAK_MINUTES = 10.0
THREADS = 4
_LONGEST_MINUTES = 600  # of one rollout: it would have ended long before
_TOLD_S = 10.0  # between two lines of progress
_BOOT = "b0075000-0000-4000-8000-000000000000"
_EPOCH = 1_790_000_000.0  # what the devices' clocks say in minute 0

GROUPS = (
    Group("1 %", 1.0, 100.0, 0.0, SOAK_MINUTES),
    Group("10 %", 10.0, 99.0, 1.0, SOAK_MINUTES),
    Group("all", 100.0, 99.0, 1.0, SOAK_MINUTES),
)


@dataclass
class Requests:
    """How many HTTP requests this process has sent."""

    sent: int = 0

    def count(self, patch: pytest.MonkeyPatch) -> None:
        """Count from now on."""
        inner = urllib3.HTTPConnectionPool.urlopen
        number = itertools.count(1)

        def urlopen(pool: urllib3.HTTPConnectionPool, *args: object, **more: object) -> object:
            self.sent = next(number)
            return inner(pool, *args, **more)  # type: ignore[arg-type]

        patch.setattr(urllib3.HTTPConnectionPool, "urlopen", urlopen)


class Site:
    """What fleets share: a registry, the keys, the releases, and a witness.

    Args:
        registry: it runs.
        folder: for keys and bundles.
        repository: the name of a repository there.
    """

    def __init__(self, registry: Running, folder: Path, repository: str = "models/shapes") -> None:
        self.folder = folder
        self._running, self._repository = registry, repository
        self.place = registry.reference(repository=repository).place
        folder.mkdir(parents=True)
        self.keys = str(folder / "keys")
        self.root = folder / "root.json"
        self.root.write_bytes(create(self.open(), self.keys))
        make_pair(str(folder / "release"))
        self.signer = read_private(str(folder / "release"))
        self.trusted = folder / "release.pub"
        self.witness = Witness(Trust((public_half(self.signer),), "the release's key"))

    def open(self) -> Registry:
        """A client of the repository, for one thread."""
        return self._running.open(self._repository)

    def push(self, draft: bundles.Draft, *, since: Release | None = None) -> Pushed:
        """Sign a release, and push it."""
        path = self.folder / f"v{draft.content['model_version']}.strop"
        path.write_bytes(releases.signed(draft, self.signer))
        return push(str(path), self.open(), since=since.manifest if since else None)

    def promote(self, release: Release) -> None:
        """Let all devices of the channel run a release."""
        self.witness.allowed.add(release.bundle)
        change(self.open(), self.keys, CHANNEL, lambda channel: promote(channel, release))

    def channel(self) -> Channel:
        """What the channel says now."""
        return change(self.open(), self.keys, CHANNEL, lambda channel: channel)

    def settings(self, name: str, folder: Path, key: str) -> Settings:
        """The settings of a device."""
        return Settings(
            repository=self.place,
            channel=CHANNEL,
            root=str(self.root),
            device=name,
            key=key,
            folder=str(folder / "models"),
            state=str(folder / "agent"),
            healthy=("true",),
            trusted_keys=str(self.trusted),
            poll_s=POLL_MINUTES * 60,
        )


class Device:
    """One device of a simulated fleet.

    Attributes:
        name: its name.
        line: its line in the list of devices.
        folder: where it installs.
        next_minute: when it polls next.
        newest: its last report, verified as a reader verifies it.
    """

    def __init__(self, site: Site, place: Path, name: str, clock: Clock, sick: set[int]) -> None:
        place.mkdir(parents=True)
        make_pair(str(place / "key"), name)
        self._key = read_private(str(place / "key"))
        public = public_half(self._key).text
        self._listed = {public: name}
        self._reports = str(place / "reports.jsonl")
        self._witness, self._sick = site.witness, sick
        self._random = random.Random(name)
        self.name = name
        self.line = f"{public} {name}"
        self.folder = place / "models"
        self.newest: Report | None = None
        self.next_minute = self._random.uniform(0, POLL_MINUTES)
        self._backoff = Backoff(POLL_MINUTES, self._random.uniform)
        self._agent = Agent(
            site.settings(name, place, str(place / "key")),
            check=check_here,
            healthy=self._ask,
            send=self._send,
            clock=clock,
        )

    def poll(self) -> None:
        """Let the agent take a step, and look at what it leaves."""
        outcome = self._agent.step()
        self._witness.look(self.folder)
        self.next_minute += self._backoff.next_s(failed=outcome.could_not)

    def _ask(self, folder: str, bundle: str, model_version: int) -> str:
        """The app: whatever is current while it is asked, it has been given to run."""
        self._witness.look(Path(folder))
        return "it answers too slowly" if model_version in self._sick else ""

    def _send(self, report: Report) -> None:
        line = sign(report, self._key)
        append(self._reports, line)
        self.newest = read_line(line, self._listed)


@dataclass
class Ended:
    """How a rollout ended.

    Attributes:
        release: what was rolled out.
        actions: what `strop rollout` did, in order, without waiting.
        given: devices that were given the release, while it was rolled out.
        failed: devices whose reports said that it failed.
        minutes: simulated.
        wall_s: real.
        requests: of all devices and of `strop rollout`.
        received_bytes: of the release, by the devices' reports.
    """

    release: Release
    actions: list[str]
    given: set[str]
    failed: set[str]
    minutes: float
    wall_s: float
    requests: int
    received_bytes: int


class Fleet:
    """Some devices, whose polls are spread over simulated time.

    Args:
        site: what they follow.
        folder: for their folders.
        count: how many.
        timeline: is told what they report.
        tell: takes lines of progress.
        requests: counts.
    """

    def __init__(
        self,
        site: Site,
        folder: Path,
        count: int,
        timeline: Timeline,
        *,
        tell: Tell = lambda line: None,
        requests: Requests | None = None,
    ) -> None:
        self.site, self.timeline, self.minute = site, timeline, 0.0
        self.sick: set[int] = set()  # versions with which the app is not healthy
        self._tell, self._requests = tell, requests or Requests()
        self._told_s = time.monotonic()
        clock = Clock(lambda: self.minute * 60, _BOOT, lambda: _EPOCH + self.minute * 60)
        width = len(str(count - 1))
        self.devices = [
            Device(site, folder / name, name, clock, self.sick)
            for name in (f"device-{number:0{width}}" for number in range(count))
        ]
        self.list = site.folder / "devices"
        self.list.write_text("".join(f"{one.line}\n" for one in self.devices), encoding="ascii")
        self._reports = str(folder / "*" / "reports.jsonl")

    def newest(self) -> Mapping[str, Report]:
        """The newest reports by device."""
        return {one.name: one.newest for one in self.devices if one.newest}

    def current(self) -> dict[str, str | None]:
        """What is current on each device, looked at and verified."""
        return {one.name: self.site.witness.look(one.folder) for one in self.devices}

    def pass_minutes(self, minutes: float, what: str) -> None:
        """Let the devices poll that are due in the next minutes."""
        end = self.minute + minutes
        with ThreadPoolExecutor(THREADS) as pool:
            while self.minute < end:
                self.minute += 1
                due = [one for one in self.devices if one.next_minute <= self.minute]
                for _ in pool.map(Device.poll, due):
                    pass
                self.timeline.report(self.minute, self.newest())
                self._progress(what)

    def bring(self, release: Release) -> None:
        """Promote a release, and wait until every device had two polls."""
        self.site.promote(release)
        self.pass_minutes(2.5 * POLL_MINUTES, f"v{release.model_version} to all")

    def roll_out(self, release: Release) -> Ended:
        """Call `strop rollout` every few minutes until it is done, and wait for two polls more."""
        site, plan = self.site, self._plan(release)
        ended = Ended(release, [], set(), set(), 0.0, 0.0, 0, 0)
        begun, begun_s, sent = self.minute, time.monotonic(), self._requests.sent
        site.witness.allowed.add(release.bundle)
        what = f"rollout of v{release.model_version}"
        while self.minute - begun < _LONGEST_MINUTES:
            decision = step(plan, site.open()).decision
            if decision.action in (START, ADVANCE):
                assert decision.channel.next
                self.timeline.step(self.minute, decision.channel.next.group, release.model_version)
            if decision.action == STOP:
                self.timeline.step(self.minute, "", release.model_version)
            if decision.action in (START, ADVANCE, STOP, FINISH, NOTHING):
                ended.actions.append(decision.action)
            if decision.action in (STOP, FINISH, NOTHING):
                break
            self.pass_minutes(STEP_MINUTES, what)
            self._note(ended)
        self.pass_minutes(2.5 * POLL_MINUTES, what)
        self._note(ended)
        assert step(plan, site.open()).decision.action == NOTHING  # repeated, it changes nothing
        ended.minutes = self.minute - begun
        ended.wall_s = time.monotonic() - begun_s
        ended.requests = self._requests.sent - sent
        return ended

    def _note(self, ended: Ended) -> None:
        """Note who was given the release by now, and what came of it."""
        about = [one for one in self.newest().values() if one.wanted == ended.release.bundle]
        ended.given |= {one.device for one in about}
        ended.failed |= {one.device for one in about if one.state in FAILED}
        received = sum(one.received_bytes for one in about)
        ended.received_bytes = max(ended.received_bytes, received)

    def _plan(self, release: Release) -> Plan:
        return Plan(
            repository=self.site.place,
            channel=CHANNEL,
            release=release.manifest,
            keys=self.site.keys,
            devices=str(self.list),
            reports=self._reports,
            group=GROUPS,
        )

    def _progress(self, what: str) -> None:
        if time.monotonic() - self._told_s < _TOLD_S:
            return
        self._told_s = time.monotonic()
        running: dict[str, int] = {}
        for report in self.newest().values():
            name = f"v{report.model_version}" if report.model_version else "nothing"
            running[name] = running.get(name, 0) + 1
        counts = ", ".join(f"{count:,} run {name}" for name, count in sorted(running.items()))
        self._tell(f"minute {self.minute:,.0f}, {what}: {counts}")
