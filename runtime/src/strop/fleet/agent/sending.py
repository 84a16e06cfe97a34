"""Where reports go: a file, a broker, or both."""

from __future__ import annotations

import os

from strop import durable
from strop.bundle.keys import read_private
from strop.errors import StropError
from strop.fleet.agent.settings import Settings
from strop.fleet.agent.telling import Send
from strop.fleet.reports import lines, mqtt
from strop.fleet.reports.report import Report, sign
from strop.install.turn import refusals


def sender(settings: Settings) -> Send:
    """Return what signs a report and sends it to each place that the settings name.

    If one place does not take it, the others still get it; then the error is raised, and the next
    poll sends the newest report to all.

    Raises:
        InputError: the device's key cannot be read.
        InstallError: the folder of the file of reports cannot be made.
        StropError: the library of signatures is absent or broken.
    """
    key = read_private(settings.key)
    if settings.report_file:
        with refusals(f"make the folder of {settings.report_file}"):
            durable.make_folder(os.path.dirname(settings.report_file), 0o755)  # noqa: PTH120

    def send(report: Report) -> None:
        line = sign(report, key)
        failure: StropError | None = None
        if settings.report_file:
            try:
                lines.append(settings.report_file, line)
            except StropError as error:
                failure = error
        if broker := settings.broker:
            mqtt.publish(broker, settings.device, line, timeout_s=settings.timeout_s)
        if failure:
            raise failure

    return send
