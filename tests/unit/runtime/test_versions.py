"""Comparing versions."""

from __future__ import annotations

import pytest

from strop.versions import release


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("2.10.0rc1", (2, 10)),
        ("2.1", (2, 1)),
        ("2.1.0", (2, 1)),
        ("3.13.0b2", (3, 13)),
        ("2.36-9+deb12u4", (2, 36)),
        ("unknown", ()),
        ("", ()),
    ],
)
def test_a_release_is_the_numbers_it_begins_with(version: str, numbers: tuple[int, ...]) -> None:
    assert release(version) == numbers


def test_ten_comes_after_nine() -> None:
    assert release("2.9.9") < release("2.10")
