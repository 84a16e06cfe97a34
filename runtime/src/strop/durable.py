"""Durable writes: a power cut at any moment leaves the old file or the new one, whole.

A file is written under another name in the same folder, flushed to the disk, and moved into its
place. Then the folder is flushed too, because a name is part of its folder: a move that is not
flushed may be lost, or be kept while an earlier one is lost. Pillai et al., "All File Systems Are
Not Created Equal", OSDI 2014, describe what file systems promise without that, and how programs
lost data.

Every change to the disk here is one call of `os`, so that tests can stop before and after each of
them, and replay each power cut (tests/reliability).
"""

# One call of os for each change, and no wait for pathlib:
# ruff: noqa: PTH100, PTH102, PTH105, PTH108, PTH112, PTH120

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable

# Windows lacks most of these, and writes text unless told otherwise.
_BINARY, _CLOEXEC = getattr(os, "O_BINARY", 0), getattr(os, "O_CLOEXEC", 0)
_WRITE = os.O_WRONLY | _BINARY | _CLOEXEC | getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

DRAFT = ".part"  # how the names of drafts end; one that is left over was never moved into place


def write(
    path: str,
    content: bytes | memoryview,
    mode: int = 0o666,
    *,
    over: str | None = None,
    last: Callable[[], None] | None = None,
) -> None:
    """Write a whole file in place of the old one, and return when it is sure to stay there.

    Args:
        path: the file's path; a file that is there already is replaced at once.
        content: the bytes of the new file.
        mode: permissions of the new file, before the umask.
        over: a file in the same folder to write into, and then move to `path`, instead of a draft.
            Content that is no larger than it needs no room on the disk. If this raises, it stays.
        last: called just before the move, which does not happen if this raises.

    Raises:
        OSError: the file cannot be written. No draft is left, and the file at `path` is untouched,
            unless the last step failed, flushing the folder: then it is the old or the new.
    """
    draft = over or f"{path}.{os.urandom(4).hex()}{DRAFT}"
    try:
        _fill(draft, _NO_LINK if over else os.O_CREAT | os.O_EXCL, content, mode)
        if last:
            last()
        os.replace(draft, path)
    except BaseException:
        if not over:
            with contextlib.suppress(OSError):  # it is not there, or the disk has gone
                os.unlink(draft)
        raise
    sync_folder(os.path.dirname(path) or ".")


def require_file(path: str) -> None:
    """Refuse a path that is a link, a device, a pipe or a socket: `write` would replace it.

    /dev/stdout is a link, for one.

    Raises:
        OSError: it does.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder cannot be replaced
            raise OSError(errno.EINVAL, "not a regular file")


def reserve(path: str, size: int) -> None:
    """Take room on the disk: make a file whose only use is to `write` another one over it.

    The bytes are random: a compressing file system would take little room for others.

    Args:
        path: the file's path; a file that is there already is overwritten.
        size: bytes to take.

    Raises:
        OSError: the disk is full, or the file cannot be written. No file is left.
    """
    try:
        _fill(path, os.O_CREAT | _NO_LINK, os.urandom(size), 0o666)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def create(path: str, content: bytes, mode: int) -> None:
    """Write a new file, and flush it, but not its name.

    Args:
        path: the file's path.
        content: the bytes of the file.
        mode: permissions of the file, before the umask.

    Raises:
        FileExistsError: there is something at `path`, which stays.
        OSError: the file cannot be written. No file is left.
    """
    try:
        _fill(path, os.O_CREAT | os.O_EXCL, content, mode)
    except FileExistsError:
        raise
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def _fill(path: str, flags: int, content: bytes | memoryview, mode: int) -> None:
    """Write this content into a file, and flush it."""
    descriptor = os.open(path, _WRITE | flags, mode)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        if os.fstat(descriptor).st_size > len(content):
            os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: str, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, and flush their names.

    Args:
        path: the folder's path.
        mode: permissions of each folder that is made, before the umask.

    Raises:
        OSError: one cannot be made, or something else is there.
    """
    if not os.path.isdir(path):
        add_folder(path, mode)
        sync_names(path)


def add_folder(path: str, mode: int = 0o777) -> None:
    """Make a folder as `make_folder` does, but flush nothing.

    Args:
        path: the folder's path.
        mode: permissions of each folder that is made, before the umask.

    Raises:
        OSError: one cannot be made, or something else is there.
    """
    if os.path.isdir(path):
        return
    add_folder(os.path.dirname(os.path.abspath(path)), mode)
    try:
        os.mkdir(path, mode)
    except FileExistsError:  # by another process, since
        if not os.path.isdir(path):
            raise


def remove(path: str) -> None:
    """Remove a file, if it is there.

    It may come back after a power cut, so only files that nothing refers to are removed.

    Raises:
        OSError: it is there and cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_names(path: str) -> None:
    """Flush the names that lead to a folder, from its own up to the root of its file system.

    Folders that this user may not read are left out: they are older than ours.

    Raises:
        OSError: the disk failed.
    """
    path = os.path.abspath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
        with contextlib.suppress(PermissionError):
            sync_folder(path)


def sync_folder(path: str) -> None:
    """Flush the names in a folder to the disk.

    Some file systems cannot do this, such as some over a network, nor can Windows, which opens no
    folders; there it does nothing.

    Raises:
        OSError: the disk failed, or the folder may not be read.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system cannot do it
            raise
    finally:
        os.close(descriptor)
