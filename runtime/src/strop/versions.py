"""Comparing versions, as far as engines, Pythons and C libraries go."""

from __future__ import annotations

import re


def release(version: str) -> tuple[int, ...]:
    """2.10.0rc1 -> (2, 10): the numbers it begins with."""
    found = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(number) for number in found[0].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()  # 2.1 is 2.1.0
    return tuple(numbers)
