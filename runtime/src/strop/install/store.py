"""Changes to what `strop.bundle.installed` reads; callers hold the folder's lock."""

from __future__ import annotations

import contextlib
import json
import os

from strop import durable
from strop.bundle import installed
from strop.bundle.digest import is_sha256, sha256_hex
from strop.bundle.file import read_bytes
from strop.bundle.installed import Event, Record
from strop.bundle.manifest import plain
from strop.errors import BundleError

LOCK = "lock"
_BUNDLE = ".strop"
_RECORD = "installed.json"


def commit(folder: str, bundles: tuple[str, ...], before: Record | None, event: Event) -> Record:
    """Write installed.json and return its record; this is the moment in which the folder changes.

    Args:
        folder: the folder that `strop install` keeps.
        bundles: to go back to, oldest first, and last the one that becomes current.
        before: what installed.json has said so far; None if there is none.
        event: what makes the last bundle current.

    Raises:
        OSError: it cannot be written, as `durable.write` has it.
    """
    history = (*(before.history if before else ()), event)[-installed.MAX_HISTORY :]
    while True:
        record = Record(installed.SCHEMA, bundles, history)
        content = json.dumps(plain(record), indent=1, allow_nan=False).encode("ascii") + b"\n"
        if len(content) <= installed.MAX_BYTES or len(history) == 1:
            break
        history = history[1:]  # bundles of very many variants have long entries
    durable.write(installed.record_path(folder), content)
    return record


def settle(folder: str) -> None:
    """Go on from where the last process that installed was stopped, wherever that was.

    Its installed.json may not have reached the disk yet. It must be there before the bundles are
    removed that only the installed.json before it listed. Where there is no installed.json, the
    names of the folders may not have reached the disk either, whoever made them.

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
    """Remove drafts, and the bundles that are not listed; what cannot be removed stays for now.

    Where there is no installed.json every bundle stays. Someone may have moved it away, and until
    another bundle has proved itself these are all that there is.

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
    try:
        return sha256_hex(read_bytes(installed.bundle_path(folder, name))) == name
    except (OSError, BundleError):
        return False


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
