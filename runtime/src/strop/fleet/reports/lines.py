"""Reports as JSON lines in files: the device appends, whoever decides reads copies of the files.

A last line that lacks its newline is normal: it was being written, or being copied.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from strop.bundle.files import open_regular
from strop.errors import ReportError, printable
from strop.fleet.reports.report import MAX_BYTES

FILE_BYTES = (
    2**20
)  # of a device's file: then it is put aside, and replaces the one put aside before
ASIDE = ".1"  # what is added to the name of a file that is put aside

MOST_FILES = 500_000
MOST_BYTES = 4 * 2**30  # of all files: reports of a year of 10,000 devices

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FLAGS = os.O_RDWR | os.O_CREAT | _NO_LINK | getattr(os, "O_BINARY", 0)


def append(path: str, line: bytes, max_bytes: int = FILE_BYTES) -> None:
    """Append a report's line to a file, and return when it is on the disk.

    What a cut left of a last line is overwritten; a file that ends with more than that is put
    aside. One process writes a file.

    Args:
        path: the file.
        line: the line, with its newline.
        max_bytes: a file that would become larger is put aside first, with the name `path`.1.

    Raises:
        ReportError: it cannot be written.
    """
    try:
        if not _write(path, line, max_bytes):
            os.replace(path, path + ASIDE)  # noqa: PTH105
            _write(path, line, max_bytes)
    except OSError as error:
        raise ReportError(
            f"cannot write the reports in {printable(path)}: {error.strerror or error}"
        ) from None


def read_lines(pattern: str) -> Iterator[bytes]:
    """Yield the lines of all files that match a pattern; of a line that is too long, its start.

    Args:
        pattern: as a shell has them; `**` stands for any folders.

    Raises:
        ReportError: a file or a folder cannot be read, a file is not a regular one, or there are
            too many: a decision by a part of the reports could be wrong.
    """
    left = MOST_BYTES
    for count, path in enumerate(_paths(pattern)):
        if count >= MOST_FILES:
            raise ReportError(f"{pattern}: more than {MOST_FILES} files", "remove old ones")
        try:
            with open_regular(path) as file:
                is_start = True  # of a line; not the rest of one that is too long
                while piece := file.readline(MAX_BYTES + 1):
                    left -= len(piece)
                    if left < 0:
                        raise ReportError(
                            f"{pattern}: the files have more than {MOST_BYTES} bytes",
                            "remove old reports: only the newest of each device counts",
                        )
                    is_end = piece.endswith(b"\n")
                    if is_start and (is_end or len(piece) > MAX_BYTES):
                        yield piece
                    is_start = is_end
        except FileNotFoundError:  # put aside, or removed, since
            continue
        except OSError as error:
            raise ReportError(
                f"cannot read the reports in {printable(path)}: {error.strerror or error}"
            ) from None


def _paths(pattern: str) -> Iterator[str]:
    """Yield the paths that match a pattern; raise ReportError if a folder cannot be read."""
    anchor, *parts = Path(glob.escape(os.getcwd()), pattern).parts  # noqa: PTH109
    try:
        yield from _matches(anchor, parts)
    except OSError as error:
        where = printable(os.fspath(error.filename or pattern))
        raise ReportError(
            f"cannot read the reports in {where}: {error.strerror or error}"
        ) from None


def _matches(folder: str, parts: Sequence[str]) -> Iterator[str]:
    """Yield the paths below a folder that match a pattern.

    The module `glob` does it too, but takes a folder that it cannot read for an empty one.

    Args:
        folder: where to look.
        parts: the pattern's parts, of which each is a name, or stands for names.

    Raises:
        OSError: a folder cannot be read.
    """
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # removed since, or no folder
        if part != "**" and not glob.has_magic(part):
            path = os.path.join(folder, part)  # noqa: PTH118
            os.lstat(path)
            yield from _matches(path, rest)
            return
        if part == "**":
            yield from _matches(folder, rest)
        is_dot = part.startswith(".")  # else names that start with one are hidden, as in a shell
        with os.scandir(folder) as entries:
            for entry in entries:
                if part == "**":
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        yield from _matches(entry.path, parts)
                elif fnmatch.fnmatch(entry.name, part) and (is_dot or entry.name[0] != "."):
                    yield from _matches(entry.path, rest)


def _write(path: str, line: bytes, max_bytes: int) -> bool:
    """Write a line after the last whole one; False: the file has no room for it."""
    descriptor = os.open(path, _FLAGS, 0o644)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        start = max(0, status.st_size - MAX_BYTES)
        os.lseek(descriptor, start, os.SEEK_SET)
        last = os.read(descriptor, MAX_BYTES).rfind(b"\n")
        if start and last < 0:  # whatever this is, it would swallow the line
            return False
        end = start + last + 1
        if end and end + len(line) > max_bytes:
            return False
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        left = memoryview(line)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True
