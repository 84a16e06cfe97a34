"""Digits drawn with the mouse: the page shows the model's own input and answers."""

from __future__ import annotations

import numpy as np
from PIL import Image
from playwright.sync_api import Page

import strop
from strop.model.images import prepare
from tests.demo import hand, reading
from tests.demo.conftest import Visit

MILLIONTH = 0.6e-6  # the bars tell their value to six digits


def shows_the_truth(page: Page, model: strop.Model) -> None:
    """Compare what is shown with what Python makes of the pad's pixels."""
    pad = reading.pixels(page, "#pad")
    picture = model.input.picture
    assert picture
    wanted = prepare(Image.fromarray(pad), picture)
    seen = reading.pixels(page, "#seen")[..., 0]
    assert np.ptp(seen) > 100
    np.testing.assert_array_equal(seen, wanted)
    np.testing.assert_allclose(reading.bars(page), model.predict(wanted)[0], atol=MILLIONTH, rtol=0)


def test_digits_of_two_hands_are_read(visit: Visit, model: strop.Model) -> None:
    """At most two drawings are misread; each is seen and answered as Python does."""
    page = visit()
    wrong = []
    for name, digits in hand.HANDS.items():
        for digit, strokes in digits.items():
            reading.clear(page)
            hand.draw(page, strokes)
            said = reading.answer(page)
            if said != digit:
                wrong.append(f"{name} {digit}: {said}")
            shows_the_truth(page, model)
    assert len(wrong) <= 2, wrong


def test_the_bars_move_with_every_stroke(visit: Visit) -> None:
    """The bars change before the pen is up."""
    page = visit()
    reading.clear(page)
    (stroke,) = hand.on_pad(page, hand.HANDS["round"]["3"])
    page.mouse.move(*stroke[0])
    page.mouse.down()
    shown = set()
    for point in stroke[1:]:
        page.mouse.move(*point)
        reading.settle(page)
        shown.add(tuple(reading.bars(page)))
    page.mouse.up()
    assert len(shown) > len(stroke) / 2


def test_a_stroke_that_is_undone_while_it_is_drawn_is_over(visit: Visit) -> None:
    """The rest of the movement neither draws nor joins the stroke before."""
    page = visit()
    reading.clear(page)
    hand.draw(page, [[(20, 20), (20, 60)]])
    before = reading.pixels(page, "#pad")
    (stroke,) = hand.on_pad(page, [[(80, 60), (80, 70), (80, 80)]])
    page.mouse.move(*stroke[0])
    page.mouse.down()
    page.mouse.move(*stroke[1])
    assert (reading.pixels(page, "#pad") != before).any()
    page.keyboard.press("Control+z")
    page.mouse.move(*stroke[2])
    page.mouse.up()
    np.testing.assert_array_equal(reading.pixels(page, "#pad"), before)


def test_a_blank_pad_has_no_answer(visit: Visit) -> None:
    """Without a drawing all bars are 0, and the network sees nothing."""
    page = visit()
    hand.draw(page, hand.HANDS["round"]["3"])
    assert reading.answer(page) == "3"
    reading.clear(page)
    assert reading.answer(page) == ""
    assert not reading.bars(page).any()
    assert np.ptp(reading.pixels(page, "#seen")[..., :3]) == 0
