"""What the agent reports, and when."""

from __future__ import annotations

import logging
from collections.abc import Callable

from strop.bundle import installed
from strop.bundle.counts import MAX_COUNTS_BYTES, Counts, read_counts
from strop.bundle.files import read_file
from strop.device.logs import log
from strop.errors import BundleError, one_line, printable
from strop.fleet.agent.clock import Clock
from strop.fleet.agent.settings import Settings
from strop.fleet.agent.state import LONGEST, Memory, Told
from strop.fleet.agent.trial import Trials
from strop.fleet.reports.report import HEALTHY, SCHEMA, WAITING, Report
from strop.versions import __version__

FIRST_S = 60.0  # after the report that an app is healthy with a new release: the next one

Send = Callable[[Report], None]


class Telling:
    """Reports what this device runs.

    Only the newest state matters: a report that could not be sent is not kept, the next poll makes
    a new one.

    Args:
        memory: the agent's state.
        settings: the device's name, and how often it reports.
        trials: knows for how long the app has been healthy.
        send: takes a report, or raises a StropError if it could not be sent.
        clock: the device's clocks.
    """

    def __init__(
        self, memory: Memory, settings: Settings, trials: Trials, send: Send, clock: Clock
    ) -> None:
        self._memory = memory
        self._settings = settings
        self._trials = trials
        self._send = send
        self._clock = clock

    def is_silent(self) -> bool:
        """Tell whether a report is due even if nothing has changed.

        Reports of a release that is new here come at doubled distances, up to the usual one: a
        rollout that asks for an hour of health need not wait for a day. Each boot begins anew.
        """
        told, after_s = self._memory.state.told, self._settings.report_s
        if told is None or told.boot != self._clock.boot:
            return True
        if told.state == HEALTHY:
            after_s = min(after_s, max(FIRST_S, told.healthy_for_s))
        return self._clock.seconds() - told.at_s >= after_s

    def report(self, problem: str) -> Report:
        """Make the report of what is now.

        Args:
            problem: what could not be done, one line; "" if nothing.
        """
        state = self._memory.state
        bundle = state.wanted
        try:
            record = installed.find(self._settings.folder)
        except BundleError as error:
            record, problem = None, problem or one_line(str(error))[:LONGEST]
        current = record.current if record else None
        healthy_for_s = self._trials.healthy_for_s(bundle) if bundle else None
        said = WAITING
        if state.failed and state.failed.bundle == bundle:
            said, problem = state.failed.state, state.failed.problem
        elif healthy_for_s is not None and current and current.bundle == bundle:
            said = HEALTHY
        moved = state.moved if state.moved and state.moved.bundle == bundle else None
        return Report(
            schema=SCHEMA,
            device=self._settings.device,
            sequence=state.sequence + 1,
            time=self._clock.utc(),
            channel=self._settings.channel,
            wanted=bundle,
            current=current.bundle if current else None,
            model_version=current.model_version if current else None,
            state=said,
            healthy_for_s=healthy_for_s or 0.0 if said == HEALTHY else 0.0,
            problem=problem,
            received_bytes=moved.received_bytes if moved else 0,
            by=moved.by if moved else "",
            strop=__version__,
            counts=self._counts(current.digest) if current else None,
        )

    def _counts(self, digest: str) -> Counts | None:
        """Return what the app's model has counted of a bundle; None if there is nothing of it.

        A file that cannot be used is no fault of the release: a line in the log says so.

        Args:
            digest: of the bundle's manifest.
        """
        path = self._settings.counts
        if not path:
            return None
        try:
            data, _ = read_file(path, MAX_COUNTS_BYTES)
            counts = read_counts(data)
        except FileNotFoundError:  # the app has not saved any yet
            return None
        except (OSError, ValueError) as error:  # InputError is a ValueError
            log("no counts", logging.WARNING, file=printable(path), problem=one_line(str(error)))
            return None
        return counts if counts.bundle == digest else None

    def tell(self, report: Report) -> None:
        """Send a report, if it says something new or the last one is old.

        Raises:
            StropError: it could not be sent, or the disk refuses.
        """
        told = self._memory.state.told
        now = (report.wanted, report.current, report.state, report.problem)
        if told and told[: len(now)] == now and not self.is_silent():
            return
        self._memory.save(sequence=report.sequence)  # a number is used once, also after a kill
        self._send(report)
        told = Told(*now, report.healthy_for_s, self._clock.boot, self._clock.seconds())
        self._memory.save(told=told)
