"""The outer layer of a bundle: a ZIP with exactly one way to be written.

Entries are stored (never compressed), in ascending order of name but for `manifest.json`, which
comes first, all with the same timestamp and mode. The archive comment is the SHA-256, in hex, of
every byte before it. `unpack` accepts bytes only if packing what it found gives the same bytes
again, so whatever ZIP readers may disagree on (duplicates, gaps, hidden members, odd flags,
sizes that lie) is refused by one rule. Any ZIP tool can read a bundle; only `pack` can write one.

The format is PKWARE's APPNOTE 6.3.3, sections 4.3.7 (local header), 4.3.12 (central directory)
and 4.3.16 (end record). Reading it with `struct` rather than `zipfile` keeps the start-up of an
app short and gives every Python version the same bytes: docs/decisions/0007-own-zip.md.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType

from strop.errors import BundleError

MANIFEST = "manifest.json"

# Far above any model this runtime is meant for, far below what hurts a small board.
MAX_ARCHIVE_BYTES = 512 * 2**20
MAX_NAME_BYTES = 255  # what a file name may have on every file system
MAX_MEMBERS = 1024

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20  # 2.0: the lowest that every reader knows
_MADE_BY_UNIX = 3 << 8 | _VERSION
_TIME, _DATE = 0, 1 << 5 | 1  # 1980-01-01 00:00, the earliest a ZIP can say
_MODE = 0o100644 << 16
_DIGEST_BYTES = 64


def pack(members: Mapping[str, bytes]) -> bytes:
    """Write members (name -> content) as the one ZIP that `unpack` accepts.

    Raises:
        BundleError: a name is empty, too long, not printable ASCII or not a plain relative path;
            too many members; the whole is larger than `MAX_ARCHIVE_BYTES`.
    """
    body = _write(members)
    return body + _digest(body)


def _write(members: Mapping[str, bytes]) -> bytes:
    """The archive up to its comment, which is the digest of all this."""
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
    local, central = bytearray(), bytearray()
    for name in sorted(members, key=lambda name: (name != MANIFEST, name)):
        content = members[name]
        encoded = name.encode("ascii")
        size = len(content)
        common = (_VERSION, 0, 0, _TIME, _DATE, zlib.crc32(content), size, size, len(encoded), 0)
        offset = len(local)
        local += _LOCAL.pack(b"PK\3\4", *common) + encoded + content
        central += _CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, *common, 0, 0, 0, _MODE, offset)
        central += encoded
    count = len(members)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(central), len(local), _DIGEST_BYTES)
    return b"".join((local, central, end))


def _digest(body: bytes | memoryview) -> bytes:
    return hashlib.sha256(body).hexdigest().encode("ascii")


def unpack(data: bytes | bytearray) -> Mapping[str, bytes]:
    """Read a bundle's members, or refuse it; nothing is ever written to disk.

    Raises:
        BundleError: the bytes are not exactly what `pack` would have written.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BundleError(f"{len(data)} bytes; a bundle is at most {MAX_ARCHIVE_BYTES}")
    view = memoryview(data)  # slices of it copy nothing
    if _digest(view[:-_DIGEST_BYTES]) != view[-_DIGEST_BYTES:]:
        raise BundleError(
            "damaged or not a bundle: its bytes do not match the SHA-256 at its end; copy it again"
        )
    body = bytes(view[:-_DIGEST_BYTES])
    members = _members(body)
    if _write(members) != body:
        raise BundleError("tampered with: not the ZIP that Strop writes; export it again")
    return MappingProxyType(members)


def _members(body: bytes) -> dict[str, bytes]:
    """Walk the local headers; whatever this believes wrongly, packing again will show."""
    members: dict[str, bytes] = {}
    offset = 0
    try:
        while body[offset : offset + 4] == b"PK\3\4":
            if len(members) > MAX_MEMBERS:  # half a gigabyte of headers would fill a small board
                break
            fields = _LOCAL.unpack_from(body, offset)
            size, name_bytes = fields[7], fields[9]
            start = offset + _LOCAL.size + name_bytes
            name = body[offset + _LOCAL.size : start].decode("ascii")
            if name in members:
                raise BundleError(f"tampered with: {name!r} is there twice; export it again")
            members[name] = body[start : start + size]
            offset = start + size
    except (struct.error, UnicodeDecodeError) as error:
        raise BundleError(f"not a bundle: unreadable ZIP ({error})") from None
    return members


def _check_name(name: str) -> None:
    plain = name.isascii() and name.isprintable() and "\\" not in name and ":" not in name
    if (
        not plain
        or not 0 < len(name) <= MAX_NAME_BYTES
        or any(part in ("", ".", "..") for part in name.split("/"))
    ):
        raise BundleError(f"{name!r} is no name for a member: use a plain relative path in ASCII")
