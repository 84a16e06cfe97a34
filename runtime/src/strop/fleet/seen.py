"""What a folder has seen of signed channels: the verified files, and the latest time.

It is one file, replaced at once (`strop.durable`), so that a power cut or a full disk leaves the
old one or the new one whole. TUF writes its own cache file by file and does not flush it: after a
power cut a torn timestamp would pass for none, and an older one would be taken.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import NamedTuple

from strop import durable
from strop.bundle.digest import sha256_hex
from strop.bundle.files import read_file
from strop.bundle.records import read_record
from strop.errors import BundleError, ChannelError, InputError, printable
from strop.install.turn import refusals

SCHEMA = 1
NAME = "channels-seen.json"
MAX_BYTES = 2 * 2**20
_MODE = 0o644


class Seen(NamedTuple):
    """The fields of the file; contents are in base64."""

    schema: int
    bootstrap: str  # SHA-256 of the root.json that the folder was set up with
    time: int  # the latest at which everything was verified, in seconds since 1970
    root: str
    timestamp: str | None
    snapshot: str | None
    targets: str | None

    def content(self, role: str) -> bytes | None:
        """Return the verified file of a role; None if there is none yet."""
        text = getattr(self, role)
        return None if text is None else base64.b64decode(text, validate=True)


def make(bootstrap: str, time: int, files: dict[str, bytes]) -> Seen:
    """Make the record.

    Args:
        bootstrap: SHA-256 of the root.json of the set-up.
        time: seconds since 1970.
        files: the verified files by role; "root" is among them.
    """
    texts = {role: base64.b64encode(content).decode("ascii") for role, content in files.items()}
    others = {role: texts.get(role) for role in ("timestamp", "snapshot", "targets")}
    return Seen(SCHEMA, bootstrap, time, texts["root"], **others)


def read(folder: str) -> Seen | None:
    """Read what a folder has seen; None if that is nothing.

    Raises:
        ChannelError: the file is damaged or cannot be read. Without it an older state of the
            channels would pass for a new one, so it is never ignored.
    """
    path = f"{folder}/{NAME}"
    mend = f"remove it; older channels are then no longer noticed: {printable(path)}"
    try:
        data, _ = read_file(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ChannelError(f"cannot read {printable(path)}: {error.strerror or error}") from None
    try:
        found: Seen = read_record(Seen, data, "it", schema=SCHEMA, max_bytes=MAX_BYTES, mend="")
        for role in ("root", "timestamp", "snapshot", "targets"):
            found.content(role)
    except BundleError as error:
        raise ChannelError(f"{printable(path)} is damaged: {error.problem}", mend) from None
    except binascii.Error as error:
        raise ChannelError(f"{printable(path)} is damaged: {error}", mend) from None
    return found


def write(folder: str, seen: Seen) -> None:
    """Write what a folder has seen; the folder is made if it is missing.

    Raises:
        InstallError: the disk refuses, and the old file stays.
    """
    with refusals(f"remember the channels in {printable(folder)}"):
        durable.make_folder(folder, 0o755)
        content = json.dumps(seen._asdict(), indent=1).encode("ascii") + b"\n"
        durable.write(f"{folder}/{NAME}", content, _MODE)


def folder_for(place: str, root: bytes) -> str:
    """Return the folder in which a user's commands remember the channels of a repository.

    It is in XDG_STATE_HOME, or else in .local/state in HOME.

    Args:
        place: the repository's name.
        root: the root.json; with another one the memory is another.

    Raises:
        InputError: there is no home.
    """
    home = os.environ.get("HOME", "")
    name = sha256_hex(place.encode("utf-8") + b"\n" + root)
    for folder in (os.environ.get("XDG_STATE_HOME", ""), home and f"{home}/.local/state"):
        if folder.startswith("/"):
            return f"{folder}/strop/channels/{name}"
    raise InputError(
        "there is no place to remember which channels were seen", "set HOME or XDG_STATE_HOME"
    )
