"""Parquet files of digits with damage, and the rows of which nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tests.scale.digits import write

GROUP_ROWS: Final = 2_000
GROUPS: Final = 3
ROWS: Final = GROUPS * GROUP_ROWS
_PAGE_BYTES: Final = 1 << 16

# The rows that `write_bad_rows` damages, with what they hold then.
BAD_IMAGES: Final[dict[int, bytes | None]] = {
    3: None,
    10: bytes(783),
    1_999: bytes(785),
    2_000: b"",
    3_456: bytes(2 * 784),
}
BAD_LABELS: Final[dict[int, int | None]] = {7: None, 4_000: 10, 5_000: -1, 5_999: 1 << 40}


class Page(NamedTuple):
    """A damaged page.

    Attributes:
        rows: the rows of its row group.
        row: one of them, which is bad; so are those that follow.
    """

    rows: range
    row: int


def write_bad_rows(rows: pa.Table, path: Path) -> set[int]:
    """Write rows of which some cannot be evaluated, and return their numbers."""
    columns = {name: rows[name].to_pylist() for name in ("image", "label")}
    wrong: Iterable[tuple[str, dict[int, Any]]] = (("image", BAD_IMAGES), ("label", BAD_LABELS))
    for name, values in wrong:
        for row, value in values.items():
            columns[name][row] = value
    for name, values_of_all in columns.items():
        place = rows.schema.get_field_index(name)
        kind = rows.schema.field(name).type
        rows = rows.set_column(place, name, pa.array(values_of_all, kind))
    write(rows, path, GROUP_ROWS)
    return BAD_IMAGES.keys() | BAD_LABELS.keys()


def write_bad_page(rows: pa.Table, path: Path, group: int) -> Page:
    """Write rows, and flip a byte in the images of a row group, at three quarters of them."""
    write(rows, path, GROUP_ROWS, _PAGE_BYTES)
    images = pq.ParquetFile(path).metadata.row_group(group).column(0)
    place = images.data_page_offset + images.total_compressed_size * 3 // 4
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
    first = group * GROUP_ROWS
    return Page(range(first, first + GROUP_ROWS), first + GROUP_ROWS * 3 // 4)
