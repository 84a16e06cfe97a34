"""The tables of the pages that describe a format: one row for each field."""

from __future__ import annotations

import re


def fields(page: str, heading: str) -> list[tuple[int, int, str]]:
    """(offset, size, content) of the rows of the table under a heading."""
    (section,) = re.findall(rf"### {heading}\n(.*?)(?=\n##|\Z)", page, re.DOTALL)
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (.+?) \|$", section, re.MULTILINE)
    return [(int(offset), int(size), content) for offset, size, content in rows]
