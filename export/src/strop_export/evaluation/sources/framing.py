"""The framing of TFRecord files: each record has its length and checksums of both.

    uint64 length, uint32 masked CRC-32C of it, the data, uint32 masked CRC-32C of them

All little endian (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details).
TensorFlow's reader ends at the first bad checksum and takes seconds to import; this one goes on
where the length is good.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import google_crc32c

MAX_RECORD_BYTES = 2**26
_PIECE = 2**20  # bytes of a record that is refused, read at once
_MASK = 0xA282EAD8


class Broken(Exception):
    """A file cannot be read on: where the next record starts is unknown."""


def frames(stream: Any) -> Iterator[bytes | str]:
    """Yield the data of each record; of a bad one, the reason.

    Args:
        stream: whose `read(n)` gives at most n bytes, none at the end.

    Raises:
        Broken: a length is damaged, or the file ends within a record.
    """
    while header := _read(stream, 12):
        if len(header) < 12:
            raise Broken("the file ends within the length of a record")
        if _masked(header[:8]) != header[8:]:
            raise Broken("the length of a record fails its checksum")
        length = int.from_bytes(header[:8], "little")
        if length > MAX_RECORD_BYTES:
            _skip(stream, length + 4)
            yield f"the record has {length} bytes, more than {MAX_RECORD_BYTES}"
            continue
        data = _read(stream, length + 4)
        if len(data) < length + 4:
            raise Broken("the file ends within a record")
        content = data[:length]
        yield content if _masked(content) == data[length:] else "the record fails its checksum"


def _masked(data: bytes) -> bytes:
    crc: int = google_crc32c.value(data)
    turned = (crc >> 15 | crc << 17) + _MASK
    return (turned & 0xFFFFFFFF).to_bytes(4, "little")


def _read(stream: Any, size: int) -> bytes:
    """Read bytes, fewer only at the end."""
    found: bytes = stream.read(size)
    while len(found) < size and (piece := stream.read(size - len(found))):
        found += piece
    return found


def _skip(stream: Any, size: int) -> None:
    while size:
        piece = len(stream.read(min(size, _PIECE)))
        if not piece:
            raise Broken("the file ends within a record")
        size -= piece
