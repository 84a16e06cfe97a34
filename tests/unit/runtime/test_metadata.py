"""The bound on a picture's metadata, seen by formats."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from strop.errors import InputError
from strop.model import metadata
from strop.model.decoding import decode


def _picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (28, 28), (9, 8, 7)).save(content, kind)
    return content.getvalue()


def _with(kind: str, size: int, pieces: int = 1) -> bytes:
    """A picture with so many pieces of metadata of this size, as the format has them."""
    plain = _picture(kind)
    if kind == "PNG":
        body = b"prVt" + bytes(size)
        chunk = struct.pack(">I", size) + body + struct.pack(">I", zlib.crc32(body))
        return plain[:33] + chunk * pieces + plain[33:]  # behind the header
    if kind == "JPEG":
        return (
            plain[:2]
            + (b"\xff\xfe" + struct.pack(">H", size + 2) + bytes(size)) * pieces
            + plain[2:]
        )
    chunk = b"EXIF" + struct.pack("<I", size) + bytes(size + size % 2)
    whole = plain[12:] + chunk * pieces
    return b"RIFF" + struct.pack("<I", 4 + len(whole)) + b"WEBP" + whole


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_little_is_read_over(kind: str) -> None:
    assert decode(io.BytesIO(_with(kind, 1001, 3))).shape == (28, 28, 3)


@pytest.mark.parametrize(
    ("kind", "size", "pieces"),
    [
        ("PNG", metadata.MAX_BYTES + 1, 1),
        ("PNG", 10, metadata.MAX_PIECES + 1),
        ("JPEG", 60_000, metadata.MAX_BYTES // 60_000 + 1),
        ("JPEG", 10, metadata.MAX_PIECES + 1),
        ("WEBP", metadata.MAX_BYTES + 1, 1),
    ],
)
def test_too_much_is_refused(kind: str, size: int, pieces: int) -> None:
    with pytest.raises(InputError, match="bytes of metadata"):
        decode(io.BytesIO(_with(kind, size, pieces)))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 99])
def test_a_file_may_end_anywhere(content: bytes) -> None:
    metadata.require_little(io.BytesIO(content))
