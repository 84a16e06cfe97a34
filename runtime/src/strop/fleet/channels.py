"""Signed channels as a device sees them, verified by TUF (The Update Framework, spec 1.0).

A device is set up with one `root.json`, which names the keys. From then on it follows changes of
the keys by itself, and refuses channels that are wrongly signed, older than those it has seen,
mixed of two states, or expired. The registry is not trusted with any of it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from typing import NamedTuple

from tuf.api.exceptions import DownloadError, LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.ngclient import Updater

from strop.bundle.digest import sha256_hex
from strop.bundle.files import read_file
from strop.errors import ChannelError, printable
from strop.fleet import seen as seen_files
from strop.fleet.channel import MAX_BYTES, Channel, check_name, read_channel
from strop.fleet.oci import Layer
from strop.fleet.seen import Seen
from strop.fleet.tuf_errors import ROLES, expired, refusal
from strop.fleet.tuf_files import LIMITS, MAX_FILE_BYTES, URL, Fetcher, Store
from strop.install.turn import refusals

_PREFIX, _SUFFIX = "channels/", ".json"
_REMEMBER_S = 3600  # the latest time is written at most this often: flash wears


def utc_now() -> datetime:
    """Return the time by the system's clock."""
    return datetime.now(timezone.utc)


def target_path(name: str) -> str:
    """Return the name that TUF has for a channel's record."""
    return f"{_PREFIX}{name}{_SUFFIX}"


class State(NamedTuple):
    """One verified state of the channels."""

    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    files: dict[str, bytes]  # the bytes of these four, by role
    manifest: bytes | None  # of the registry, when this was read
    layers: dict[str, Layer]  # what that manifest names: not verified

    @property
    def names(self) -> list[str]:
        """The channels' names, sorted."""
        paths = sorted(self.targets.signed.targets)
        return [
            path[len(_PREFIX) : -len(_SUFFIX)]
            for path in paths
            if path.startswith(_PREFIX) and path.endswith(_SUFFIX)
        ]

    def signed(self, role: str) -> Root | Timestamp | Snapshot | Targets:
        """Return what a role has signed."""
        signed: Root | Timestamp | Snapshot | Targets = getattr(self, role).signed
        return signed


