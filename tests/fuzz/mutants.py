"""Mutants of a file, by number: the same number gives the same mutant on every machine.

Half of the changes are anywhere. The other half are at a format's lengths, offsets and names
(`places`), with values that parsers get wrong: zero, one, the largest, one more.
"""

from __future__ import annotations

import random
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

Place = tuple[int, int]  # the position of an integer, and its size in bytes

EDGES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63,
    2**64 - 1,
)
_CHANGES = (1, 1, 1, 2, 4)  # in one mutant
_MOST_BYTES = 64  # inserted or removed by one change
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[][{},:]')
_TOKENS = (
    *b"0 1 -1 1.0 0.5 1e999 -1e999 1e308 NaN Infinity 9223372036854775808 null true false".split(),
    *rb'"" "a" "../../a" "/etc/passwd" "\u0000" "\ud800" "\u001b[2J"'.split(),
    *b'[[]] [null] [] {} { } [ ] , : "'.split(),
    b"9" * 4000,
    b"[" * 40 + b"]" * 40,
)


class Seed(NamedTuple):
    """A valid file, and the places to change."""

    name: str
    data: bytes
    places: Sequence[Place] = ()
    is_json: bool = False


def mutant(seed: Seed, number: int) -> bytes:
    """Return the mutant of a number, which always differs from the seed."""
    dice = random.Random(f"{seed.name} {number}")
    data = bytearray(seed.data)
    while True:
        for _ in range(dice.choice(_CHANGES)):
            if seed.is_json and dice.random() < 0.7:
                _change_token(dice, data)
            elif seed.places and dice.random() < 0.5:
                _change_place(dice, data, seed.places)
            else:
                dice.choice(_ANYWHERE)(dice, data)
        if data != seed.data:
            return bytes(data)


def _change_place(dice: random.Random, data: bytearray, places: Sequence[Place]) -> None:
    """Set an integer of the structure to an edge value, a close one, or another place's value."""
    at, size = dice.choice(places)
    here = int.from_bytes(data[at : at + size], "little")
    other, width = dice.choice(places)
    value = dice.choice(
        (
            dice.choice(EDGES),
            here + dice.choice((-4, -2, -1, 1, 2, 4)),
            here ^ 1 << dice.randrange(8 * size),
            int.from_bytes(data[other : other + width], "little"),
        )
    )
    data[at : at + size] = (value % 256**size).to_bytes(size, "little")


def _change_token(dice: random.Random, data: bytearray) -> None:
    """Replace, double or drop a token of JSON."""
    tokens = [match.span() for match in _TOKEN.finditer(data)]
    if dice.random() < 0.8:  # values and keys: invalid JSON is refused early
        tokens = [span for span in tokens if data[span[0]] not in b"[]{},:"]
    if not tokens:
        return
    start, end = dice.choice(tokens)
    first, last = dice.choice(tokens)
    data[start:end] = dice.choice(
        (dice.choice(_TOKENS), bytes(data[first:last]), b"", data[start:end] * 2)
    )


def _flip(dice: random.Random, data: bytearray) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _set(dice: random.Random, data: bytearray) -> None:
    size = dice.choice((1, 2, 4, 8))
    at = dice.randrange(len(data) + 1)
    order = dice.choice(("little", "big"))
    value = (dice.choice(EDGES) % 256**size).to_bytes(size, order)
    data[at : at + size] = value


