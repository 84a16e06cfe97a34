"""Versions: our own, and those of engines, Pythons and C libraries.

This module does without `re`, whose patterns an app would wait for at every start.
"""

from __future__ import annotations

from itertools import takewhile

__version__ = "0.1.0"

MOST_NUMBERS, MOST_DIGITS = 6, 9  # of a version that a manifest names


def release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: (2, 10) for 2.10.0rc1.

    Zeros at the end are left out, so that 2.1 and 2.1.0 are the same.
    """
    numbers = []
    for part in version.split(".", MOST_NUMBERS):
        digits = "".join(takewhile(str.isdecimal, part))
        if digits:
            numbers.append(int(digits))
        if not digits or digits != part:
            break
    while numbers and not numbers[-1]:
        numbers.pop()  # 2.1 is 2.1.0
    return tuple(numbers)


def is_release(text: str) -> bool:
    """Tell whether a text is numbers with dots between, as a manifest names an engine's release.

    There are at most six numbers, of at most nine digits each.
    """
    parts = text.split(".", MOST_NUMBERS)  # no more of a hostile one
    return (
        text.isascii()
        and len(parts) <= MOST_NUMBERS
        and all(part.isdecimal() and len(part) <= MOST_DIGITS for part in parts)
    )


def install_line(extra: str) -> str:
    """Give the command that installs an optional part of strop; the wheel comes with the bundle.

    The command names the wheel's file, because pip expands no wildcard, and quotes it, because a
    shell takes the brackets for one.

    Args:
        extra: the extra of strop's wheel: "onnx", "signing".
    """
    return f"pip install './strop-{__version__}-py3-none-any.whl[{extra}]'"
