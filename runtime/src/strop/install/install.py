"""Making a bundle current in a folder: verify it, check it on this device, then switch.

The order makes it safe. The bundle is written beside the others and flushed. The written file is
checked. Then installed.json is moved into place, the one moment in which the folder changes. A stop
before that moment leaves the old bundle current, a stop after it leaves the new one, and the next
process that installs removes what was left (docs/decisions/0018-install.md).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from os import PathLike

from strop import durable
from strop.bundle import archive, installed
from strop.bundle.digest import sha256_hex
from strop.bundle.file import Bundle
from strop.bundle.files import path_of
from strop.bundle.installed import Event, Record, RecordedResult
from strop.bundle.open import open_bundle
from strop.errors import BundleError, InputError, InstallError, StropError, either, printable
from strop.install import store
from strop.install.admit import admit
from strop.install.lock import Lock
from strop.install.turn import Notify, alone, refusals
from strop.versions import __version__

KEEP = 3  # bundles: the current one, and two to go back to
MIN_KEEP = 2  # with one there is no way back
WAIT_S = 60.0  # for another process that installs

Check = Callable[[Bundle], Sequence[RecordedResult]]  # raises an error to refuse the bundle
Trusted = str | PathLike[str] | Sequence[str] | None


def install(
    source: str | PathLike[str],
    folder: str | PathLike[str],
    *,
    check: Check,
    trusted_keys: Trusted = None,
    allow_downgrade: bool = False,
    keep: int = KEEP,
    wait_s: float = WAIT_S,
    notify: Notify = lambda line: None,
) -> Event | None:
    """Make a bundle the current one of a folder, which is made if it is missing.

    If this raises, the current bundle stays current, in every case.

    Args:
        source: the bundle; or another such folder, for the bundle that is current there.
        folder: the folder to install into.
        check: proves the staged bundle on this device, or raises; `selfcheck.self_check`.
        trusted_keys: as `strop.load` has it.
        allow_downgrade: whether its model_version may be lower than the current one's.
        keep: bundles to keep afterwards, the current one among them; 2 or more. On a full disk
            older ones are removed before the new one is written, but neither the current one nor
            the one before it.
        wait_s: seconds to wait for another process that installs there.
        notify: called with a line for people when there is a wait, or bundles are removed early.

    Returns:
        The change; None if that bundle is current already, and whole.

    Raises:
        BundleError: the bundle, or the folder's installed.json, is damaged or cannot be trusted.
        InstallError: the folder holds another model or other things, or is not a folder; the bundle
            is older; another process installs there, or changed the bundle while it was checked; or
            the disk refuses.
        InputError: `keep` is less than 2, or an argument is of another type.
        StropError: whatever else `check` raises.
    """
    if type(keep) is not int or keep < MIN_KEEP:
        raise InputError(
            f"`keep` must be {MIN_KEEP} or more, got {keep!r}",
            "keep one to run and one to go back to",
        )
    source = path_of(source, "source")
    folder = _folder(folder, wait_s)
    bundle = open_bundle(source, trusted_keys)
    bundle.check_digests()
    # An archive has one way to be written: these are the bytes that were verified, whatever has
    # happened to the file since.
    content = archive.pack(bundle.members)
    name = sha256_hex(content)
    with refusals(f"install into {printable(folder)}"):
        durable.add_folder(folder)
        with alone(folder, wait_s, notify) as held:
            before = installed.find(folder)
            admit(folder, before, bundle.manifest, allow_downgrade)
            durable.add_folder(installed.bundles_folder(folder))
            store.settle(folder)  # from here on the folders stay too
            if before and before.current.bundle == name and store.is_whole(folder, name):
                return None
            path = installed.bundle_path(folder, name)
            fresh = not os.path.lexists(path)
            try:
                store.reserve(folder)
                before = _stage(folder, name, content, before, keep, held, notify)
                checked = _prove(open_bundle(path, trusted_keys), check, before)
                event = _event(installed.INSTALL, name, bundle, checked, before)
                bundles = before.bundles if before else ()
                if bundles[-1:] != (name,):  # else it replaces its own damaged copy
                    bundles = (*bundles, name)
                after = _commit(folder, bundles[-keep:], before, event, held)
            except BaseException:
                with contextlib.suppress(OSError, BundleError):  # the next install will do it
                    if held.is_held():
                        store.settle(folder)
                        if installed.find(folder):
                            store.reserve(folder)
                        else:
                            store.unreserve(folder)
                            if fresh:
                                durable.remove(path)
                raise
            _clear(folder, after, held)
            return event


def rollback(
    folder: str | PathLike[str],
    *,
    check: Check,
    of: str | None = None,
    trusted_keys: Trusted = None,
    wait_s: float = WAIT_S,
    notify: Notify = lambda line: None,
) -> Event:
    """Make the previous bundle of a folder the current one again.

    The bundle that was current is removed. Called again, this goes further back. If this raises,
    the current bundle stays current, in every case. It needs no room on the folder's disk.

    Args:
        folder: a folder that `install` keeps.
        check: as `install` has it.
        of: the bundle that is to go: if another one is current by now, nothing is changed. None:
            whichever is current.
        trusted_keys: as `strop.load` has it.
        wait_s: seconds to wait for another process that installs there.
        notify: called with a line for people when there is a wait.

    Returns:
        The change.

    Raises:
        BundleError: nothing is installed there, or the earlier bundle is gone, damaged or cannot
            be trusted.
        InstallError: there is no earlier bundle; `of` is not current; another process installs
            there, or changed the bundle while it was checked; or the disk refuses.
        InputError: an argument is of another type.
        StropError: whatever else `check` raises.
    """
    folder = _folder(folder, wait_s)
    installed.read(folder)  # before a lock is made in a folder that is not ours
    with refusals(f"roll back {printable(folder)}"), alone(folder, wait_s, notify) as held:
        store.settle(folder)
        before = installed.read(folder)
        if of not in (None, before.current.bundle):
            raise InstallError(
                f"{printable(folder)} has another current bundle by now, "
                f"v{before.current.model_version}: it stays current"
            )
        if len(before.bundles) < 2:
            raise InstallError(
                f"{printable(folder)} has no earlier bundle to go back to",
                f"install the one you want: strop install BUNDLE --into {printable(folder)}",
            )
        name = before.bundles[-2]
        path = installed.bundle_path(folder, name)
        try:
            bundle = open_bundle(path, trusted_keys)
            bundle.check_digests()
            if not store.is_whole(folder, name):
                raise BundleError(f"{printable(path)} is not the bundle that its name says")
        except BundleError as error:
            raise BundleError(
                f"{error.problem}; it is the bundle that {printable(folder)} would go back to",
                either(error.mend, "install it from its file instead, with --allow-downgrade"),
            ) from None
        checked = _prove(bundle, check, before)
        event = _event(installed.ROLLBACK, name, bundle, checked, before)
        after = _commit(folder, before.bundles[:-1], before, event, held)
        _clear(folder, after, held)
        return event


def _folder(folder: str | PathLike[str], wait_s: float) -> str:
    """Check the arguments that `install` and `rollback` share; return the folder's path."""
    if type(wait_s) not in (int, float) or not wait_s >= 0:
        raise InputError(f"`wait_s` must be seconds, 0 or more, got {wait_s!r}")
    return path_of(folder, "folder")


