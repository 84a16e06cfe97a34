"""Constants as C text, laid out to be read."""

from __future__ import annotations

import textwrap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

COLUMNS: Final = 100
_TYPES: Final = {"i1": "int8_t", "u1": "uint8_t", "i4": "int32_t", "f4": "float"}


def array(name: str, values: NDArray[Any], note: str = "") -> str:
    """Return the definition of a constant array.

    Args:
        name: its identifier.
        values: int8, uint8, int32 or float32, of any shape.
        note: a comment behind its brace.
    """
    flat = np.ravel(values)
    texts = map(number, flat) if flat.dtype == np.float32 else map(str, flat.tolist())
    said = f"  /* {note} */" if note else ""
    start = f"static const {_TYPES[flat.dtype.str[1:]]} {name}[{flat.size}] = {{"
    return "\n".join((start + said, wrapped(texts), "};"))


def wrapped(texts: Any) -> str:
    """Return texts separated by commas, in lines of at most `COLUMNS` characters."""
    width = COLUMNS - 4
    lines = textwrap.wrap(", ".join(texts), width, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n".join(lines), "    ")


def number(value: Any) -> str:
    """Return a float32 literal that a compiler reads as the same number.

    Infinite numbers and NaN are macros of kernels.h.
    """
    single = np.float32(value)
    if np.isnan(single):
        return "STROP_NAN"
    if np.isinf(single):
        return "STROP_INFINITY" if single > 0 else "-STROP_INFINITY"
    return f"{single!s}f"


def call(function: str, *arguments: object) -> str:
    """Return a call as a statement in a function, in lines of at most `COLUMNS` characters."""
    start = f"    {function}("
    lines = textwrap.wrap(
        ", ".join(map(str, arguments)) + ");",
        COLUMNS,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)
