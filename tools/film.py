"""The moving picture docs/pictures/demo.webp: a hand draws in the served page, and proves it.

`make film` makes it again: python -m tools.film dist/demo
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.demo import hand
from tests.demo.site import serve

ROOT = Path(__file__).parents[1]
FILM = ROOT / "docs" / "pictures" / "demo.webp"
FRAME = 60  # ms
SCALE = 1.5  # pixels of the picture a pixel of the page
VIEW: ViewportSize = {"width": 960, "height": 735}
MAX_BYTES = 1_000_000
# the arrow of a mouse, whose tip is at 0, 0
ARROW = ((0, 0), (0, 17), (4, 13.4), (6.6, 19.4), (9.4, 18.2), (6.8, 12.4), (12, 12))


class Camera:
    """Takes pictures of a page, with an arrow where the mouse is."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.at: hand.Point = (VIEW["width"] * 0.7, VIEW["height"] * 0.9)
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []

    def shoot(self, ms: int = FRAME) -> None:
        """Show the page as it is now for a time."""
        image = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        point(image, self.at)
        if self.frames and image.tobytes() == self.frames[-1].tobytes():
            self.durations[-1] += ms
            return
        self.frames.append(image)
        self.durations.append(ms)

    def move(self, to: hand.Point, ms: int = 300) -> None:
        """Move the mouse with an even start and stop."""
        start = self.at
        for step in range(1, ms // FRAME + 1):
            share = step / (ms // FRAME)
            eased = share * share * (3 - 2 * share)
            self._go((start[0] + (to[0] - start[0]) * eased, start[1] + (to[1] - start[1]) * eased))
            self.shoot()

    def click(self, selector: str) -> None:
        """Move to an element and click it."""
        box = hand.box(self.page, selector)
        self.move((box["x"] + min(box["width"] / 2, 60), box["y"] + box["height"] / 2))
        self.page.mouse.down()
        self.page.mouse.up()
        self.shoot()

    def draw(self, strokes: list[hand.Stroke]) -> None:
        """Draw a digit, two points a frame."""
        for stroke in hand.on_pad(self.page, strokes, steps=3):
            self.move(stroke[0], 240)
            self.page.mouse.down()
            for i, (_, to) in enumerate(pairwise(stroke)):
                self._go(to)
                if i % 2:
                    self.shoot()
            self.page.mouse.up()
            self.shoot()

    def _go(self, to: hand.Point) -> None:
        self.page.mouse.move(*to)
        self.at = to


def point(image: Image.Image, at: hand.Point) -> None:
    """Draw the arrow, at four times the size for smooth edges."""
    size = round(24 * SCALE)
    arrow = Image.new("RGBA", (4 * size, 4 * size))
    outline = [((x + 1.5) * 4 * SCALE, (y + 1.5) * 4 * SCALE) for x, y in ARROW]
    pen = ImageDraw.Draw(arrow)
    pen.polygon(outline, fill="black")
    pen.line([*outline, *outline[:2]], fill="white", width=round(5 * SCALE), joint="curve")
    arrow = arrow.resize((size, size), Image.Resampling.LANCZOS)
    corner = (round((at[0] - 1.5) * SCALE), round((at[1] - 1.5) * SCALE))
    image.paste(arrow, corner, arrow)


def play(camera: Camera) -> None:
    """Show the example, draw two digits, choose another engine, and prove the bundle."""
    page = camera.page
    page.locator("[data-engine=native][data-us]").wait_for()
    camera.shoot(1000)  # the first frame is what people see where pictures do not move
    for name, digit in (("slanted", "7"), ("round", "8")):
        camera.click("#clear")
        camera.draw(hand.HANDS[name][digit])
        camera.shoot(700)
    camera.click("[data-engine=litert]")
    camera.shoot(300)
    page.locator("[data-engine=litert][data-state=ready][data-us]").wait_for()
    camera.shoot(1200)
    camera.click("#prove")
    page.locator("#proof[data-state=passed]").wait_for()
    camera.shoot(2500)


def film(address: str, chromium: str) -> Camera:
    """Play in the page at an address."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False)
        page = browser.new_page(
            viewport=VIEW, device_scale_factor=SCALE, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(address)
        page.locator("html[data-ready=true]").wait_for(state="attached")
        camera = Camera(page)
        play(camera)
        browser.close()
    return camera


def main(folder: Path) -> None:
    """Write the moving picture of the page in a folder."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("film: there is no chromium: apt install chromium")
    if not (folder / "index.html").is_file():
        sys.exit(f"film: there is no page in {folder}; build it: make demo-build")
    with serve(folder) as address:
        camera = film(address, chromium)
    FILM.parent.mkdir(exist_ok=True)
    first, *others = camera.frames
    first.save(
        FILM,
        save_all=True,
        append_images=others,
        duration=camera.durations,
        loop=0,
        quality=85,
        method=6,
        minimize_size=True,
    )
    if (size := FILM.stat().st_size) > MAX_BYTES:
        sys.exit(f"film: {FILM} has {size:,} bytes, more than {MAX_BYTES:,}: lower its quality")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.film", description=__doc__)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
