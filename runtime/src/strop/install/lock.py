"""A lock between processes, with one holder at a time, that ends with its holder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator

from strop.errors import InstallError, printable

_LOOK_S = 0.05  # between two tries
_MODE = 0o600  # any user who can open the file can lock it, and keep all others out
_DIGITS = 20  # of the holder's process id, filled up with spaces
_held: set[int] = set()


class Held(Exception):
    """Another process holds the lock; the message is its process id, or "" if that is not known."""


class Lock:
    """A lock that is held, until its file is removed or replaced."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def is_held(self) -> bool:
        """Tell whether the path still names the locked file.

        If it does not, another process may have locked the file that is there now.
        """
        try:
            found = os.lstat(self._path)
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._descriptor))

    def require(self) -> None:
        """Raise InstallError unless the lock is still held."""
        if not self.is_held():
            raise InstallError(
                f"{printable(self._path)} was removed or replaced, so another process may install "
                "there",
                "try again",
            )


@contextlib.contextmanager
def hold(path: str, wait_s: float, notify: Callable[[str], None]) -> Iterator[Lock]:
    """Hold a file's lock (flock) for the length of a `with`.

    The file is made if it is missing, for this user alone, and holds the holder's process id for
    people to read. It stays: a process that waits for it has it open.

    Args:
        path: the file.
        wait_s: seconds to wait for another holder.
        notify: called once, with the holder's process id or "", when there is a wait.

    Raises:
        Held: another process still holds it.
        InstallError: something other than a regular file is there.
        OSError: the file cannot be opened for writing, or its file system has no locks.
    """
    end = time.monotonic() + wait_s
    notified = False
    while True:
        descriptor = _open(path)
        _held.add(descriptor)
        try:
            lock = Lock(path, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(descriptor)
                if time.monotonic() >= end:
                    raise Held(holder) from None
                if not notified:
                    notify(holder)
                    notified = True
                time.sleep(_LOOK_S)
                continue
            if not lock.is_held():  # the file was removed or replaced before it was locked
                continue
            _sign(descriptor)
            yield lock
            return
        finally:
            if descriptor in _held:  # else this is a fork, which has let go
                _held.remove(descriptor)
                os.close(descriptor)


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, _MODE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _irregular(path) from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise _irregular(path)
    if stat.S_IMODE(found.st_mode) != _MODE:
        with contextlib.suppress(PermissionError):  # root's, in a folder that root installed into
            os.fchmod(descriptor, _MODE)
    return descriptor


def _irregular(path: str) -> InstallError:
    return InstallError(f"{printable(path)} is not a regular file", "remove it")


def _sign(descriptor: int) -> None:
    """Write this process's id over the last holder's, which takes no room on the disk."""
    try:
        os.pwrite(descriptor, f"{os.getpid():<{_DIGITS}}".encode("ascii"), 0)
    except OSError:  # a full disk, and the file was empty: nobody is named then
        os.ftruncate(descriptor, 0)


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, _DIGITS, 0).decode("ascii", "replace").strip()
    return text if text.isdecimal() else ""


def _let_go() -> None:
    """Close the held files in a forked process, which has their locks too.

    Without this, a fork that hangs would hold a lock after its parent died.
    """
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
