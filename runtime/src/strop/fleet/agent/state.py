"""What the agent must not forget, in one file that is replaced at once (`strop.durable`).

    agent.json          the state
    agent.json.reserve  blocks of the disk, for an agent.json on a full disk

The order of writes makes it safe to kill the agent anywhere: what is about to be tried is written
down before it is tried, and what came of it before anything else is
(docs/decisions/0053-agent.md).
"""

from __future__ import annotations

import contextlib
import json
from typing import Any, NamedTuple

from strop import durable
from strop.bundle.digest import is_sha256
from strop.bundle.files import read_file
from strop.bundle.manifest import plain
from strop.bundle.records import read_record
from strop.errors import BundleError, InstallError, printable
from strop.fleet.reports.report import FAILED
from strop.install import store
from strop.install.turn import refusals

SCHEMA = 1
NAME = "agent.json"
RESERVE = f"{NAME}.reserve"
MAX_BYTES = 16 * 2**10  # one of ours has some 1 kB
# For a state, and what it may grow by in some changes; on a full disk as much as there is.
RESERVES_BYTES = tuple(kib * 2**10 for kib in (16, 15, 14, 12, 8, 4))
LONGEST = 300  # characters of a problem


class Trial(NamedTuple):
    """A release that is being installed, or is current and has not been healthy for long.

    Attributes:
        bundle: the release's.
        tries: how often its install, its health check or its rollback was begun, since the last
            time that one of them gave an answer.
        fault: why the app is not healthy with it, once that is known: it is being rolled back.
    """

    bundle: str
    tries: int
    fault: str


class Healthy(NamedTuple):
    """Since when the app is healthy.

    Clocks that nobody can set begin anew with each boot. So what was measured before the last boot
    is a sum, as of the last report then, and time in which the device was off does not count.

    Attributes:
        bundle: with which bundle.
        boot: names the boot in which it was last found healthy.
        at_s: when it was first found healthy in that boot, in seconds since the boot.
        earlier_s: for how long it had been healthy in earlier boots.
    """

    bundle: str
    boot: str
    at_s: float
    earlier_s: float


class Failed(NamedTuple):
    """A release that is not tried again here while the channel names it."""

    bundle: str
    state: str  # of a report: "refused" or "rolled back"
    problem: str


class Moved(NamedTuple):
    """How a release came."""

    bundle: str
    received_bytes: int
    by: str  # "members", "patch"


class Told(NamedTuple):
    """What the last report that was sent said, and when it was."""

    wanted: str | None
    current: str | None
    state: str
    problem: str
    healthy_for_s: float
    boot: str
    at_s: float  # since that boot


class State(NamedTuple):
    """The fields of agent.json."""

    schema: int
    sequence: int  # of the last report that was begun
    wanted: str | None  # the bundle that the channel named when it was last read
    trial: Trial | None
    healthy: Healthy | None
    failed: Failed | None
    moved: Moved | None
    told: Told | None


def path(folder: str) -> str:
    """Return the path of a folder's agent.json."""
    return f"{folder}/{NAME}"


def read(folder: str) -> State | None:
    """Read the state; None if there is none yet.

    Raises:
        InstallError: it is damaged or cannot be read. Without it a release that failed here would
            be tried again, and one under trial would never be rolled back: it is never ignored.
    """
    where = printable(path(folder))
    try:
        data, _ = read_file(path(folder), MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InstallError(f"cannot read {where}: {error.strerror or error}") from None
    try:
        found: State = read_record(State, data, "it", schema=SCHEMA, max_bytes=MAX_BYTES, mend="")
        problem = _problem(found)
    except BundleError as error:
        problem = error.problem
    if problem:
        raise InstallError(
            f"{where} is damaged: {problem}",
            f"remove {where}; what failed on this device is then tried again",
        )
    return found


def write(folder: str, state: State) -> None:
    """Replace the state; on a full disk the reserve's blocks are used.

    Raises:
        InstallError: the disk refuses, and the old state stays.
    """
    content = json.dumps(plain(state), indent=1, allow_nan=False).encode("ascii") + b"\n"
    with refusals(f"write {printable(path(folder))}"):
        try:
            durable.write(path(folder), content, 0o644)
        except OSError as error:
            room = f"{folder}/{RESERVE}"
            if not store.is_full(error) or store.taken_bytes(room) < RESERVES_BYTES[-1]:
                raise
            durable.write(path(folder), content, 0o644, over=room)
        reserve(folder)


def reserve(folder: str) -> None:
    """Take room on the disk for the next state, if there is any and it is not taken already."""
    with contextlib.suppress(OSError):
        store.take_room(f"{folder}/{RESERVE}", RESERVES_BYTES)


class Memory:
    """The state of one agent, in memory and on the disk.

    Args:
        folder: the agent's folder.
        first: the state of an agent that has none yet.

    Raises:
        InstallError: the file is damaged or cannot be read.
    """

    def __init__(self, folder: str, first: State) -> None:
        self.folder = folder
        self.state = read(folder) or first

    def save(self, **changes: Any) -> None:
        """Write the changed state down, if it is another; raises as `write`."""
        state = self.state._replace(**changes)
        if state != self.state:
            write(self.folder, state)
            self.state = state


def first(sequence: int) -> State:
    """Return the state of an agent that has done nothing yet."""
    return State(SCHEMA, sequence, None, None, None, None, None, None)


def _problem(state: State) -> str:
    """Say what is wrong with the values of a state; "" if nothing is."""
    bundles = (
        state.trial and state.trial.bundle,
        state.wanted,
        state.healthy and state.healthy.bundle,
        state.failed and state.failed.bundle,
        state.moved and state.moved.bundle,
        state.told and state.told.wanted,
        state.told and state.told.current,
    )
    if not all(bundle is None or is_sha256(bundle) for bundle in bundles):
        return "a bundle is not named by its SHA-256"
    if state.failed and state.failed.state not in FAILED:
        return "a release failed in a way that none does"
    numbers = (
        state.sequence,
        state.trial.tries if state.trial else 0,
        state.healthy.earlier_s if state.healthy else 0,
        state.moved.received_bytes if state.moved else 0,
    )
    return "" if all(number >= 0 for number in numbers) else "a number in it is below 0"
