"""A finger on a phone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.demo import hand, reading
from tests.demo.conftest import Visit

PHONE = {"device_scale_factor": 3, "has_touch": True, "is_mobile": True}
SCROLLED = "() => [scrollX, scrollY, visualViewport.scale]"


def test_a_finger_draws_and_the_page_stays(visit: Visit) -> None:
    """A stroke down the pad neither scrolls nor zooms a page that can be scrolled."""
    page = visit(viewport={"width": 390, "height": 500}, **PHONE)
    height = page.evaluate("() => document.documentElement.scrollHeight")
    assert height > 500
    page.locator("#pad").scroll_into_view_if_needed()
    before = page.evaluate(SCROLLED)
    for digit in "17":
        reading.clear(page)
        page.locator("#pad").scroll_into_view_if_needed()
        before = page.evaluate(SCROLLED)
        hand.touch(page, hand.HANDS["round"][digit])
        assert reading.answer(page) == digit
        assert page.evaluate(SCROLLED) == before


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_cut_off_at_the_side(visit: Visit, width: int) -> None:
    """The page is no wider than the screen, and the pad is drawn finely."""
    page = visit(viewport={"width": width, "height": 844}, **PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    box = hand.box(page, "#pad")
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= 844
    assert page.locator("#pad").evaluate("canvas => canvas.width") >= 1.5 * box["width"]


def test_two_fingers_do_not_draw_a_line_between_them(visit: Visit) -> None:
    """Only the first finger draws."""
    page = visit(viewport={"width": 390, "height": 844}, **PHONE)
    reading.clear(page)
    box = hand.box(page, "#pad")
    session = page.context.new_cdp_session(page)

    def fingers(kind: str, *shares: tuple[float, float]) -> None:
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": i}
            for i, (x, y) in enumerate(shares)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (0.2, 0.2))
    fingers("touchStart", (0.2, 0.2), (0.8, 0.2))
    for y in (0.3, 0.5, 0.7, 0.8):
        fingers("touchMove", (0.2, y), (0.8, y))
    fingers("touchEnd")
    reading.settle(page)
    drawn = reading.pixels(page, "#pad")
    width = drawn.shape[1]
    middle = drawn[:, int(0.35 * width) : int(0.65 * width)]
    assert np.ptp(middle.reshape(-1, 4), axis=0).max() == 0
