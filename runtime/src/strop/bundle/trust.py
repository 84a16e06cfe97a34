"""The keys whose bundles may run here: public keys as text, and the files that list them.

A file has one key per line, as `strop keygen` writes it; text after the key is for people:

    # the release machine, 2026
    ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60 release
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from strop.bundle.files import path_of, read_file
from strop.bundle.manifest import is_printable
from strop.errors import BundleError, InputError, printable

MAX_BYTES = 64 * 2**10  # of a file of keys: some 600 of them, far more than a device needs

_MOST_LINKS = 40  # in a chain, as Linux has it
_LINE = re.compile(r"ed25519:([0-9a-f]{64})(?:[ \t]+(.*))?")

# The curve's field, and the heights (y) of the points of its small subgroup, whose order divides 8.
# Anybody can make a signature for such a key, without a secret. A height that is not below the
# field's size is a second way to write another key (RFC 8032, 5.1.3).
_FIELD = 2**255 - 19
_EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7  # of order 8
_SMALL_ORDER = frozenset((0, 1, _FIELD - 1, _EIGHTH, _FIELD - _EIGHTH))


class PublicKey(NamedTuple):
    """An Ed25519 public key (RFC 8032), and what people call it."""

    raw: bytes  # 32 of them
    comment: str = ""

    @property
    def text(self) -> str:
        """The one form in which the key is written, without its comment."""
        return f"ed25519:{self.raw.hex()}"

    @property
    def line(self) -> bytes:
        """The key's line in a file of keys, in UTF-8, with its comment and a newline."""
        return f"{self.text} {self.comment}".rstrip().encode("utf-8") + b"\n"

    def __str__(self) -> str:
        return f"{self.text} ({printable(self.comment)})" if self.comment else self.text


class Trust(NamedTuple):
    """The keys of which one must have signed a bundle, and where they are from, for messages."""

    keys: tuple[PublicKey, ...]
    source: str

    def find(self, raw: bytes) -> PublicKey | None:
        """Return the trusted key of these bytes; None if there is none.

        Args:
            raw: the 32 bytes of a public key.
        """
        return next((key for key in self.keys if key.raw == raw), None)


def parse_key(line: str) -> PublicKey:
    """Read `ed25519:` and 64 lower-case hexadecimal digits, then a comment, if there is one.

    Args:
        line: one line of a file of keys.

    Raises:
        BundleError: it is not that, or anybody can sign for the key.
    """
    found = _LINE.fullmatch(line.strip())
    if not found or not is_printable(found[2] or ""):  # not shown: it may be a private one
        raise BundleError(
            "not a public key", "write ed25519: and 64 hexadecimal digits, as strop keygen does"
        )
    key = PublicKey(bytes.fromhex(found[1]), found[2] or "")
    height = int.from_bytes(key.raw, "little") % 2**255
    if height >= _FIELD or height in _SMALL_ORDER:
        raise BundleError(f"weak key: anybody could sign for {key.text}", "remove it")
    return key


def read_trust(trusted_keys: str | os.PathLike[str] | Sequence[str]) -> Trust:
    """Read the trusted keys from a file, or take the keys given.

    Empty lines and comments, which start with #, are skipped, with any blanks before them.

    Args:
        trusted_keys: the path of a file of keys, or the keys themselves.

    Raises:
        BundleError: the file is missing, unreadable, too large or not a regular file; another user
            may change it; a line is not a key; or there is no key.
        InputError: the argument is of another type.
    """
    if isinstance(trusted_keys, str | os.PathLike):
        path = path_of(trusted_keys, "trusted_keys")
        source, lines = f"the trusted keys in {printable(path) or repr(path)}", key_lines(path)
    elif isinstance(trusted_keys, list | tuple) and all(type(key) is str for key in trusted_keys):
        source, lines = "the trusted keys given", list(trusted_keys)
    else:
        raise InputError(
            "`trusted_keys` must be the path of a file, or a list of keys as text, got "
            f"{type(trusted_keys).__name__}"
        )
    keys = tuple(key for _, key in parse_keys(lines, source))
    if not keys:
        raise BundleError(
            f"{source}: there is no key in it, so no bundle can be trusted", "add one"
        )
    return Trust(keys, source)


def parse_keys(lines: Iterable[str], source: str) -> Iterator[tuple[int, PublicKey]]:
    """Yield the keys of a file's lines, each with its line's number from 1 on.

    Empty lines and comments, which start with #, are skipped, with any blanks before them.

    Args:
        lines: the lines.
        source: where they are from, for messages.

    Raises:
        BundleError: a line is not a key.
    """
    for number, line in enumerate(lines, 1):
        if line.strip()[:1] in ("", "#"):
            continue
        try:
            key = parse_key(line)
        except BundleError as error:
            raise error.within(f"{source}, line {number}") from None
        yield number, key


def key_lines(
    path: str,
    what: str = "the trusted keys",
    max_bytes: int = MAX_BYTES,
    mend: str = "name a file of keys with trusted_keys=, --trusted-keys or STROP_TRUSTED_KEYS",
) -> list[str]:
    """Read the lines of a file of keys, if no other user may change them.

    Args:
        path: the file.
        what: what its keys are, for messages.
        max_bytes: the largest size that is read.
        mend: what to do if it cannot be read.

    Raises:
        BundleError: the file is missing, unreadable, too large or not a regular file; or another
            user may change it.
    """
    shown = printable(path) or repr(path)
    try:
        data, status = read_file(path, max_bytes)
        _require_ours(path, status, what)
        for folder in _folders(path):
            _require_ours(folder, os.stat(folder), what)  # noqa: PTH116
    except OSError as error:
        raise BundleError(
            f"cannot read {what} in {shown}: {error.strerror or error}", mend
        ) from None
    try:
        return data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BundleError(f"{what} in {shown}: not UTF-8 text ({error.reason})") from None


def _folders(path: str) -> Iterator[str]:
    """Yield the folder of a file and, if it is a symbolic link, of each file that it leads to."""
    # Texts: importing pathlib takes 4 ms.
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(os.path.dirname(path) or ".")  # noqa: PTH120
        yield folder
        path = os.path.join(folder, os.path.basename(path))  # noqa: PTH118, PTH119
        if not os.path.islink(path):  # noqa: PTH114
            return
        path = os.path.join(folder, os.readlink(path))  # noqa: PTH115, PTH118
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _require_ours(path: str, status: os.stat_result, what: str) -> None:
    """Raise BundleError if another user than root or this one may change a file or a folder.

    In a folder with the sticky bit, such as /tmp, others may not replace a file of ours.
    """
    if not hasattr(os, "geteuid"):  # Windows: its access lists are not in the status
        return
    shown = printable(path)
    if status.st_uid not in (0, os.geteuid()):
        raise BundleError(
            f"user {status.st_uid} may change {what}: {shown} is theirs",
            f"chown root {shown}",
        )
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise BundleError(
            f"other users may change {what}: they may write {shown}",
            f"chmod go-w {shown}",
        )
