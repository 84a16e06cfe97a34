"""Versions of Strop, engines, Python and C libraries.

This module does not use `re`: compiling patterns would slow every start.
"""

from __future__ import annotations

from itertools import takewhile

__version__ = "0.1.0"

MOST_NUMBERS, MOST_DIGITS = 6, 9  # of a version that a manifest names


def release(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (2, 10) for 2.10.0rc1.

    Trailing zeros are dropped, so that 2.1 equals 2.1.0.
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
    """Return whether a text is a release as in a manifest: numbers separated by dots.

    It has at most six numbers of at most nine digits each.
    """
    parts = text.split(".", MOST_NUMBERS)  # a hostile one may have millions
    return (
        text.isascii()
        and len(parts) <= MOST_NUMBERS
        and all(part.isdecimal() and len(part) <= MOST_DIGITS for part in parts)
    )


def install_line(extra: str) -> str:
    """Return the command that installs an extra of strop; the wheel comes with the bundle.

    It names the wheel's file because pip expands no wildcards, and quotes it for the shell.

    Args:
        extra: the extra of strop's wheel: "onnx", "signing".
    """
    # The wheels of strop-native lie beside it, and pip chooses the one for the machine.
    beside = "--find-links . " if extra == "native" else ""
    return f"pip install {beside}'./strop-{__version__}-py3-none-any.whl[{extra}]'"
