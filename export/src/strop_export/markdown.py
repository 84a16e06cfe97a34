"""Markdown of other people's text: escaped, and in tables."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

from strop.errors import printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")  # Markdown gives these a meaning


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[str]
) -> list[str]:
    """Return the lines of a table.

    Args:
        header: names of the cells.
        rows: cells, of any text.
        numbers: names of the columns that end at the right.
    """
    return [
        "| " + " | ".join(map(escaped, header)) + " |",
        "|" + "|".join("--:" if name in numbers else "---" for name in header) + "|",
        *("| " + " | ".join(map(escaped, cells)) + " |" for cells in rows),
    ]


def escaped(text: str) -> str:
    """Return other people's text for one line of Markdown, where it stands for itself."""
    return _SPECIAL.sub(r"\\\1", printable(text))
