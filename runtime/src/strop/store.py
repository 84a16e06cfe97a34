"""Changing what `strop.installed` reads; whoever calls these holds the folder's lock."""

from __future__ import annotations

import contextlib
import json
import os

from strop import durable, installed
from strop.installed import Event, Record
from strop.manifest import plain

LOCK = "lock"
_BUNDLE = ".strop"


def commit(folder: str, bundles: tuple[str, ...], before: Record | None, event: Event) -> Record:
    """Write installed.json: the moment in which the folder changes.

    Args:
        bundles: to go back to, oldest first, and last the one that becomes current.
        event: what made it so.

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
    """Go on from where the last one who installed was stopped, wherever that was.

    What installed.json says may not have reached the disk yet. It has to, before that goes which
    only the one before it listed.

    Raises:
        OSError: the disk failed.
        BundleError: installed.json is damaged.
    """
    durable.sync_folder(folder)
    sweep(folder, installed.find(folder))


def sweep(folder: str, record: Record | None) -> None:
    """Remove drafts, and the bundles that are not listed; what cannot be removed stays for now."""
    listed = {f"{name}{_BUNDLE}" for name in record.bundles} if record else set()
    for place in (folder, installed.bundles_folder(folder)):
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(place)):  # noqa: PTH208  names
                if entry not in listed and (_is_draft(entry) or _is_bundle(entry)):
                    durable.remove(f"{place}/{entry}")


def is_ours(entry: str) -> bool:
    """Whether a name may be in a folder where the first install was stopped."""
    return entry in (LOCK, "bundles") or _is_draft(entry)


def _is_draft(entry: str) -> bool:
    """Whether it is a draft of ours: the name it was meant for, then eight digits."""
    stem, _, digits = entry.removesuffix(durable.DRAFT).rpartition(".")
    known = stem == "installed.json" or _is_bundle(stem)
    return entry.endswith(durable.DRAFT) and known and len(digits) == 8


def _is_bundle(entry: str) -> bool:
    return entry.endswith(_BUNDLE) and installed.is_bundle_name(entry.removesuffix(_BUNDLE))
