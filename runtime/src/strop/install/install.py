"""Making a bundle the current one of a folder: verified, proven on this device, then at once.

The order makes it safe. The bundle is written beside the others and flushed. The staged file proves
itself. Only then is installed.json moved into place, the one moment in which the folder changes. A
stop before that moment leaves the old bundle current, a stop after it leaves the new one, and the
next process that installs sweeps away what lies about (docs/decisions/0018-install.md).
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from os import PathLike

from strop import durable
from strop.bundle import archive, installed
from strop.bundle.digest import sha256_hex
from strop.bundle.file import Bundle
from strop.bundle.installed import Event, Record, RecordedResult
from strop.bundle.manifest import Manifest
from strop.bundle.open import open_bundle
from strop.errors import BundleError, InputError, InstallError, StropError, either
from strop.install import lock, store
from strop.versions import __version__

KEEP = 3  # bundles: the current one, and two to go back to
MIN_KEEP = 2  # without the one before there is no way back
WAIT_S = 60.0  # for another who installs
_MENDS = {
    errno.EACCES: "run it as the user that the folder belongs to",
    errno.EPERM: "run it as the user that the folder belongs to",
    errno.EEXIST: "that is a file: name a folder",
    errno.ENOTDIR: "that is a file: name a folder",
    errno.EROFS: "mount it for writing",
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room on that disk",
}

Check = Callable[[Bundle], Sequence[RecordedResult]]  # raises what refuses the bundle
Trusted = str | PathLike[str] | Sequence[str] | None
Notify = Callable[[str], None]


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

    If this raises, what was current stays so, in every case.

    Args:
        source: the bundle; or another such folder, for what is current there.
        folder: the folder to install into.
        check: proves the staged bundle on this device, or raises; `selfcheck.self_check`.
        trusted_keys: as `strop.load` has it.
        allow_downgrade: whether its model_version may be less than the current one's.
        keep: bundles to keep afterwards, the current one among them; 2 or more.
        wait_s: seconds to wait for another process that installs there.
        notify: called with a line for people when there is a wait.

    Returns:
        What was done; None if that bundle is the current one, and whole.

    Raises:
        BundleError: the bundle, or the folder's installed.json, is damaged or cannot be trusted.
        InstallError: the folder is another model's, or holds other things, or is no folder; the
            bundle is older; another process installs there; or the disk refuses.
        InputError: `keep` is less than 2.
        StropError: whatever else `check` raises.
    """
    if keep < MIN_KEEP:
        raise InputError(
            f"`keep` must be {MIN_KEEP} or more, got {keep}", "keep one to run, one to go back to"
        )
    folder = os.fspath(folder)
    bundle = open_bundle(source, trusted_keys)
    bundle.check_digests()
    # An archive has one way to be written: these are the bytes that were verified, and no others
    # that have come into the file since.
    content = archive.pack(bundle.members)
    name = sha256_hex(content)
    with _refusals(f"install into {folder}"):
        durable.add_folder(folder)
        with _alone(folder, wait_s, notify):
            before = installed.find(folder)
            _admit(folder, before, bundle.manifest, allow_downgrade)
            durable.add_folder(installed.bundles_folder(folder))
            store.settle(folder)  # from here on the folders stay too
            if before and before.current.bundle == name and store.is_whole(folder, name):
                return None
            path = installed.bundle_path(folder, name)
            fresh = not os.path.lexists(path)
            try:
                durable.write(path, content, mode=0o444)
                checked = _prove(open_bundle(path, trusted_keys), check, before)
                event = _event(installed.INSTALL, name, bundle, checked, before)
                bundles = before.bundles if before else ()
                if bundles[-1:] != (name,):  # else it takes the place of its own damaged copy
                    bundles = (*bundles, name)
                after = store.commit(folder, bundles[-keep:], before, event)
            except BaseException:
                with contextlib.suppress(OSError, BundleError):  # the next one who installs will
                    store.settle(folder)
                    if fresh and installed.find(folder) is None:
                        durable.remove(path)
                raise
            store.sweep(folder, after)
            return event


