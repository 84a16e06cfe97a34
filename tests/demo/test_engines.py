"""Three engines in the page, and a proof that fails where a byte differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import bundles
from tests.demo import hand, reading
from tests.demo.conftest import Visit
from tests.demo.site import Site, serve


def test_engines_agree_and_have_a_figure(visit: Visit) -> None:
    """Each engine that one chooses runs, and gives the answer of the others."""
    page = visit()
    hand.draw(page, hand.HANDS["round"]["5"])
    for name in reading.ENGINES:
        told = reading.choose(page, name, "[data-us][data-agrees]")
        assert told["state"] == "ready"
        assert told["agrees"] == "true"
        assert 0 < float(told["us"]) < 1e6
        assert reading.answer(page) == "5"
    for name in reading.ENGINES:
        reading.choose(page, name)
        reading.clear(page)
        hand.draw(page, hand.HANDS["slanted"]["2"])
        assert reading.answer(page) == "2"


def test_the_bundle_is_proven(visit: Visit) -> None:
    """All golden samples give their proven outputs."""
    page = visit()
    assert "128 of 128" in reading.prove(page, "passed")


@pytest.mark.parametrize("at", [0.0, 0.3, 0.5, 1.0])
def test_a_damaged_bundle_is_not_proven(
    visit: Visit, damaged: Callable[..., Path], at: float
) -> None:
    """One other bit anywhere in the bundle fails the proof."""
    with serve(damaged("*.strop", at)) as address:
        page = visit(address)
        said = reading.prove(page, "failed")
        assert "128 of 128" not in said
        hand.draw(page, hand.HANDS["round"]["2"])  # the model in use is sound
        assert reading.answer(page) == "2"


def test_another_bundle_is_not_proven(
    visit: Visit, damaged: Callable[..., Path], site: Site
) -> None:
    """A sound bundle that is not the page's fails the proof."""
    folder = damaged("*.strop")
    (file,) = folder.rglob("*.strop")
    file.write_bytes(bundles.image().pack())
    with serve(folder) as address:
        reading.prove(visit(address), "failed")


@pytest.mark.parametrize("part", ["*.plan", "manifest*.json"])
def test_a_damaged_part_does_not_run(visit: Visit, damaged: Callable[..., Path], part: str) -> None:
    """The page says that the model is damaged, and answers nothing."""
    with serve(damaged(part)) as address:
        page = visit(address, ready=False)
        page.locator("[data-engine=native][data-state=failed]").wait_for()
        expect(page.locator("#message")).not_to_be_empty()
        hand.draw(page, hand.HANDS["round"]["2"])
        assert reading.answer(page) == ""
        assert not reading.bars(page).any()
