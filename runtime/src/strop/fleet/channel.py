"""A channel: the signed record of the release that devices run, and of the one being rolled out.

    {"schema": 1, "channel": "stable", "runs": {..}, "next": {"release": {..}, "percent": 10.0,
     "group": "early"}, "stopped": ["<bundle>"]}

The record is read as strictly as a manifest. An unknown field is refused too: a device that
understood half of a rollout could run the wrong release. A later form gets another `schema`
(docs/decisions/0052-channels.md).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import NamedTuple

from strop.bundle.digest import is_sha256
from strop.bundle.manifest import is_printable, plain
from strop.bundle.records import read_record
from strop.errors import BundleError, ChannelError, InputError, printable
from strop.fleet.artifact import Release
from strop.fleet.registry import is_digest

SCHEMA = 1
MAX_BYTES = 64 * 2**10  # of a record: one of ours has some 1 kB, and 70 bytes for each stopped one
MAX_STOPPED = 256  # bundles; the oldest are forgotten
_MAX_BUNDLE_BYTES = 2**32
_MAX_TEXT = 200  # characters of a model's, a target's or a group's name
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_BITS = 53  # of a float's fraction: a place stays below 100


class Next(NamedTuple):
    """The release that a rollout brings to some of the devices."""

    release: Release
    percent: float  # of the devices, 0 to 100
    group: str  # the rollout's group that this is


class Channel(NamedTuple):
    """What a channel says; devices get it signed."""

    schema: int
    channel: str
    runs: Release | None  # None: nothing yet
    next: Next | None  # None: no rollout is under way
    stopped: tuple[str, ...]  # bundles that a rollout has stopped, oldest first

    def to_json(self) -> bytes:
        """Write the record; the same record gives the same bytes."""
        return json.dumps(plain(self), indent=1, sort_keys=True).encode("ascii") + b"\n"

    def stopped_but(self, bundle: str) -> tuple[str, ...]:
        """Return the bundles that a rollout has stopped, without this one."""
        return tuple(stopped for stopped in self.stopped if stopped != bundle)


def empty(name: str) -> Channel:
    """Return a channel that runs nothing yet."""
    return Channel(SCHEMA, check_name(name), None, None, ())


def check_name(name: str) -> str:
    """Return a channel's name if it is one.

    Raises:
        InputError: it is not 1 to 64 lower-case letters, digits, dots, dashes or underscores, with
            a letter or a digit first and last.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a channel's name",
            "write lower-case letters, digits, dots, dashes and underscores: stable",
        )
    return name


def read_channel(content: bytes, name: str) -> Channel:
    """Read a channel's record.

    Args:
        content: the bytes of `channels/<name>.json`, verified.
        name: the channel's name.

    Raises:
        ChannelError: the record is malformed, of another schema, or of another channel.
    """
    what = f"the record of channel {name}"
    try:
        found: Channel = read_record(
            Channel,
            content,
            what,
            schema=SCHEMA,
            max_bytes=MAX_BYTES,
            mend="install a newer strop wheel here",
        )
    except BundleError as error:
        raise ChannelError(error.problem, error.mend) from None
    problem = _problem(found)
    if not problem and found.channel != name:
        problem = f"it is of channel {found.channel}"
    if problem:
        raise ChannelError(f"{what} cannot be used: {problem}", "sign it again: strop promote")
    return found


def check_channel(channel: Channel) -> Channel:
    """Return a record that is about to be signed, if devices can read it.

    Raises:
        InputError: a field has a value that devices refuse.
    """
    try:
        return read_channel(channel.to_json(), channel.channel)
    except ChannelError as error:
        raise InputError(f"this cannot be signed: {error.problem}") from None


def bucket(device: str, bundle: str) -> float:
    """Return a device's place in a rollout of a bundle, in [0, 100).

    Places are spread evenly, and differ from bundle to bundle, so that no device is always first.

    Args:
        device: the device's name.
        bundle: the SHA-256 of the bundle's bytes, in hexadecimal.
    """
    digest = hashlib.sha256(f"{bundle}\n{device}".encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:8], "big") >> (64 - _BITS)
    return 100.0 * number / (1 << _BITS)


def wanted(channel: Channel, device: str) -> Release | None:
    """Return the release that a device is to run; None while the channel has none for it.

    Args:
        channel: the verified record.
        device: the device's name.
    """
    coming = channel.next
    if coming and bucket(device, coming.release.bundle) < coming.percent:
        return coming.release
    return channel.runs


def _problem(channel: Channel) -> str:
    """Say what is wrong with the values of a record; "" if nothing is."""
    coming, runs = channel.next, channel.runs
    for release in filter(None, (runs, coming and coming.release)):
        if not is_digest(release.manifest):
            return "a manifest is not named by its SHA-256"
        if not is_sha256(release.bundle):
            return "a bundle is not named by its SHA-256"
        if not 0 < release.bundle_bytes <= _MAX_BUNDLE_BYTES:
            return f"a bundle has {release.bundle_bytes} bytes"
        if not (_is_name(release.name) and _is_name(release.target)):
            return "a release has no name or target"
        if release.model_version < 0:
            return f"a release has model_version {release.model_version}"
    if coming:
        if not 0 <= coming.percent <= 100:
            return f"a rollout has {coming.percent} percent"
        if not _is_name(coming.group):
            return "a rollout's group has no name"
        if coming.release.bundle in channel.stopped:
            return "it rolls out a bundle that is stopped"
        if runs and (runs.name, runs.target) != (coming.release.name, coming.release.target):
            return (
                f"it runs {printable(runs.name)} for {printable(runs.target)} and rolls out "
                f"{printable(coming.release.name)} for {printable(coming.release.target)}"
            )
    if len(channel.stopped) > MAX_STOPPED or len(set(channel.stopped)) < len(channel.stopped):
        return "its stopped bundles are too many, or one is there twice"
    if not all(map(is_sha256, channel.stopped)):
        return "a stopped bundle is not named by its SHA-256"
    return ""


def _is_name(text: str) -> bool:
    return bool(text.strip()) and len(text) <= _MAX_TEXT and is_printable(text)
