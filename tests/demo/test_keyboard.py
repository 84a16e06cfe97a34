"""The page by keyboard, and for screen readers."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.demo import hand, reading
from tests.demo.conftest import Visit
from tests.demo.site import AXE

FOCUSED = """() => {
  const { id, name, value } = document.activeElement;
  return id || (name ? `${name}=${value}` : document.activeElement.tagName);
}"""

# Where the focused element is, or the label of one that is hidden, with room for a ring.
AROUND = """() => {
  const { activeElement: it } = document;
  const shown = it.type === "file" ? it.labels[0] : it;
  const { left, top, right, bottom } = shown.getBoundingClientRect();
  return [left - 6, top - 6, right + 6, bottom + 6].map(side => Math.max(0, Math.round(side)));
}"""


def tab_to(page: Page, wanted: str) -> list[str]:
    """Press Tab until an element has the focus, and return all that had it on the way."""
    passed: list[str] = []
    while not passed or passed[-1] != wanted:
        assert len(passed) < 40, passed
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUSED))
    return passed


def test_a_digit_is_drawn_with_keys(visit: Visit) -> None:
    """Tab, arrows, Space and Escape are enough to draw, clear, choose an engine and prove."""
    page = visit()
    tab_to(page, "pad")
    page.keyboard.press("Escape")
    assert reading.answer(page) == ""
    press(page, "ArrowUp", 10)
    page.keyboard.press("Space")
    press(page, "ArrowDown", 20)
    page.keyboard.press("Space")
    assert reading.answer(page) == "1"
    press(page, "ArrowRight", 5)  # the pen is up
    assert reading.answer(page) == "1"
    page.keyboard.press("Delete")
    assert reading.answer(page) == ""

    passed = tab_to(page, "engine=native")
    page.keyboard.press("ArrowDown")
    page.locator("[data-engine=onnx][data-state=ready]").wait_for(timeout=reading.SLOW)
    passed += tab_to(page, "prove")
    page.keyboard.press("Enter")
    page.locator("#proof[data-state=passed]").wait_for(timeout=reading.SLOW)
    everything = set(passed + tab_to(page, "pad"))
    assert everything >= {"clear", "photo", "prove", "theme", "pad"}


def press(page: Page, key: str, times: int) -> None:
    for _ in range(times):
        page.keyboard.press(key)


def test_focus_is_seen(visit: Visit) -> None:
    """Each element that takes the focus looks different with it."""
    page = visit(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    before = reading.screen(page)
    names: list[str] = []
    while True:
        page.keyboard.press("Tab")
        name = page.evaluate(FOCUSED)
        if name in names or name == "BODY":
            break
        names.append(name)
        left, top, right, bottom = page.evaluate(AROUND)
        changes = np.abs(reading.screen(page) - before)[top:bottom, left:right]
        assert changes.max() > 40, name
    assert {*names} >= {"pad", "clear", "photo", "engine=native", "prove", "theme"}


@pytest.mark.parametrize("view", reading.VIEWS)
def test_axe_finds_nothing(visit: Visit, view: str) -> None:
    """axe-core finds no violation, before a digit and with one."""
    page = visit(**reading.VIEWS[view])
    source = AXE.read_text(encoding="utf-8")
    page.evaluate(f"() => {{ {source}; globalThis.axe ??= axe; }}")
    for strokes in ([], hand.HANDS["round"]["8"]):
        hand.draw(page, strokes)
        reading.settle(page)
        found = page.evaluate("async () => (await axe.run()).violations")
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_the_theme_is_chosen(visit: Visit) -> None:
    """The toggle changes the theme, and the page keeps the choice."""
    page = visit(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