def _insert(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.randbytes(dice.randint(1, _MOST_BYTES))


def _delete(dice: random.Random, data: bytearray) -> None:
    start, end = _span(dice, data)
    del data[start:end]


def _copy(dice: random.Random, data: bytearray) -> None:
    """Copy bytes to another position, by overwriting or inserting."""
    start, end = _span(dice, data)
    at = dice.randrange(len(data) + 1)
    data[at : dice.choice((at, at + end - start))] = data[start:end]


def _swap(dice: random.Random, data: bytearray) -> None:
    start, end = _span(dice, data)
    at = dice.randrange(len(data) + 1)
    there = data[at : at + end - start]
    data[at : at + end - start], data[start:end] = data[start:end], there


def _truncate(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(len(data) + 1) :]


def _span(dice: random.Random, data: bytearray) -> tuple[int, int]:
    start = dice.randrange(len(data) + 1)
    return start, min(start + dice.randint(1, _MOST_BYTES), len(data))


_ANYWHERE: tuple[Callable[[random.Random, bytearray], None], ...] = (
    *(_flip, _flip, _flip, _set, _set, _insert, _delete, _copy, _swap, _truncate),
)


def plan_places(data: bytes) -> list[Place]:
    """The numbers of a plan's header and records (docs/plan-format.md)."""
    (data_at,) = struct.unpack_from("<I", data, 44)
    return [(at, 4) for at in range(8, data_at, 4)]


def zip_places(data: bytes) -> list[Place]:
    """The headers and names of a ZIP, and the headers of its arrays."""
    places: list[Place] = []
    with zipfile.ZipFile(BytesIO(data)) as file:
        for entry in file.infolist():
            start = entry.header_offset
            places += _integers(start, "4s5H3I2H") + [
                (start + 30 + i, 1) for i in range(len(entry.filename))
            ]
            content = start + 30 + len(entry.filename)
            if entry.filename.endswith(".npy"):
                places += [(content + i, 1) for i in range(min(128, entry.file_size))]
        at = file.start_dir
    while data[at : at + 4] == b"PK\1\2":
        places += _integers(at, "4s6H3I5H2I")
        name, extra, comment = struct.unpack_from("<3H", data, at + 28)
        at += 46 + name + extra + comment
    return places + _integers(at, "4s4H2IH")


def _integers(start: int, layout: str) -> list[Place]:
    """The integers of a header of that layout, its signature included."""
    places, at = [], start
    for count, kind in re.findall(r"(\d*)([sHI])", layout):
        size = {"s": 4, "H": 2, "I": 4}[kind]
        for _ in range(1 if kind == "s" else int(count or 1)):
            places.append((at, size))
            at += size
    return places


def npy_places(data: bytes) -> list[Place]:
    """The header of an array, byte by byte."""
    return [(i, 1) for i in range(10 + int.from_bytes(data[8:10], "little"))]


def protobuf_places(data: bytes) -> list[Place]:
    """The tags, lengths and numbers of a message and its nested messages."""
    return list(_message(data, 0, len(data))) or [(0, 1)]


def _message(data: bytes, at: int, end: int) -> Iterator[Place]:
    """The places of a message; none if these bytes are not a message."""
    places: list[Place] = []
    while at < end:
        tag, size = _varint(data, at, end)
        places.append((at, size))
        at += size
        if not size or tag & 7 not in (0, 2, 5) or not tag >> 3:
            return
        if tag & 7 == 5:
            at += 4
            continue
        value, size = _varint(data, at, end)
        places.append((at, size))
        at += size
        if tag & 7 == 2:
            places += _message(data, at, at + value) if at + value <= end else ()
            at += value
    if at == end:
        yield from (place for place in places if place[1])


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(data[at : min(at + 10, end)]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, i + 1
    return 0, 0


def flatbuffer_places(data: bytes) -> list[Place]:
    """The fields of all reachable tables, their vtables, and the lengths of vectors."""
    places: dict[Place, None] = {(0, 4): None}
    _table(data, _u32(data, 0), places, set())
    return list(places)


def _table(data: bytes, table: int, places: dict[Place, None], seen: set[int]) -> bool:
    """Add a table and its references; False if there is none. Types are guessed from the bytes."""
    fields = table - int.from_bytes(data[table : table + 4], "little", signed=True)
    if table in seen:
        return True
    if table + 4 > len(data) or not 0 <= fields <= len(data) - 4 or fields == table:
        return False
    size, inline = struct.unpack_from("<2H", data, fields)
    slots = (
        []
        if size > 128
        else [at for at in range(fields + 4, fields + size, 2) if at + 2 <= len(data)]
    )
    if size % 2 or size < 4 or inline < 4 or inline > 256 or len(slots) != (size - 4) // 2:
        return False
    seen.add(table)
    places |= dict.fromkeys([(table, 4), (fields, 2), (fields + 2, 2), *((at, 2) for at in slots)])
    for at in slots:
        (offset,) = struct.unpack_from("<H", data, at)
        if offset and offset < inline:
            _field(data, table + offset, places, seen)
    return True


def _field(data: bytes, at: int, places: dict[Place, None], seen: set[int]) -> None:
    """Add a scalar, or follow an offset to a table or a vector."""
    places[at, 4] = None
    there = at + _u32(data, at)
    if there == at or there + 4 > len(data) or _table(data, there, places, seen):
        return
    count = _u32(data, there)
    if there + 4 + count > len(data):
        return
    places[there, 4] = None
    for i in range(min(count, 64)):
        entry = there + 4 + 4 * i
        if not _table(data, entry + _u32(data, entry), places, seen):
            places |= {(entry, 4): None} if count <= 8 and entry + 4 <= len(data) else {}
            break


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
