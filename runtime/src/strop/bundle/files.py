"""Reading the files that a device is given: they may be of any kind and any size.

Opening a FIFO waits until somebody writes to it, and opening an integer takes over the descriptor
of that number. So a path must be a path, and only regular files are read.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from strop.errors import InputError, printable

if TYPE_CHECKING:  # an app waits for every import
    from typing import Any, BinaryIO

# Windows has none of these.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def path_of(path: Any, argument: str) -> str:
    """Return a path as text.

    Args:
        path: what a caller gave: text, or an `os.PathLike` of text.
        argument: the argument's name, for messages.

    Raises:
        InputError: it is of another type, or no file can have that name.
    """
    try:
        text = os.fspath(path)
    except TypeError:
        text = path
    if not isinstance(text, str):
        raise InputError(
            f"`{argument}` must be a path, got {type(text).__name__}",
            "give a str or a pathlib.Path",
        )
    try:
        sound = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        sound = False
    if not sound:
        raise InputError(f"`{argument}` must be a name that a file can have, got {text!r}")
    return text


def read_file(path: str, max_bytes: int, *, links: bool = True) -> tuple[bytes, os.stat_result]:
    """Read a regular file.

    Args:
        path: the file.
        max_bytes: the largest size that is read.
        links: False refuses a symbolic link, where the system can.

    Returns:
        The bytes, and the status of the file that they are from.

    Raises:
        OSError: it cannot be read, is larger, or is not a regular file.
    """
    with open_regular(path, links=links) as file:
        status = os.fstat(file.fileno())
        if status.st_size > max_bytes:
            raise OSError(errno.EFBIG, f"more than {max_bytes} bytes")
        # Not more than it has: memory is taken, and given back, for all that is asked for.
        return file.read(status.st_size + 1), status


def read_secret(path: str, what: str, longest: int) -> bytes:
    """Read the first line of a file, without the blanks around it.

    Args:
        path: the file.
        what: what the line is, for messages: "the token".
        longest: bytes that are read at most.

    Raises:
        InputError: the file cannot be read, is not a regular file, or others may read or change it.
    """
    shown = printable(path)
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(longest).strip()
    except OSError as error:
        raise InputError(f"cannot read {what} in {shown}: {error.strerror or error}") from None
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise InputError(f"others may read or change {what} in {shown}", f"chmod 640 {shown}")
    return line


def open_regular(path: str, *, links: bool = True) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: the file.
        links: False refuses a symbolic link, where the system can.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
        ValueError: the path holds a zero byte, or half a surrogate pair.
    """
    file = open(path, "rb", opener=_open if links else _open_no_link)  # noqa: SIM115  the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file")
    return file


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS)


def _open_no_link(path: str, flags: int) -> int:
    return _open(path, flags | _NO_LINK)
