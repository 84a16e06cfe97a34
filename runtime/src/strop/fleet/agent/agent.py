"""One poll of the agent: what the channel wants, what is installed, and the way from one to other.

    channel -> wanted release -> pull -> install (verify, self-check) -> the app's health -> report
                                            refused: the old one stays     unhealthy: rollback

Killed anywhere, the next step goes on from there (`trial`, docs/decisions/0053-agent.md).
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from strop import durable
from strop.bundle import installed
from strop.bundle.installed import Record
from strop.device.logs import log
from strop.errors import BundleError, StropError, one_line, printable
from strop.fleet.agent import rooms
from strop.fleet.agent.clock import Clock
from strop.fleet.agent.settings import Settings
from strop.fleet.agent.state import LONGEST, Failed, Memory, Moved, first
from strop.fleet.agent.telling import Send, Telling
from strop.fleet.agent.trial import Ask, Trials
from strop.fleet.artifact import Release
from strop.fleet.channel import wanted
from strop.fleet.channels import Channels, read_root
from strop.fleet.pull import pull
from strop.fleet.registry import Registry
from strop.fleet.reports.report import FAILED, REFUSED
from strop.install import store
from strop.install.install import Check
from strop.install.turn import refusals


class Outcome(NamedTuple):
    """How a poll ended.

    Attributes:
        state: of the wanted release, as the report has it: "waiting", "healthy", "refused" or
            "rolled back".
        problem: one line; "" if there is none.
        could_not: whether something could not be done, which the next poll tries again.
    """

    state: str
    problem: str
    could_not: bool

    @property
    def status(self) -> int:
        """The exit status of `strop agent --once`."""
        return 2 if self.could_not else 1 if self.state in FAILED else 0


class Agent:
    """The agent of one device.

    One agent works in a folder at a time: whoever makes one holds `loop.alone`.

    Args:
        settings: what to follow, and where.
        check: proves a bundle on this device, or raises; `install.selfcheck.self_check`.
        healthy: asks the app; raises a StropError if it cannot be asked.
        send: takes a report, or raises a StropError if it could not be sent.
        clock: the device's clocks.

    Raises:
        InstallError: the agent's folder cannot be used, or its state is damaged.
        ChannelError: there is no root.json.
    """

    def __init__(
        self, settings: Settings, *, check: Check, healthy: Ask, send: Send, clock: Clock
    ) -> None:
        self._settings = settings
        self._registry = Registry(settings.reference, timeout_s=settings.timeout_s)
        self._channels = Channels(self._registry, settings.state, read_root(settings.root))
        with refusals(f"make {printable(settings.state)}"):
            durable.make_folder(settings.state, 0o755)
        # A device that has lost its state goes on with larger numbers, if its clock is right.
        self._memory = Memory(settings.state, first(max(0, int(clock.unix()))))
        self._trials = Trials(self._memory, settings, check, healthy, clock)
        self._telling = Telling(self._memory, settings, self._trials, send, clock)

    def step(self) -> Outcome:
        """Poll once: do all that the channel asks for, and report what changed.

        Nothing that a registry, a broker, a bundle, the app or a full disk does is raised.
        """
        problem, could_not = "", False
        try:
            self._trials.go_on()
            self._follow(self._read_channel())
        except StropError as error:
            problem, could_not = one_line(str(error))[:LONGEST], True
            log("could not", logging.WARNING, problem=problem)
        report = self._telling.report(problem)
        try:
            self._telling.tell(report)
        except StropError as error:
            log("not reported", logging.WARNING, problem=str(error))
            return Outcome(report.state, report.problem or str(error), could_not=True)
        return Outcome(report.state, report.problem, could_not)

    def forget(self) -> Failed | None:
        """Forget which release failed here, so that it is tried again; return it.

        Raises:
            InstallError: the disk refuses.
        """
        failed = self._memory.state.failed
        self._memory.save(failed=None)
        return failed

    def _read_channel(self) -> Release | None:
        """Return the release that this device is to run."""
        release = wanted(self._channels.read(self._settings.channel), self._settings.device)
        bundle = release.bundle if release else None
        failed = self._memory.state.failed
        if failed and failed.bundle != bundle:
            failed = None
        self._memory.save(wanted=bundle, failed=failed)
        return release

    def _follow(self, release: Release | None) -> None:
        """Bring the device to a release."""
        folder, failed = self._settings.folder, self._memory.state.failed
        record = installed.find(folder)
        if release and record and record.current.bundle == release.bundle:
            rooms.clear(self._settings.state)
            if self._trials.is_asked(release.bundle) and not self._telling.is_silent():
                return
            if store.is_whole(folder, release.bundle):
                self._trials.ask(record)
                return
        elif release is None or (failed and failed.bundle == release.bundle):
            rooms.clear(self._settings.state)
            return
        try:
            path = self._fetch(release, record)
        except BundleError as error:  # these are the signed bytes, and no bundle
            self._trials.fail(release.bundle, REFUSED, str(error), self._memory.state.trial)
            return
        self._trials.install(release, path)
        rooms.clear(self._settings.state)

    def _fetch(self, release: Release, record: Record | None) -> str:
        """Return the path of a release's file, which is pulled if it is not on this device."""
        folder, state = self._settings.folder, self._settings.state
        if store.is_whole(folder, release.bundle):
            self._memory.save(moved=Moved(release.bundle, 0, ""))
            return installed.bundle_path(folder, release.bundle)
        rooms.clear(state, release.bundle)
        path = rooms.whole(state, release.bundle)
        if not rooms.is_whole(state, release.bundle):
            base = installed.bundle_path(folder, record.current.bundle) if record else None
            pulled = pull(self._registry, release, path, parts=rooms.parts(state), base=base)
            log("pulled", bundle=release.bundle, received_bytes=pulled.received_bytes, by=pulled.by)
            self._memory.save(moved=Moved(release.bundle, pulled.received_bytes, pulled.by))
        return path