class Channels:
    """The channels of a repository.

    Several processes may use one folder: each verifies for itself against what was seen before
    both, and the last one's state is remembered.

    Args:
        registry: the repository.
        folder: where to remember what was seen; made if it is missing.
        root: the root.json of the set-up. Another one than last time makes the folder follow that.
        clock: gives the time, in UTC.
    """

    def __init__(
        self,
        registry: Store,
        folder: str,
        root: bytes,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._root = root
        self._clock = clock
        self._records: dict[str, tuple[str, bytes]] = {}  # by channel: digest, content

    def read(self, name: str) -> Channel:
        """Verify what the registry has now, and return one channel.

        Raises:
            ChannelError: the channels are expired, older than those seen, or wrongly signed; or
                there is no such channel.
            RegistryError: the registry cannot be reached, or lacks a file.
            InstallError: the disk refuses.
        """
        return self.channel(self.refresh(), name)

    def names(self) -> list[str]:
        """Verify what the registry has now, and return the channels' names; raises as `read`."""
        return self.refresh().names

    def channel(self, state: State, name: str) -> Channel:
        """Return a channel of a verified state; raises as `read`."""
        check_name(name)
        place = self._registry.place
        target = state.targets.signed.targets.get(target_path(name))
        if target is None:
            known = ", ".join(state.names) or "none"
            raise ChannelError(
                f"{place} has no channel {name}; it has {known}",
                "strop promote makes a channel",
            )
        digest = target.hashes.get("sha256", "")
        if target.length > MAX_BYTES or not digest:
            raise ChannelError(f"{place}: channel {name} is signed in a way unknown here")
        held = self._records.get(name)
        if held is None or held[0] != digest:
            content = self._registry.blob(f"sha256:{digest}", target.length)
            try:
                target.verify_length_and_hashes(content)
            except LengthOrHashMismatchError:
                raise ChannelError(
                    f"{place} gives another record for channel {name} than was signed"
                ) from None
            self._records[name] = digest, content
        return read_channel(self._records[name][1], name)

    def refresh(self) -> State:
        """Verify what the registry has now; raises as `read`."""
        before = seen_files.read(self._folder)
        with (
            refusals("verify the channels"),
            tempfile.TemporaryDirectory(prefix="strop-channels-") as work,
        ):
            return self._refresh(work, before)

    def versions_seen(self) -> dict[str, int]:
        """Return the highest version of each role that was seen here; 0 if none was."""
        before = seen_files.read(self._folder)
        held = _contents(before) if before else {}
        versions = {
            role: Metadata.from_bytes(held[role]).signed.version if role in held else 0
            for role in ROLES
        }
        if "snapshot" in held:  # it may name targets that were withheld
            listed = Metadata[Snapshot].from_bytes(held["snapshot"]).signed.meta
            versions["targets"] = max(versions["targets"], listed["targets.json"].version)
        return versions

    def remembered(self) -> State | None:
        """Return the last verified state without asking the registry; None if there is none whole.

        Nothing says that it is still the newest, nor that it is not expired.
        """
        before = seen_files.read(self._folder)
        held = _contents(before) if before else {}
        if before is None or len(held) < len(ROLES):
            return None
        state = _state(held, None, {})
        meta, listed = state.timestamp.signed.snapshot_meta, state.snapshot.signed.meta
        whole = (
            meta.version == state.snapshot.signed.version
            and listed["targets.json"].version == state.targets.signed.version
        )
        return state if whole else None

    def _refresh(self, work: str, before: Seen | None) -> State:
        """Let TUF's client work in an empty folder that is given what was seen."""
        held = _contents(before) if before else {}
        if before is None or before.bootstrap != sha256_hex(self._root):
            held["root"] = self._root
        for role in ROLES[1:]:
            if role in held:
                with open(f"{work}/{role}.json", "wb") as file:  # noqa: PTH123
                    file.write(held[role])
        latest = before.time if before else 0
        now = self._clock()
        fetcher = Fetcher(self._registry, held.values())
        try:
            updater = Updater(
                metadata_dir=work,
                metadata_base_url=URL,
                fetcher=fetcher,
                config=LIMITS,
                bootstrap=held["root"],
            )
            updater.refresh()
        except (RepositoryError, DownloadError) as error:
            self._remember(before, _verified(work, held), latest)
            raise refusal(error, self._registry.place, fetcher, held, now) from None
        state = _state(_verified(work, held), fetcher.manifest, dict(fetcher.files))
        then = datetime.fromtimestamp(latest, timezone.utc)
        for role in ROLES:  # a clock that is behind must not make old files new again
            signed = state.signed(role)
            if signed.is_expired(then):
                self._remember(before, state.files, latest)
                raise expired(role, signed.expires, self._registry.place, now, then)
        self._remember(before, state.files, max(latest, int(now.timestamp())))
        return state

    def _remember(self, before: Seen | None, files: dict[str, bytes], time: int) -> None:
        """Write down what was verified, if it is news."""
        after = seen_files.make(sha256_hex(self._root), time, files)
        if (
            before is None
            or after._replace(time=before.time) != before
            or after.time - before.time >= _REMEMBER_S
        ):
            seen_files.write(self._folder, after)


def read_root(path: str) -> bytes:
    """Read a root.json.

    Raises:
        ChannelError: it cannot be read, or is not one.
    """
    shown = printable(path)
    mend = "give the root.json that strop channels --create wrote"
    try:
        content, _ = read_file(path, LIMITS.root_max_length)
    except OSError as error:
        raise ChannelError(f"cannot read {shown}: {error.strerror or error}", mend) from None
    try:
        is_root = isinstance(Metadata[Root].from_bytes(content).signed, Root)
    except RepositoryError:
        is_root = False
    if not is_root:
        raise ChannelError(f"{shown} is not a root.json of channels", mend)
    return content


def _contents(before: Seen) -> dict[str, bytes]:
    """Return the verified files by role."""
    contents = {role: before.content(role) for role in ROLES}
    return {role: content for role, content in contents.items() if content is not None}


def _verified(work: str, held: dict[str, bytes]) -> dict[str, bytes]:
    """Read the files that TUF's client has verified and kept, by role."""
    found = {"root": held["root"]}
    for role in ROLES:
        path = f"{work}/{role}.json"
        if os.path.exists(path):  # noqa: PTH110
            found[role], _ = read_file(path, MAX_FILE_BYTES)
    return found


def _state(files: dict[str, bytes], manifest: bytes | None, layers: dict[str, Layer]) -> State:
    return State(
        Metadata[Root].from_bytes(files["root"]),
        Metadata[Timestamp].from_bytes(files["timestamp"]),
        Metadata[Snapshot].from_bytes(files["snapshot"]),
        Metadata[Targets].from_bytes(files["targets"]),
        files,
        manifest,
        layers,
    )
