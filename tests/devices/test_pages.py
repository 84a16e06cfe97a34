"""docs/devices, word for word: a board as it comes from its SD card, and a user who types."""

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
