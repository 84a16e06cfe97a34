"""A hand that draws digits in the page, as curves through the points of strokes.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import FloatRect, Page

Point = tuple[float, float]
Stroke = Sequence[Point]

# Two ways to write each digit, in a square of 100 by 100. A point given twice is a corner.
HANDS: dict[str, dict[str, list[Stroke]]] = {
    hand: {
        digit: [[(x, y) for x, y in stroke] for stroke in strokes]
        for digit, strokes in digits.items()
    }
    for hand, digits in json.loads(Path(__file__).with_name("strokes.json").read_bytes()).items()
}


def curve(stroke: Stroke, steps: int = 2) -> Iterator[Point]:
    """Yield points of the Catmull-Rom spline through a stroke, `steps` from each to the next."""
    ends = [stroke[0], *stroke, stroke[-1]]
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for step in range(steps):
            t = step / steps
            x, y = (
                b[i]
                + t * (c[i] - a[i]) / 2
                + t**2 * (a[i] - 2.5 * b[i] + 2 * c[i] - d[i] / 2)
                + t**3 * (1.5 * b[i] - a[i] / 2 - 1.5 * c[i] + d[i] / 2)
                for i in (0, 1)
            )
            yield x, y
    yield stroke[-1]


def box(page: Page, selector: str) -> FloatRect:
    """Return where an element is in the window."""
    found = page.locator(selector).bounding_box()
    if found is None:
        raise LookupError(f"the page does not show {selector}")
    return found


def on_pad(page: Page, strokes: Sequence[Stroke], steps: int = 2) -> list[list[Point]]:
    """Return the strokes as points of the window, where the pad is."""
    pad = box(page, "#pad")
    return [
        [
            (pad["x"] + x * pad["width"] / 100, pad["y"] + y * pad["height"] / 100)
            for x, y in dict.fromkeys(curve(stroke, steps))
        ]
        for stroke in strokes
    ]


def draw(page: Page, strokes: Sequence[Stroke]) -> None:
    """Draw with the mouse."""
    for stroke in on_pad(page, strokes):
        page.mouse.move(*stroke[0])
        page.mouse.down()
        for _, point in pairwise(stroke):
            page.mouse.move(*point)
        page.mouse.up()


def touch(page: Page, strokes: Sequence[Stroke]) -> None:
    """Draw with a finger."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, *points: Point) -> None:
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    for stroke in on_pad(page, strokes):
        send("touchStart", stroke[0])
        for _, point in pairwise(stroke):
            send("touchMove", point)
        send("touchEnd")
