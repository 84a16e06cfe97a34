"""Pictures of the page, kept in dist/demo-screens/ to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.demo import hand, reading
from tests.demo.conftest import Visit
from tests.environments import ROOT

SCREENS = ROOT / "dist" / "demo-screens"

TOO_LONG = """engines => [...engines.querySelectorAll("tbody td, tbody th")].filter(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  const [text, room] = [range.getBoundingClientRect(), cell.getBoundingClientRect()];
  return text.width > 0 && (text.left < room.left - 1 || text.right > room.right + 1);
}).map(cell => cell.textContent)"""


@pytest.mark.parametrize("view", reading.VIEWS)
def test_the_screen_shows_what_the_page_tells(visit: Visit, view: str) -> None:
    """The pad has ink, and each bar is as long as its probability."""
    page = visit(**reading.VIEWS[view], reduced_motion="reduce")
    reading.clear(page)
    hand.draw(page, hand.HANDS["slanted"]["1"])  # nearly a 7, to some
    reading.settle(page)
    page.screenshot(path=SCREENS / f"{view}.png")
    screen = reading.screen(page)

    ground = screen[-2, 2]
    assert (ground.mean() < 100) == (view == "dark")
    assert np.ptp(crop(page, screen, "#pad")) > 150
    assert np.ptp(crop(page, screen, "#seen")) > 150
    lengths = np.array([coloured(page, screen, label) for label in "0123456789"])
    told = reading.bars(page)
    assert 0.5 < told.max() < 0.9
    np.testing.assert_allclose(lengths, told, atol=0.03)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_systems_own_colours_show_the_bars(visit: Visit, scheme: str) -> None:
    """With forced colours the pad shows its ink, and the best bar is filled."""
    page = visit(forced_colors="active", color_scheme=scheme, reduced_motion="reduce")
    page.evaluate("document.documentElement.dataset.theme = 'light'")  # as one had chosen before
    hand.draw(page, hand.HANDS["round"]["3"])
    reading.settle(page)
    screen = reading.screen(page)
    assert np.ptp(crop(page, screen, "#pad")) > 150
    (best,) = page.locator("#bars .best").evaluate_all("all => all.map(one => one.dataset.label)")
    tracks = [crop(page, screen, f'#bars [data-label="{label}"] .track') for label in (best, "1")]
    full, empty = (track[len(track) // 2, 40] for track in tracks)
    assert np.abs(full - empty).max() > 150


@pytest.mark.parametrize("width", [390, 960, 1280])
def test_the_table_of_engines_fits(visit: Visit, width: int) -> None:
    """No text of the table leaves its cell: before an engine is chosen, while it loads, after."""
    page = visit(viewport={"width": width, "height": 844})
    hand.draw(page, hand.HANDS["slanted"]["1"])
    engines = page.locator("#engines")
    assert engines.evaluate(TOO_LONG) == []
    for state in ("", "[data-us][data-agrees]"):
        reading.choose(page, "litert", state)
        assert engines.evaluate(TOO_LONG) == []


def crop(page: Page, screen: NDArray[Any], selector: str) -> NDArray[Any]:
    """Cut an element out of the screen."""
    box = hand.box(page, selector)
    left, top = round(box["x"]), round(box["y"])
    return screen[top : top + round(box["height"]), left : left + round(box["width"])]


def coloured(page: Page, screen: NDArray[Any], label: str) -> float:
    """Return the share of a bar's length that does not have the colour of its right end."""
    track = crop(page, screen, f'#bars [data-label="{label}"] .track')
    row = track[len(track) // 2]
    return float((np.abs(row - row[-3]).sum(axis=1) > 60).mean())
