"""EXIF by its structure: types, counts, offsets, loops, ends. Only StropError leaves a picture."""

from __future__ import annotations

import io
import os
import random
import struct
import time

import numpy as np
import pytest

from strop.errors import StropError
from strop.model.decoding import decode, orientation
from tests.fuzz.mutants import Seed, mutant
from tests.needs import unavailable

try:
    from PIL import Image
except ImportError:
    unavailable("no Pillow in this environment", "pip install pillow")

SECONDS = float(os.environ.get("STROP_FUZZ_S", "2")) / 2  # of it for each of the formats
EDGES = (0, 1, 2, 7, 8, 9, 20, 32, 255, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
TAGS = (0x0100, 0x010E, 0x0112, 0x0132, 0x8298, 0x8769, 0x8825, 0xA005, 0x02BC, 0xB000)


def _exif(dice: random.Random) -> bytes:
    """Make a directory of tags with any type, count and offset, which may point to itself."""
    order = dice.choice("<>")
    entries = [
        struct.pack(
            f"{order}HHII",
            dice.choice(TAGS),
            dice.randrange(0, 15),
            dice.choice(EDGES),
            dice.choice((*EDGES, 6 << 16, dice.randrange(200))),
        )
        for _ in range(dice.randrange(6))
    ]
    orient = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, dice.randrange(10), 0)
    entries.insert(dice.randrange(len(entries) + 1), orient)
    count = dice.choice((len(entries), len(entries), 0, 65535))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}IH", dice.choice((8, 8, 8, *EDGES)), count)
    data = head + b"".join(entries) + struct.pack(f"{order}I", dice.choice((0, 8, *EDGES)))
    return b"Exif\0\0" + (data if dice.random() < 0.8 else data[: dice.randrange(len(data))])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::RuntimeWarning")
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_any_exif_is_read_or_refused(format: str) -> None:
    plain = Image.fromarray(np.tile(np.arange(0, 240, 10, dtype=np.uint8), (9, 1)))
    end, number = time.monotonic() + SECONDS, 0
    while number < 60 or time.monotonic() < end:
        exif = _exif(random.Random(number))
        assert 1 <= orientation(exif) <= 8
        content = io.BytesIO()
        plain.save(content, format, exif=exif)
        data = content.getvalue()
        if number % 2:
            data = mutant(Seed(format, data), number)
        try:
            assert decode(io.BytesIO(data)).dtype == np.uint8
        except StropError:
            assert number % 2  # what is whole is read, whatever its EXIF
        number += 1
