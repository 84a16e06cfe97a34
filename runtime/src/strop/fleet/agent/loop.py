"""The agent as a process: polls until it is told to stop, and alone in its folder."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType

from strop import durable
from strop.device.logs import log, log_failure
from strop.device.notify import notify
from strop.errors import InstallError, printable
from strop.fleet.agent.agent import Agent, Outcome
from strop.fleet.agent.backoff import Backoff
from strop.fleet.reports.report import WAITING
from strop.install import lock
from strop.install.turn import holder_of, refusals

LOCK = "lock"
_STOPS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """The process was told to stop.

    It may be raised anywhere, since the agent may be killed anywhere; unlike a kill it lets a
    command that is running be ended, and drafts be removed.
    """


@contextlib.contextmanager
def alone(folder: str) -> Iterator[None]:
    """Be the only agent of a folder for the length of a `with`.

    Args:
        folder: the agent's own; made if it is missing.

    Raises:
        InstallError: another agent works there, or the folder cannot be used.
    """
    place = printable(folder)
    with contextlib.ExitStack() as stack:
        with refusals(f"use {place}"):
            durable.make_folder(folder, 0o755)
            try:
                stack.enter_context(lock.hold(f"{folder}/{LOCK}", 0, lambda holder: None))
            except lock.Held as error:
                raise InstallError(
                    f"another agent works in {place}, {holder_of(str(error))}",
                    "stop it first: systemctl stop strop-agent",
                ) from None
        yield


def run(agent: Agent, backoff: Backoff) -> None:
    """Poll until SIGTERM or SIGINT; SIGHUP polls at once.

    Args:
        agent: polls.
        backoff: says when.
    """
    with _signals() as woken:
        try:
            notify("READY=1")
            log("started")
            while True:
                _wait(woken, backoff.next_s(failed=_step(agent)))
        except Stopped:
            notify("STOPPING=1")
            log("stopped")


def once(agent: Agent) -> Outcome:
    """Poll once."""
    with _signals():
        try:
            return agent.step()
        except Stopped:
            return Outcome(WAITING, "it was told to stop", could_not=True)


def _step(agent: Agent) -> bool:
    """Poll; return whether something could not be done."""
    try:
        outcome = agent.step()
    except Exception as error:  # noqa: BLE001  a fault of ours must not end the updates of a device
        log_failure("fault", error)
        notify("STATUS=fault: see the log")
        return True
    said = ": ".join(filter(None, (outcome.state, outcome.problem)))
    notify(f"STATUS={said}")
    return outcome.could_not


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """Raise `Stopped` when told to stop; yield what becomes readable at each signal."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    before = {number: signal.signal(number, _stop) for number in _STOPS}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _poll)
    earlier = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(earlier)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in _STOPS:  # once: what is being tidied up is not interrupted
        signal.signal(other, signal.SIG_IGN)
    raise Stopped


def _poll(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal ends the wait, and the log may be in use where it came."""


def _wait(woken: int, pause_s: float) -> None:
    """Wait, but no longer than until a signal; one that came before counts too.

    Raises:
        Stopped: it was told to stop where Python drops what is raised, as in a destructor.
    """
    if select.select([woken], [], [], pause_s)[0]:
        if not set(_STOPS).isdisjoint(os.read(woken, 4096)):
            raise Stopped
        log("told to poll")
