"""Comparing versions."""

from __future__ import annotations

import tracemalloc

import pytest

from strop.versions import is_release, release


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


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("1", True),
        ("2.10.0", True),
        ("1.2.3.4.5.6", True),
        ("123456789.0", True),
        ("", False),
        ("1.", False),
        (".1", False),
        ("1..2", False),
        ("1.2.3.4.5.6.7", False),
        ("1234567890", False),
        ("1.2rc1", False),
        ("-1", False),
        ("1 ", False),
        ("\u0661", False),  # a digit, and not one of ours
        ("\u00b2", False),
    ],
)
def test_a_manifest_names_releases_in_digits_and_dots(text: str, is_one: bool) -> None:
    assert is_release(text) is is_one


def test_a_hostile_one_takes_no_memory_to_read() -> None:
    text = "1." * 2**20
    tracemalloc.start()
    try:
        assert not is_release(text)
        release(text)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(text)
    finally:
        tracemalloc.stop()