def rollback(
    folder: str | PathLike[str],
    *,
    check: Check,
    trusted_keys: Trusted = None,
    wait_s: float = WAIT_S,
    notify: Notify = lambda line: None,
) -> Event:
    """Make the previous bundle of a folder the current one again.

    The bundle that was current is removed. Called again, this goes further back. If this raises,
    what was current stays so, in every case.

    Args:
        folder: a folder that `install` keeps.
        check: as `install` has it.
        trusted_keys: as `strop.load` has it.
        wait_s: seconds to wait for another process that installs there.
        notify: called with a line for people when there is a wait.

    Returns:
        What was done.

    Raises:
        BundleError: nothing is installed there, or the earlier bundle is gone, damaged or cannot
            be trusted.
        InstallError: there is none to go back to; another process installs there; or the disk
            refuses.
        StropError: whatever else `check` raises.
    """
    folder = os.fspath(folder)
    installed.read(folder)  # before a lock is made in a folder that is none of ours
    with _refusals(f"roll back {folder}"), _alone(folder, wait_s, notify):
        before = installed.read(folder)
        if len(before.bundles) < 2:
            raise InstallError(
                f"{folder} has no earlier bundle to go back to",
                f"install one, strop install BUNDLE --into {folder} --allow-downgrade",
            )
        name = before.bundles[-2]
        path = installed.bundle_path(folder, name)
        try:
            bundle = open_bundle(path, trusted_keys)
            bundle.check_digests()
            if not store.is_whole(folder, name):
                raise BundleError(f"{path} is another bundle than its name says")
        except BundleError as error:
            raise BundleError(
                f"{error.problem}; it is what {folder} would go back to",
                either(error.mend, "install it from its file instead, with --allow-downgrade"),
            ) from None
        checked = _prove(bundle, check, before)
        event = _event(installed.ROLLBACK, name, bundle, checked, before)
        store.sweep(folder, store.commit(folder, before.bundles[:-1], before, event))
        return event


def _admit(folder: str, before: Record | None, manifest: Manifest, allow_downgrade: bool) -> None:
    """Raise InstallError unless a bundle may come into the folder after what is there."""
    if before is None:
        strange = sorted(entry for entry in os.listdir(folder) if not store.is_ours(entry))  # noqa: PTH208
        if strange:
            raise InstallError(
                f"{folder} holds other things ({strange[0]}) and no installed bundle",
                "name a folder of its own",
            )
        return
    current = before.current
    if manifest.name != current.name:
        raise InstallError(
            f"{folder} is the place of {current.name}, and this bundle is of {manifest.name}",
            "install it into a folder of its own",
        )
    if manifest.model_version < current.model_version and not allow_downgrade:
        raise InstallError(
            f"{folder} has {current.name} v{current.model_version}, and this bundle is the older "
            f"v{manifest.model_version}",
            f"strop rollback {folder} goes back to the one before; --allow-downgrade installs this "
            "one",
        )


def _prove(bundle: Bundle, check: Check, before: Record | None) -> tuple[RecordedResult, ...]:
    it = f"{bundle.manifest.name} v{bundle.manifest.model_version}"
    stays = f"v{before.current.model_version} stays current" if before else "nothing is installed"
    try:
        return tuple(check(bundle))
    except StropError as error:
        raise type(error)(f"{it} is refused: {error.problem}; {stays}", error.mend) from None
    except OSError as error:  # a temporary file, a process: nothing that the folder refuses
        why = error.strerror or error
        raise StropError(f"{it} cannot be checked here: {why}; {stays}") from error


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


@contextlib.contextmanager
def _alone(folder: str, wait_s: float, notify: Notify) -> Iterator[None]:
    """Hold the folder's lock, so that nobody else installs there."""

    def waiting(holder: str) -> None:
        notify(f"{_holder(holder)} is installing into {folder}: waiting for it")

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.hold(f"{folder}/{store.LOCK}", wait_s, waiting))
        except lock.Held as error:
            raise InstallError(
                f"{_holder(str(error))} is installing into {folder}, and was not done in "
                f"{wait_s:g} s",
                "try again, or wait longer with --wait",
            ) from None
        yield


def _holder(number: str) -> str:
    return f"process {number}" if number else "another process"


@contextlib.contextmanager
def _refusals(action: str) -> Iterator[None]:
    """Turn what the folder's disk refuses, an OSError, into an InstallError."""
    try:
        yield
    except OSError as error:
        mend = _MENDS.get(error.errno or 0, "")
        raise InstallError(f"cannot {action}: {error.strerror or error}", mend) from None
