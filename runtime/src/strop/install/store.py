"""Changes to what `strop.bundle.installed` reads; callers hold the folder's lock."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Sequence

from strop import durable
from strop.bundle import installed
from strop.bundle.archive import MAX_ARCHIVE_BYTES
from strop.bundle.digest import is_sha256, sha256_hex
from strop.bundle.files import read_file
from strop.bundle.installed import Record
from strop.bundle.manifest import plain

LOCK = "lock"
_BUNDLE = ".strop"
_RECORD = "installed.json"
_RESERVE = f"{_RECORD}.reserve"
RESERVES_BYTES = (64 * 2**10, 16 * 2**10)  # for some 50 changes; on a full disk for some 12
_FULL = (errno.ENOSPC, errno.EDQUOT)


def commit(folder: str, record: Record, last: Callable[[], None], *, frees: bool = False) -> Record:
    """Write installed.json; this is the moment in which the folder changes.

    Args:
        folder: the folder that `strop install` keeps.
        record: what installed.json is to say.
        last: called just before that moment; what it raises stops the change.
        frees: whether bundles can be removed afterwards; on a full disk the reserve is used then.

    Returns:
        The record that was written, without the oldest changes if they did not fit.

    Raises:
        OSError: it cannot be written, as `durable.write` has it.
    """
    path = installed.record_path(folder)
    written, content = _encode(record, installed.MAX_BYTES)
    try:
        durable.write(path, content, last=last)
    except OSError as error:
        if not (frees and is_full(error)):
            raise
        room_bytes = taken_bytes(f"{folder}/{_RESERVE}")
        written, content = _encode(record, room_bytes)
        if len(content) > room_bytes:
            raise
        durable.write(path, content, over=f"{folder}/{_RESERVE}", last=last)
    return written


def _encode(record: Record, max_bytes: int) -> tuple[Record, bytes]:
    """Write a record as JSON, without the oldest changes if it would be larger than it may be.

    The last change stays in any case.
    """
    while True:
        content = json.dumps(plain(record), indent=1, allow_nan=False).encode("ascii") + b"\n"
        if len(content) <= max_bytes or len(record.history) == 1:
            return record, content
        record = record._replace(history=record.history[1:])


def is_full(error: OSError) -> bool:
    """Tell whether an error says that the disk is full."""
    return error.errno in _FULL


def reserve(folder: str) -> None:
    """Take room on the disk for one installed.json, unless it is taken already.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    take_room(f"{folder}/{_RESERVE}", RESERVES_BYTES)


def take_room(path: str, sizes: Sequence[int]) -> None:
    """Take room on the disk for a file that is to be written over, unless it is taken already.

    Args:
        path: the file that holds the room.
        sizes: bytes, largest first: as many as there are, and at least the last.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    if taken_bytes(path) >= sizes[-1]:
        return
    for size in sizes:
        try:
            durable.reserve(path, size)
            return
        except OSError as error:
            if not is_full(error) or size == sizes[-1]:
                raise


def unreserve(folder: str) -> None:
    """Release the reserve, in a folder where nothing is installed."""
    durable.remove(f"{folder}/{_RESERVE}")


def taken_bytes(path: str) -> int:
    """Return the bytes of room that a file holds; 0 if it is not there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def settle(folder: str) -> None:
    """Go on from where the last process that installed was stopped, wherever that was.

    Its installed.json may not have reached the disk yet. It must be there before the bundles are
    removed that only the installed.json before it listed. Without an installed.json, the names of
    the folders may not have reached the disk either.

    Raises:
        OSError: the disk failed.
        BundleError: installed.json is damaged.
    """
    durable.sync_folder(folder)
    record = installed.find(folder)
    if record is None:
        durable.sync_names(folder)
    sweep(folder, record)


def sweep(folder: str, record: Record | None) -> None:
    """Remove drafts, and the bundles that are not listed; files that cannot be removed stay.

    Without an installed.json every bundle stays: it may have been moved away, and until another
    bundle has passed its check there are no others.

    Args:
        folder: the folder that `strop install` keeps.
        record: what installed.json says; None if there is none.
    """
    listed = {f"{name}{_BUNDLE}" for name in record.bundles} if record else set()
    for place in (folder, installed.bundles_folder(folder)):
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(place)):  # noqa: PTH208  names
                needless = record is not None and _is_bundle(entry) and entry not in listed
                if needless or _is_draft(entry):
                    durable.remove(f"{place}/{entry}")


def is_whole(folder: str, name: str) -> bool:
    """Tell whether a bundle is, byte for byte, the one that was stored under its name.

    Args:
        folder: the folder that `strop install` keeps.
        name: the bundle's name there, the SHA-256 that its bytes must have.
    """
    return holds(installed.bundle_path(folder, name), name)


def holds(path: str, name: str) -> bool:
    """Tell whether a file is a bundle, byte for byte.

    Args:
        path: the file.
        name: the SHA-256 that its bytes must have.
    """
    try:
        data, _ = read_file(path, MAX_ARCHIVE_BYTES, links=False)
    except OSError:
        return False
    return sha256_hex(data) == name


def is_ours(entry: str) -> bool:
    """Tell whether a name may be in a folder where nothing is installed.

    The first install may have been stopped there, a damaged installed.json may have been renamed,
    or the folder may be the root of a file system (lost+found).

    Args:
        entry: a name in the folder.
    """
    return entry in (LOCK, "bundles", "lost+found") or entry.startswith(_RECORD)


def _is_draft(entry: str) -> bool:
    """Tell whether a name is a draft of ours: the name it was meant for, then eight digits."""
    stem, _, digits = entry.removesuffix(durable.DRAFT).rpartition(".")
    known = stem == _RECORD or _is_bundle(stem)
    return entry.endswith(durable.DRAFT) and known and len(digits) == 8


def _is_bundle(entry: str) -> bool:
    return entry.endswith(_BUNDLE) and is_sha256(entry.removesuffix(_BUNDLE))
