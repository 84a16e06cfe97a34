"""Durable writes: a power cut at any moment leaves the old file or the new one, and that whole.

A file is written under another name in the same folder, flushed to the disk, and moved into its
place. Then the folder is flushed too, because a name is part of its folder: a move that is not
flushed may be lost, or be kept while an earlier one is lost. Pillai et al., "All File Systems Are
Not Created Equal", OSDI 2014, describe what file systems promise without that, and how programs
have lost data by it.

Every change to the disk here is one call of `os`, so that tests can stop before and after each of
them, and play back what a power cut makes of them (tests/reliability).
"""

# One call of os for each change, and no wait for pathlib:
# ruff: noqa: PTH100, PTH102, PTH105, PTH108, PTH112, PTH120

from __future__ import annotations

import contextlib
import errno
import os

DRAFT = ".part"  # how the names of drafts end; one that is left over was never moved into place


def write(path: str, content: bytes | memoryview, mode: int = 0o666) -> None:
    """Write a whole file in place of the old one, and return when it is sure to stay there.

    Args:
        path: the file's path; a file that is there already is replaced at once.
        content: the bytes of the new file.
        mode: permissions of the new file, before the umask.

    Raises:
        OSError: the file cannot be written. No draft is left, and what was at `path` is untouched,
            unless the last step failed, flushing the folder: then it is the old or the new.
    """
    draft = f"{path}.{os.urandom(4).hex()}{DRAFT}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):  # it is not there, or the disk has gone
            os.unlink(draft)
        raise
    sync_folder(os.path.dirname(path) or ".")


def make_folder(path: str, mode: int = 0o777) -> None:
    """Make a folder and those above it, as far as they are missing, and flush their names.

    Args:
        path: the folder's path.
        mode: permissions of each folder that is made, before the umask.

    Raises:
        OSError: one cannot be made, or what stands there is no folder.
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
        OSError: one cannot be made, or what stands there is no folder.
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

    A name in a folder that this user may not read is left out: such a folder is older than ours.

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

    Some file systems, as some over a network, cannot do this; on those it does nothing.

    Raises:
        OSError: the disk failed, or the folder may not be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot, as some over a network
            raise
    finally:
        os.close(descriptor)
