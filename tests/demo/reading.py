"""The page as tests use it: they read what it shows, choose, clear and prove."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

ENGINES = ("native", "onnx", "litert")
SLOW = 60_000  # ms, for what takes a moment on a machine that has nothing else to do
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
PIXELS = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let text = "";
  for (let i = 0; i < data.length; i += 4096)
    text += String.fromCharCode(...data.subarray(i, i + 4096));
  return [height, width, btoa(text)];
}"""


FRAMES = """() => new Promise(
  done => requestAnimationFrame(() => requestAnimationFrame(done))
)"""


def pixels(page: Page, canvas: str) -> NDArray[np.uint8]:
    """Return a canvas as uint8 (height, width, 4): red, green, blue and opacity."""
    height, width, text = page.locator(canvas).evaluate(PIXELS)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)


def screen(page: Page) -> NDArray[np.int16]:
    """Return the screen, (height, width, 3), with levels 0..255."""
    shot = Image.open(io.BytesIO(page.screenshot()))
    return np.asarray(shot.convert("RGB"), np.int16)


def bars(page: Page) -> NDArray[np.float64]:
    """Return the probability that each of the ten bars tells."""
    told = page.locator("#bars [data-label]").evaluate_all(
        "all => all.map(bar => [bar.dataset.label, bar.getAttribute('aria-valuenow')])"
    )
    assert [label for label, _ in told] == list("0123456789")
    return np.array([float(value) for _, value in told])


def settle(page: Page) -> None:
    """Wait for two frames: the page answers at most once a frame."""
    page.evaluate(FRAMES)


def answer(page: Page) -> str:
    """Return the label that the page shows, "" if the pad is blank."""
    settle(page)
    return page.locator("#answer").inner_text().strip()


def clear(page: Page) -> None:
    """Clear the pad."""
    page.locator("#clear").click()
    expect(page.locator("#answer")).to_have_text("")


def choose(page: Page, engine: str, state: str = "[data-state=ready]") -> Any:
    """Choose an engine, and return what the page says of it once it has a state."""
    page.locator(f"input[name=engine][value={engine}]").check()
    row = page.locator(f"[data-engine={engine}]{state}")
    row.wait_for(timeout=SLOW)
    return row.evaluate("row => ({ ...row.dataset })")


def prove(page: Page, state: str) -> str:
    """Ask for the proof, and return its text once it has a state."""
    page.locator("#prove").click()
    proof = page.locator(f"#proof[data-state={state}]")
    proof.wait_for(timeout=SLOW)
    return proof.inner_text()
