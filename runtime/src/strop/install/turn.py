"""A process's turn to change a folder: one at a time, and the disk may refuse."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator

from strop.errors import InstallError, printable
from strop.install import lock, store
from strop.install.lock import Lock

_OWNER = "run it as the user that the folder and its lock belong to"
_MENDS = {
    errno.EACCES: _OWNER,
    errno.EPERM: _OWNER,
    errno.EEXIST: "that is a file: name a folder",
    errno.ENOTDIR: "that is a file: name a folder",
    errno.EROFS: "mount it for writing",
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room on that disk",
}

Notify = Callable[[str], None]


@contextlib.contextmanager
def alone(folder: str, wait_s: float, notify: Notify) -> Iterator[Lock]:
    """Hold the folder's lock, so that no other process installs there.

    Args:
        folder: the folder that `strop install` keeps.
        wait_s: seconds to wait for another process.
        notify: called with a line for people when there is a wait.

    Raises:
        InstallError: another process still holds it.
        OSError: the lock cannot be made.
    """
    place = printable(folder)

    def waiting(holder: str) -> None:
        notify(f"{holder_of(holder)} is installing into {place}: waiting for it")

    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(lock.hold(f"{folder}/{store.LOCK}", wait_s, waiting))
        except lock.Held as error:
            raise InstallError(
                f"{holder_of(str(error))} is installing into {place}, and did not end in "
                f"{wait_s:g} s",
                "try again, or wait longer with --wait",
            ) from None
        yield held


def holder_of(number: str) -> str:
    """Name the process that holds a lock, from what `lock.Held` says."""
    return f"process {number}" if number else "another process"


@contextlib.contextmanager
def refusals(action: str) -> Iterator[None]:
    """Turn an OSError of the folder's disk into an InstallError.

    Args:
        action: what is done, for the message: "install into FOLDER".
    """
    try:
        yield
    except OSError as error:
        mend = _MENDS.get(error.errno or 0, "")
        raise InstallError(f"cannot {action}: {error.strerror or error}", mend) from None
