"""Writing so that a power cut, at any moment, leaves the old or the new, and that whole.

A file is written under another name in the same folder, flushed to the disk, and moved into its
place; then the folder is flushed too, for a name is part of its folder, and a move that is not
flushed may be lost, or be kept while an earlier one is lost. What file systems promise without
that, and how programs have lost data by it: Pillai et al., "All File Systems Are Not Created
Equal", OSDI 2014.

Whatever changes the disk here is one call of `os`, so that tests can stop before and after each of
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
    """Put a whole file in its place, and return when it is sure to stay there.

    Args:
        path: what is there already, if that is a file, is replaced at once.
        mode: of the new file, before the umask.

    Raises:
        OSError: it cannot be written. No draft is left, and what was at `path` is untouched,
            unless it was the last step, flushing the folder, that failed: then it is the old
            or the new.
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

    Raises:
        OSError: one cannot be made, or what stands there is no folder.
    """
    if not os.path.isdir(path):
        add_folder(path, mode)
        sync_names(path)


def add_folder(path: str, mode: int = 0o777) -> None:
    """As `make_folder`, but nothing is flushed.

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
    """Remove a file. It may come back after a power cut: only what nothing refers to is removed.

    Raises:
        OSError: it is there and cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_names(path: str) -> None:
    """Flush the names that lead to a folder, from its own up to the root of its file system.

    One in a folder that this user may not read is left out: such a folder is older than ours.

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
