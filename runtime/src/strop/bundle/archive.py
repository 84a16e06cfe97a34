"""The outer layer of a bundle: a ZIP that can be written in exactly one way.

Entries are stored (never compressed), in ascending order of name except `manifest.json`, which
comes first, all with the same timestamp and mode. The archive comment is the SHA-256, in hex, of
every byte before it. `unpack` accepts bytes only if packing what it found gives the same bytes
again, so one rule refuses whatever ZIP readers may disagree on (duplicates, gaps, hidden members,
odd flags, sizes that lie). Any ZIP tool can read a bundle; only `pack` can write one.

The format is PKWARE's APPNOTE 6.3.3, sections 4.3.7 (local header), 4.3.12 (central directory)
and 4.3.16 (end record). Reading it with `struct` rather than `zipfile` keeps the start-up of an
app short and gives every Python version the same bytes: docs/decisions/0007-own-zip.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from strop.bundle.digest import sha256_hex
from strop.errors import BundleError, printable

MANIFEST = "manifest.json"

# Far above any model this runtime is meant for, far below what hurts a small board.
MAX_ARCHIVE_BYTES = 512 * 2**20
MAX_NAME_BYTES = 255  # the longest file name that every file system takes
MAX_MEMBERS = 1024

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20  # 2.0: the lowest that every reader knows
_MADE_BY_UNIX = 3 << 8 | _VERSION
_TIME, _DATE = 0, 1 << 5 | 1  # 1980-01-01 00:00, the earliest a ZIP can say
_MODE = 0o100644 << 16
_DIGEST_BYTES = 64


def pack(members: Mapping[str, bytes | memoryview]) -> bytes:
    """Write members as the one ZIP that `unpack` accepts.

    Args:
        members: the content of each member, by its name.

    Returns:
        The bytes of the ZIP.

    Raises:
        BundleError: there is no `manifest.json`; a name is empty, too long, not printable ASCII or
            not a plain relative path; there are too many members; the whole is larger than
            `MAX_ARCHIVE_BYTES`.
    """
    body = b"".join(_pieces(members))
    return body + _digest(body)


def unpack(data: bytes | bytearray) -> Mapping[str, memoryview]:
    """Read a bundle's members, or refuse it; nothing is ever written to disk.

    Args:
        data: the whole bundle. A bytearray is copied once, bytes are not.

    Returns:
        The content of each member, by its name; each is a view of the data.

    Raises:
        BundleError: the bytes are not exactly what `pack` would have written.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BundleError(f"more than {MAX_ARCHIVE_BYTES} bytes, the limit for a bundle")
    view = memoryview(bytes(data))  # no copy of bytes, and of a bytearray one that stays as it is
    if _digest(view[:-_DIGEST_BYTES]) != view[-_DIGEST_BYTES:]:
        raise BundleError(
            "damaged or not a bundle: its bytes do not match the SHA-256 at its end",
            "copy it again",
        )
    body = view[:-_DIGEST_BYTES]
    members = _members(body)
    offset = 0
    # Contents are views of the bytes they would be compared with: in this order, after headers of
    # these lengths, they are where they belong.
    same = list(members) == _in_order(members)
    for piece in _pieces(members):
        end = offset + len(piece)
        same = same and (isinstance(piece, memoryview) or piece == bytes(body[offset:end]))
        offset = end
    if not same or offset != len(body):
        raise BundleError("tampered with: not the ZIP that Strop writes", "export it again")
    return MappingProxyType(members)


def _pieces(members: Mapping[str, bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Yield the archive in pieces, up to its comment, which is the digest of all this."""
    if MANIFEST not in members:
        raise BundleError(f"a bundle needs a {MANIFEST}; these members have none")
    if len(members) > MAX_MEMBERS:
        raise BundleError(f"a bundle holds at most {MAX_MEMBERS} members, not {len(members)}")
    total = _END.size + _DIGEST_BYTES
    for name, content in members.items():
        _check_name(name)
        total += _LOCAL.size + _CENTRAL.size + 2 * len(name) + len(content)
    if total > MAX_ARCHIVE_BYTES:
        raise BundleError(f"a bundle is at most {MAX_ARCHIVE_BYTES} bytes, not {total}")
    offset, central = 0, bytearray()
    for name in _in_order(members):
        content = members[name]
        encoded = name.encode("ascii")
        size = len(content)
        common = (_VERSION, 0, 0, _TIME, _DATE, zlib.crc32(content), size, size, len(encoded), 0)
        yield _LOCAL.pack(b"PK\3\4", *common) + encoded
        yield content
        central += _CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, *common, 0, 0, 0, _MODE, offset)
        central += encoded
        offset += _LOCAL.size + len(encoded) + size
    yield bytes(central)
    count = len(members)
    yield _END.pack(b"PK\5\6", 0, 0, count, count, len(central), offset, _DIGEST_BYTES)


def _in_order(members: Mapping[str, bytes | memoryview]) -> list[str]:
    return sorted(members, key=lambda name: (name != MANIFEST, name))


def _digest(body: bytes | memoryview) -> bytes:
    return sha256_hex(body).encode("ascii")


def _members(body: memoryview) -> dict[str, memoryview]:
    """Read the members by walking the local headers.

    A false header is believed here; packing the members again, in `unpack`, shows that it is false.
    """
    members: dict[str, memoryview] = {}
    offset = 0
    try:
        while bytes(body[offset : offset + 4]) == b"PK\3\4":
            if len(members) > MAX_MEMBERS:  # half a gigabyte of headers would fill a small board
                break
            fields = _LOCAL.unpack_from(body, offset)
            size, name_bytes = fields[7], fields[9]
            start = offset + _LOCAL.size + name_bytes
            name = str(body[offset + _LOCAL.size : start], "ascii")
            if name in members:
                what = f"tampered with: {name!r} is there twice"
                raise BundleError(what, "export it again")
            members[name] = body[start : start + size]
            offset = start + size
    except (struct.error, UnicodeDecodeError) as error:
        raise BundleError(f"not a bundle: unreadable ZIP ({printable(str(error))})") from None
    return members


def _check_name(name: str) -> None:
    plain = name.isascii() and name.isprintable() and "\\" not in name and ":" not in name
    if (
        not plain
        or not 0 < len(name) <= MAX_NAME_BYTES
        or any(part in ("", ".", "..") for part in name.split("/"))
    ):
        raise BundleError(f"a member's name is {name!r}", "use a plain relative path in ASCII")