def _stage(
    folder: str,
    name: str,
    content: bytes,
    before: Record | None,
    keep: int,
    held: Lock,
    notify: Notify,
) -> Record | None:
    """Write a bundle beside the others; on a full disk, remove first those that may go.

    These are the bundles that the install would remove at its end, except the one for a rollback
    if the install is refused.

    Returns:
        The record as it is afterwards.
    """
    path = installed.bundle_path(folder, name)
    try:
        durable.write(path, content, mode=0o444)
    except OSError as error:
        kept = before.bundles[-max(keep - 1, MIN_KEEP) :] if before else ()
        if before is None or kept == before.bundles or not store.is_full(error):
            raise
        number = len(before.bundles) - len(kept)
        notify(f"the disk is full: removing {number} older bundle{'s'[: number - 1]} first")
        before = store.commit(folder, before._replace(bundles=kept), held.require, frees=True)
        store.sweep(folder, before)
        durable.write(path, content, mode=0o444)
    return before


def _prove(bundle: Bundle, check: Check, before: Record | None) -> tuple[RecordedResult, ...]:
    """Run the check, and say in its errors which bundle is refused and which is current."""
    it = f"{bundle.manifest.name} v{bundle.manifest.model_version}"
    stays = _stays(before)
    try:
        return tuple(check(bundle))
    except StropError as error:
        raise type(error)(f"{it} is refused: {error.problem}; {stays}", error.mend) from None
    except OSError as error:  # a temporary file, a process: not the folder
        why = error.strerror or error
        raise StropError(f"{it} cannot be checked here: {why}; {stays}") from error


def _stays(before: Record | None) -> str:
    return f"v{before.current.model_version} stays current" if before else "nothing is installed"


def _commit(
    folder: str, bundles: tuple[str, ...], before: Record | None, event: Event, held: Lock
) -> Record:
    """Make the last of the bundles current, if it and the lock are still what they were."""
    name = bundles[-1]

    def last() -> None:
        held.require()
        if not store.is_whole(folder, name):
            raise InstallError(
                f"{printable(installed.bundle_path(folder, name))} was removed or changed while it "
                f"was checked; {_stays(before)}",
                "find out what else writes there, then try again",
            )

    history = (*(before.history if before else ()), event)[-installed.MAX_HISTORY :]
    record = Record(installed.SCHEMA, bundles, history)
    return store.commit(folder, record, last, frees=event.action == installed.ROLLBACK)


def _clear(folder: str, after: Record, held: Lock) -> None:
    """Remove what is not needed any more, and make sure of the reserve."""
    if held.is_held():
        store.sweep(folder, after)
        with contextlib.suppress(OSError):  # the next install will do it
            store.reserve(folder)


def _event(
    action: str,
    name: str,
    bundle: Bundle,
    checked: tuple[RecordedResult, ...],
    before: Record | None,
) -> Event:
    manifest = bundle.manifest
    return Event(
        action,
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        bundle=name,
        digest=bundle.digest,
        name=manifest.name,
        model_version=manifest.model_version,
        target=manifest.target,
        strop=__version__,
        checked=checked,
        replaced=before.current.bundle if before else None,
    )
