"""Markdown of other people's text: escaped, and in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from strop.errors import printable
from strop_export.columns import Column

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")  # Markdown gives these a meaning


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; figures end at the right."""
    return [
        "| " + " | ".join(escaped(column.title) for column in columns) + " |",
        "|" + "|".join("--:" if column.number else "---" for column in columns) + "|",
        *("| " + " | ".join(map(escaped, cells)) + " |" for cells in rows),
    ]


def escaped(text: str) -> str:
    """Return other people's text for one line of Markdown, where it stands for itself."""
    return _SPECIAL.sub(r"\\\1", printable(text))
