"""Trying a release: install it, ask the app whether it is healthy, and go back if it is not.

Each try is written down before it begins, and what came of it before anything else is done. So the
next start, after a kill anywhere, knows what was under way; after `MOST_TRIES` without an answer
the release counts as failed, because then it is the try that brings the device down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from strop.bundle import installed
from strop.bundle.installed import Record
from strop.device.logs import log
from strop.errors import (
    BundleError,
    DeviceUnavailable,
    EngineUnavailable,
    ParityError,
    StropError,
    one_line,
)
from strop.fleet.agent import rooms
from strop.fleet.agent.clock import Clock
from strop.fleet.agent.settings import Settings
from strop.fleet.agent.state import LONGEST, Failed, Healthy, Memory, Trial
from strop.fleet.artifact import Release
from strop.fleet.reports.report import REFUSED, ROLLED_BACK
from strop.install.install import Check, install, rollback

MOST_TRIES = 3

# The device has the bundle's bytes, and these say that the bundle is at fault.
_REFUSALS = (BundleError, ParityError, EngineUnavailable, DeviceUnavailable)

Ask = Callable[[str, str, int], str]  # folder, bundle's path, model_version -> why not; "" healthy


class Trials:
    """Tries releases on this device.

    Args:
        memory: the agent's state.
        settings: where, and for how long.
        check: proves a bundle on this device, or raises.
        healthy: asks the app; raises a StropError if it cannot be asked.
        clock: the device's clocks.
    """

    def __init__(
        self, memory: Memory, settings: Settings, check: Check, healthy: Ask, clock: Clock
    ) -> None:
        self._memory = memory
        self._settings = settings
        self._check = check
        self._healthy = healthy
        self._clock = clock

    def go_on(self) -> None:
        """Go on with what was under way when the last step ended; this needs no network.

        Raises:
            StropError: it cannot be done now; the next step tries again.
        """
        trial = self._memory.state.trial
        if trial is None:
            return
        record = installed.find(self._settings.folder)
        if record is None or record.current.bundle != trial.bundle:
            if trial.fault:  # it was rolled back, and that was not written down
                self.fail(trial.bundle, ROLLED_BACK, trial.fault)
            elif trial.tries >= MOST_TRIES:
                self.fail(trial.bundle, REFUSED, f"{trial.tries} tries to install it did not end")
        elif trial.fault:
            self._go_back(trial, record)
        elif trial.tries >= MOST_TRIES:
            fault = f"{trial.tries} times the app was asked whether it is healthy, with no answer"
            self._go_back(self._found(trial, fault), record)
        elif trial.tries or self.healthy_for_s(trial.bundle) is None:
            self.ask(record)

    def install(self, release: Release, path: str) -> None:
        """Install a release, and ask the app.

        Args:
            release: the release.
            path: its file.

        Raises:
            StropError: it cannot be done now, and that is not the release's fault.
        """
        settings, earlier = self._settings, self._memory.state.trial
        tries = 0
        if earlier and earlier.bundle == release.bundle:
            tries, earlier = earlier.tries, None
        healthy = self._memory.state.healthy
        if healthy and healthy.bundle == release.bundle:
            healthy = None  # it was not current in between: its time begins anew
        self._memory.save(trial=Trial(release.bundle, tries + 1, ""), healthy=healthy)
        try:
            install(
                path,
                settings.folder,
                check=self._check,
                trusted_keys=settings.trusted_keys or None,
                allow_downgrade=True,  # the signed channel decides
                notify=_note,
            )
        except _REFUSALS as error:
            self.fail(release.bundle, REFUSED, str(error), earlier)
            return
        except StropError:  # the disk, another process
            self._memory.save(trial=earlier)
            raise
        log("installed", bundle=release.bundle, model_version=release.model_version)
        # `ask` writes it down before it asks.
        self._memory.state = self._memory.state._replace(trial=Trial(release.bundle, 0, ""))
        self.ask(installed.read(settings.folder))

    def ask(self, record: Record) -> None:
        """Ask the app whether it is healthy with the current bundle; roll a trial back if not.

        Raises:
            StropError: the app cannot be asked, is not healthy and this is no trial, or the
                rollback cannot be done now.
        """
        current, folder, state = record.current, self._settings.folder, self._memory.state
        trial = state.trial if state.trial and state.trial.bundle == current.bundle else None
        if trial:
            trial = trial._replace(tries=trial.tries + 1)
            self._memory.save(trial=trial)
        path = installed.bundle_path(folder, current.bundle)
        fault = self._healthy(folder, path, current.model_version)
        if not fault:
            self._is_healthy(current.bundle, trial)
        elif trial:
            self._go_back(self._found(trial, fault), record)
        else:
            log("unhealthy", logging.WARNING, bundle=current.bundle, problem=fault)
            self._memory.save(healthy=None)
            if not (state.failed and state.failed.bundle == current.bundle):
                raise StropError(fault, "look at the app: the release is not under trial any more")

    def fail(self, bundle: str, state: str, problem: str, trial: Trial | None = None) -> None:
        """Write down that a release failed here, and remove what was pulled of it.

        Args:
            bundle: the release's.
            state: "refused" or "rolled back".
            problem: why.
            trial: the trial of the current release, if that is another.

        Raises:
            InstallError: the disk refuses.
        """
        log(state, logging.WARNING, bundle=bundle, problem=problem)
        self._memory.save(failed=Failed(bundle, state, one_line(problem)[:LONGEST]), trial=trial)
        rooms.clear(self._memory.folder)

    def healthy_for_s(self, bundle: str) -> float | None:
        """Return for how long the app has been healthy with a bundle; None: it is not known to."""
        healthy = self._memory.state.healthy
        if healthy is None or healthy.bundle != bundle:
            return None
        if healthy.boot != self._clock.boot:
            return healthy.earlier_s
        return healthy.earlier_s + max(0.0, self._clock.seconds() - healthy.at_s)

    def is_asked(self, bundle: str) -> bool:
        """Tell whether the app was found healthy with a bundle since this boot."""
        state = self._memory.state
        healthy, trial = state.healthy, state.trial
        unanswered = trial is not None and trial.bundle == bundle and trial.tries > 0
        return (
            healthy is not None
            and (healthy.bundle, healthy.boot) == (bundle, self._clock.boot)
            and not unanswered
        )

    def _is_healthy(self, bundle: str, trial: Trial | None) -> None:
        """Write down that the app is healthy, and end the trial after long enough."""
        state, clock = self._memory.state, self._clock
        healthy, for_s, told = state.healthy, self.healthy_for_s(bundle), state.told
        if for_s is None:
            log("healthy", bundle=bundle)
        if healthy is None or for_s is None or healthy.boot != clock.boot:
            if for_s is not None and told and told.wanted == told.current == bundle:
                for_s = max(for_s, told.healthy_for_s)
            healthy = Healthy(bundle, clock.boot, clock.seconds(), for_s or 0.0)
        is_over = (for_s or 0.0) >= self._settings.trial_s
        failed = state.failed
        self._memory.save(
            healthy=healthy,
            trial=trial._replace(tries=0) if trial and not is_over else None,
            failed=None if failed and failed.bundle == bundle else failed,
        )

    def _found(self, trial: Trial, fault: str) -> Trial:
        """Write down why a release is to be rolled back."""
        log("unhealthy", logging.WARNING, bundle=trial.bundle, problem=fault)
        trial = Trial(trial.bundle, 0, one_line(fault)[:LONGEST])
        self._memory.save(trial=trial, healthy=None)
        return trial

    def _go_back(self, trial: Trial, record: Record) -> None:
        """Make the bundle before the current one current again, if there is one that can be."""
        settings, stays = self._settings, ""
        if len(record.bundles) < 2:
            stays = "there is nothing to go back to"
        elif trial.tries >= MOST_TRIES:
            stays = f"{trial.tries} rollbacks did not end"
        else:
            self._memory.save(trial=trial._replace(tries=trial.tries + 1))
            try:
                rollback(
                    settings.folder,
                    check=self._check,
                    of=trial.bundle,  # people, or the app's command, may have changed it since
                    trusted_keys=settings.trusted_keys or None,
                    notify=_note,
                )
            except _REFUSALS as error:
                stays = str(error)
            except StropError:
                self._memory.save(trial=trial._replace(tries=0))
                raise
        why = f"{trial.fault}; it stays current: {stays}" if stays else trial.fault
        self.fail(trial.bundle, ROLLED_BACK, why)


def _note(line: str) -> None:
    log("note", message=line)
