"""The keys whose bundles may run here: public keys as text, and the files that list them.

A file has one key a line, as `strop keygen` writes it; what follows the key is for people:

    # the release machine, 2026
    ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60 release
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from typing import NamedTuple

from strop.bundle.manifest import is_printable
from strop.errors import BundleError

MAX_BYTES = 64 * 2**10  # of a file of keys: some 600 of them, far more than a device has makers

_LINE = re.compile(r"ed25519:([0-9a-f]{64})(?:[ \t]+(.*))?")

# The curve's field, and the heights (y) of the points of its small subgroup, whose order divides 8.
# For a key there, a signature can be made of any message without a secret; and a height that is
# not below the field's size is a second way to write another (RFC 8032, 5.1.3).
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
        return f"{self.text} ({self.comment})" if self.comment else self.text


class Trust(NamedTuple):
    """The keys of which one must have signed a bundle, and their source's name for messages."""

    keys: tuple[PublicKey, ...]
    source: str

    def find(self, raw: bytes) -> PublicKey | None:
        """Look up the trusted key of these bytes; return None if there is none.

        Args:
            raw: the 32 bytes of a public key.
        """
        return next((key for key in self.keys if key.raw == raw), None)


def parse_key(line: str) -> PublicKey:
    """Read `ed25519:` and 64 lower-case hexadecimal digits, then, if any, a comment.

    Args:
        line: one line of a file of keys.

    Raises:
        BundleError: it is not that, or a key that others than its owner can sign for.
    """
    found = _LINE.fullmatch(line.strip())
    if not found or not is_printable(found[2] or ""):  # not shown: it may be a private one
        raise BundleError(
            "no public key", "write ed25519: and 64 hexadecimal digits, as strop keygen does"
        )
    key = PublicKey(bytes.fromhex(found[1]), found[2] or "")
    height = int.from_bytes(key.raw, "little") % 2**255
    if height >= _FIELD or height in _SMALL_ORDER:
        raise BundleError(f"no sound key: anybody could sign for {key.text}", "take it out")
    return key


def read_trust(trusted_keys: str | os.PathLike[str] | Sequence[str]) -> Trust:
    """Read the trusted keys from a file, or take those given.

    Empty lines and lines that start with # are skipped.

    Args:
        trusted_keys: the path of a file of keys, or the keys themselves.

    Raises:
        BundleError: the file is missing, unreadable, too large or writable by anybody; a line is no
            key; or there is no key at all.
    """
    if isinstance(trusted_keys, str | os.PathLike):
        path = os.fspath(trusted_keys)
        source, lines = f"the trusted keys in {path or repr(path)}", _lines(path)
    else:
        source, lines = "the trusted keys given", [str(line) for line in trusted_keys]
    keys = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            keys.append(parse_key(line))
        except BundleError as error:
            raise error.within(f"{source}, line {number}") from None
    if not keys:
        raise BundleError(f"{source}: there is none, so no bundle can be trusted", "add one")
    return Trust(tuple(keys), source)


def _lines(path: str) -> list[str]:
    """Read the lines of a file of keys, and refuse a file that anybody may write to."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  importing pathlib takes 4 ms
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BundleError(
            f"cannot read the trusted keys in {path or repr(path)}: {error.strerror or error}",
            "name a file of them with trusted_keys=, --trusted-keys or STROP_TRUSTED_KEYS",
        ) from None
    if mode & stat.S_IWOTH:
        raise BundleError(f"anybody may add to the trusted keys in {path}", f"chmod o-w {path}")
    if len(data) > MAX_BYTES:
        raise BundleError(f"the trusted keys in {path}: more than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BundleError(f"the trusted keys in {path}: no UTF-8 text ({error.reason})") from None
