"""The newest reports of all devices, over time: the figures of docs/pictures/rollout.png."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from strop.fleet.reports.report import FAILED, Report
from tools.rollout_picture import Moment, Rollouts, Step


class Timeline:
    """Moments at which what devices report has changed.

    Args:
        devices: how many there are.
        names: what is special about each version, from version 1.
    """

    def __init__(self, devices: int, *names: str) -> None:
        self._devices = devices
        self._names = names
        self._steps: list[Step] = []
        self._moments: list[Moment] = []

    def report(self, minute: float, newest: Mapping[str, Report]) -> None:
        """Note what the newest report of each device says."""
        running = [0] * len(self._names)
        for report in newest.values():
            if report.model_version:
                running[report.model_version - 1] += 1
        failed = sum(report.state in FAILED for report in newest.values())
        moment = Moment(minute, tuple(running), failed)
        if not self._moments or replace(self._moments[-1], minute=minute) != moment:
            self._moments.append(moment)

    def step(self, minute: float, group: str, version: int) -> None:
        """Note that a group gets a release, or, where it is "", that the rollout is stopped."""
        self._steps.append(Step(minute, group, version))

    def rollouts(self, end: float) -> Rollouts:
        """Return all of it, until a minute."""
        moments = (*self._moments, replace(self._moments[-1], minute=end))
        return Rollouts(self._devices, self._names, tuple(self._steps), moments)
