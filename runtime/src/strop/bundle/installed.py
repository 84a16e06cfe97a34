"""The record of what is installed in a folder: the current bundle, and how it became current.

    installed.json          says what is current; moved into place, never edited
    installed.json.reserve  blocks of the disk, for an installed.json on a full disk
    bundles/<id>.strop      the bundles, each under the SHA-256 of its bytes
    lock                    held by the process that installs

This module reads; `strop.install` writes. An app's start waits for it, so it imports little.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from strop.bundle.digest import is_sha256
from strop.bundle.file import Bundle, read_bundle
from strop.bundle.files import path_of, read_file
from strop.bundle.records import read_record
from strop.errors import BundleError, either, printable

if TYPE_CHECKING:
    from os import PathLike

    from strop.bundle.trust import Trust

SCHEMA = 1
MAX_BYTES = 2**20  # an entry of ours is some 1 kB
MAX_HISTORY = 100  # entries; older ones are forgotten
INSTALL, ROLLBACK = "install", "rollback"
_TRIES = 5  # each one means that another process installed at that very moment
_AWAY = "move it away and install again; its history and the way back are then lost"


class RecordedResult(NamedTuple):
    """One variant that gave the proven outputs on this device."""

    engine: str
    precision: str
    format: str
    device: str  # "cpu" or "gpu"
    detail: str  # the engine's version, and its GPU
    max_abs_error: float  # against the outputs proven at export


class Event(NamedTuple):
    """One change of the current bundle."""

    action: str  # "install" or "rollback"
    time: str  # UTC, by the device's clock, which may be wrong: for people
    bundle: str  # current from then on: the SHA-256 of the file's bytes
    digest: str  # its identity, the SHA-256 of its manifest
    name: str
    model_version: int
    target: str
    strop: str  # the version of strop that did it
    checked: tuple[RecordedResult, ...]
    replaced: str | None  # the bundle that was current before


class Record(NamedTuple):
    """The whole of installed.json."""

    schema: int
    bundles: tuple[str, ...]  # oldest first; the last is current, a rollback goes to the one before
    history: tuple[Event, ...]  # oldest first; the last one made the current bundle current

    @property
    def current(self) -> Event:
        """The event that made the current bundle current; it also says which bundle that is."""
        return self.history[-1]


def record_path(folder: str) -> str:
    """Return the path of a folder's installed.json."""
    return f"{folder}/installed.json"


def bundles_folder(folder: str) -> str:
    """Return the path under which a folder keeps its bundles."""
    return f"{folder}/bundles"


def bundle_path(folder: str, bundle: str) -> str:
    """Return the path of a bundle that is installed in a folder.

    Args:
        folder: the folder that `strop install` keeps.
        bundle: the bundle's name there, the SHA-256 of the file's bytes.
    """
    return f"{bundles_folder(folder)}/{bundle}.strop"


def read(folder: str | PathLike[str]) -> Record:
    """Read the record of what is installed in a folder.

    Args:
        folder: the folder that `strop install` keeps.

    Raises:
        BundleError: nothing is installed there, or installed.json cannot be read or is damaged.
    """
    found = find(folder)
    if found is None:
        place = printable(os.fspath(folder))
        raise BundleError(
            f"nothing is installed in {place}", f"strop install BUNDLE --into {place}"
        )
    return found


def find(folder: str | PathLike[str]) -> Record | None:
    """Read the record as `read` does, but return None where nothing is installed.

    Args:
        folder: any path; the folder need not be there.

    Raises:
        BundleError: installed.json cannot be read or is damaged.
    """
    path = record_path(path_of(folder, "folder"))
    try:
        data, _ = read_file(path, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = error.strerror or error
        raise BundleError(f"cannot read {printable(path)}: {why}", _AWAY) from None
    try:
        return _parse(data)
    except BundleError as error:
        raise BundleError(f"{printable(path)} cannot be used: {error.problem}", _AWAY) from None


def open_current(folder: str | PathLike[str], trust: Trust | None = None) -> Bundle:
    """Read the current bundle of a folder, verified like any other.

    Args:
        folder: the folder that `strop install` keeps.
        trust: the keys of which one must have signed it; None: a signature is not looked at.

    Raises:
        BundleError: nothing is installed there, or what is cannot be read or trusted.
    """
    folder = os.fspath(folder)
    tries = 0
    while True:
        record = read(folder)
        path = bundle_path(folder, record.current.bundle)
        try:
            bundle = read_bundle(path, trust)
        except BundleError as error:
            tries += 1
            # Another bundle may have been installed between the two reads, and this one removed.
            if tries < _TRIES and not os.path.lexists(path) and find(folder) != record:
                continue
            raise BundleError(
                f"{error.problem}; it is what is installed in {printable(folder)}",
                either(error.mend, *_ways_out(folder, record)),
            ) from None
        if bundle.digest != record.current.digest:
            raise BundleError(
                f"{printable(path)} is not the bundle that was installed there",
                either(*_ways_out(folder, record)),
            )
        return bundle


def _ways_out(folder: str, record: Record) -> tuple[str, ...]:
    """List what helps where the current bundle cannot be opened."""
    back = (f"strop rollback {printable(folder)}",) if len(record.bundles) > 1 else ()
    return ("install it again", *back)


def _parse(data: bytes) -> Record:
    """Parse a record as strictly as a manifest."""
    record: Record = read_record(Record, data, "it", schema=SCHEMA, max_bytes=MAX_BYTES, mend="")
    names = (*record.bundles, *(event.bundle for event in record.history))
    sound = (
        bool(record.bundles)
        and 0 < len(record.history) <= MAX_HISTORY
        and all(map(is_sha256, names))
        and record.current.bundle == record.bundles[-1]
    )
    if not sound:
        raise BundleError("it does not say which bundle is current")
    return record
