"""What TUF's errors mean for people: one line with the mend, told by types and files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata
from tuf.api.serialization import DeserializationError

from strop.errors import ChannelError, RegistryError, StropError, either, one_line
from strop.fleet.tuf_files import Fetcher

ROLES = ("root", "timestamp", "snapshot", "targets")  # in the order in which they are verified
_RESTORED = (
    "find out who changed the registry; if it was restored from a backup, sign its channels again: "
    "strop channels REPOSITORY --keys DIR --renew --accept-older"
)
_CLOCK = "set the clock of this machine if it is wrong"


class ExpiredError(ChannelError):
    """A file of the channels was valid once, and is no longer."""


def refusal(
    error: RepositoryError | DownloadError,
    place: str,
    fetcher: Fetcher,
    held: Mapping[str, bytes],
    now: datetime,
) -> StropError:
    """Return what to raise for an error of TUF's client.

    Args:
        error: what the client raised.
        place: the repository, for messages.
        fetcher: what gave the client its files.
        held: the verified files by role, as they are now.
        now: the time by this machine's clock.
    """
    if isinstance(error.__cause__, StropError):  # the registry's
        return error.__cause__
    if isinstance(error, DownloadHTTPError):
        if fetcher.manifest is None:
            return ChannelError(
                f"there are no channels in {place}", "strop channels REPOSITORY --create makes them"
            )
        return RegistryError(f"{place} lacks {fetcher.asked}, a file of its channels")
    if isinstance(error, DownloadError):
        return RegistryError(f"{place} gives more bytes of {fetcher.asked} than it may have")
    given = {**held, **fetcher.fetched}
    if isinstance(error, ExpiredMetadataError):
        for role in ROLES:
            signed = _parse(given.get(role))
            if signed and signed.is_expired(now):
                return expired(role, signed.expires, place, now)
    if isinstance(error, BadVersionNumberError):
        for role in ROLES:
            old, new = _parse(held.get(role)), _parse(fetcher.fetched.get(role))
            if old and new and new.version < old.version:
                return older(role, new.version, old.version, place)
        return ChannelError(
            f"{place} gives channels of which a part is older than what was seen here",
            _RESTORED,
        )
    if isinstance(error, UnsignedMetadataError):
        return ChannelError(
            f"{place}: {fetcher.asked or 'root.json'} is not signed by the keys that root.json "
            "names",
            "get the right root.json, or find out who changed the registry",
        )
    if isinstance(error, LengthOrHashMismatchError):
        return ChannelError(
            f"{place} gives files of two states of its channels: {fetcher.asked} is not the one "
            "that was signed",
            "find out who changed the registry",
        )
    if isinstance(error, DeserializationError):
        return ChannelError(f"{place}: {fetcher.asked or 'root.json'} is not a file of TUF's")
    return ChannelError(f"{place}: {one_line(str(error))}")


def expired(
    role: str, expires: datetime, place: str, now: datetime, latest: datetime | None = None
) -> ExpiredError:
    """Return the error for a file that was valid only until before now.

    Args:
        role: the file's role.
        expires: when its time ended.
        place: the repository, for messages.
        now: the time by this machine's clock.
        latest: a later time that was seen here; None if the clock alone decides.
    """
    clock = f"the clock here says {shown(now)}"
    if latest:
        clock += f", and it was {shown(latest)} here before"
    return ExpiredError(
        f"the channels in {place} are expired: {role}.json was valid until {shown(expires)}, and "
        f"{clock}",
        either("sign them again: strop channels REPOSITORY --keys DIR --renew", _CLOCK),
    )


def older(role: str, given: int, seen: int, place: str) -> ChannelError:
    """Return the error for a file of a lower version than one that was seen."""
    return ChannelError(
        f"{place} gives channels that are older than those seen here: {role}.json has version "
        f"{given}, and version {seen} was seen",
        _RESTORED,
    )


def shown(time: datetime) -> str:
    """Write a time for people, in UTC."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse(content: bytes | None) -> Any:
    """Read a file; None if there is none, or it is not TUF's."""
    if content is None:
        return None
    try:
        return Metadata.from_bytes(content).signed
    except RepositoryError:
        return None
