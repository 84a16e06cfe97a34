"""docs/devices, word for word: the commands of a page on a board as it comes from its SD card."""

from __future__ import annotations

import pytest

from lab import boards
from tests import pages
from tests.devices.laboratory import Laboratory


@pytest.mark.parametrize("walk", boards.names())
def test_the_page_leads_to_a_passed_check(walk: str, laboratory: Laboratory) -> None:
    page = pages.read(walk)
    assert set(page.packages) <= set(boards.load(walk).packages)
    assert page.device[-1].startswith("strop check ")
    done = laboratory.begin_walk(walk).result()
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "give the outputs proven at export" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("walk", boards.names())
def test_the_page_shows_what_is_printed(walk: str, laboratory: Laboratory) -> None:
    page = pages.read(walk)
    printed = laboratory.begin_walk(walk).result().stdout
    assert "\n".join(page.doctor) in printed
    rows = [line.split() for line in printed.splitlines()]
    passed = [(*row[:4], row[-1]) for row in rows if row[3:4] == ["passed"]]
    assert list(page.check) == passed
