"""The size of what a picture file holds besides pixels, which Pillow copies several times."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from strop.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MAX_BYTES = 2**23
MAX_PIECES = 2**12

_PIXELS = (b"IDAT", b"fdAT", b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
_ALONE = (b"\x01", *(bytes([marker]) for marker in range(0xD0, 0xD9)))  # JPEG's without a length


def require_little(file: BinaryIO) -> None:
    """Refuse a PNG, JPEG or WebP with too much metadata; leave the file at its start.

    Args:
        file: open, and able to seek.

    Raises:
        InputError: the metadata have more than `MAX_BYTES` bytes, or `MAX_PIECES` pieces.
    """
    file.seek(0)
    total = pieces = 0
    for size in _pieces(file):
        total, pieces = total + size, pieces + 1
        if total > MAX_BYTES or pieces > MAX_PIECES:
            raise InputError(
                f"the picture has too many metadata: at most {MAX_BYTES} bytes of metadata in "
                f"{MAX_PIECES} pieces are allowed",
                "save it again without metadata",
            )
    file.seek(0)


def _pieces(file: BinaryIO) -> Iterator[int]:
    """Yield the bytes of each chunk or segment without pixels; of a JPEG up to its first scan."""
    start = file.read(12)
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _chunks(file, 8, ">I4s", extra=4)  # and a checksum
    elif start[:4] == b"RIFF" and start[8:] == b"WEBP":
        yield from _chunks(file, 12, "<4sI", extra=0)
    elif start[:2] == b"\xff\xd8":
        yield from _segments(file)


def _chunks(file: BinaryIO, place: int, head: str, extra: int) -> Iterator[int]:
    while True:
        file.seek(place)
        content = file.read(8)
        if len(content) < 8:
            return
        pair = struct.unpack(head, content)
        name, size = pair if isinstance(pair[0], bytes) else pair[::-1]
        if name not in _PIXELS:
            yield size
        # WebP's chunks begin at even places.
        place += 8 + size + extra + (size % 2 if head[0] == "<" else 0)


def _segments(file: BinaryIO) -> Iterator[int]:
    file.seek(2)
    while byte := file.read(1):
        if byte != b"\xff":
            continue  # between segments; Pillow skips it too
        while (marker := file.read(1)) == b"\xff":
            """Any number of these may come before a marker."""
        if marker in (b"", b"\xda"):  # the end, or the first scan
            return
        if marker == b"\x00" or marker in _ALONE:
            continue
        size = max(2, int.from_bytes(file.read(2), "big"))
        yield size
        file.seek(size - 2, 1)
