"""The code of docs/web.md, in a browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from strop.bundle.file import parse_bundle
from strop.bundle.manifest import Picture, PictureStep
from strop.model.images import prepare
from tests.demo.site import serve
from tests.environments import ROOT
from tests.markdown import blocks
from tests.needs import chromium
from tests.web import plans

SERVED = "mnist-mlp-web"
STEPS: list[dict[str, Any]] = [
    {"step": "flatten", "options": {"level": 255}},
    {"step": "invert", "options": {"when": "light-border"}},
    {"step": "shrink", "options": {"side": 64}},
    {"step": "find", "options": {"above": 50}},
    {"step": "resize", "options": {"width": 4, "height": 4}},
]
PAGE = """<!doctype html><body></body><script type="module">
import { model, name, namePhoto } from "./pictures.mjs";
import { model as parts } from "./parts.mjs";
const canvas = new OffscreenCanvas(90, 60);
const context = canvas.getContext("2d");
const blank = name(canvas);
context.fillRect(30, 10, 20, 40);
const photo = await canvas.convertToBlob();
const { data } = context.getImageData(0, 0, 90, 60);
document.body.textContent = JSON.stringify({
  blank,
  drawn: name(canvas),
  photo: await namePhoto(photo),
  prepared: Array.from(model.prepare({ data, width: 90, height: 60 })),
  check: await model.check(),
  parts: [parts.planDigest === model.planDigest, parts.classify(new Uint8Array(16)).label],
});
</script>"""


@pytest.fixture
def address(module: Path, tmp_path: Path) -> Iterator[str]:
    """Serve a bundle, its module and the page's code on loopback."""
    draft = plans.classifier(labels=("a", "b", "c"))
    draft.content["inputs"][0]["picture"] = {"mode": "L", "steps": STEPS}
    draft.write(tmp_path / f"{SERVED}.strop")
    (tmp_path / "manifest.json").write_bytes(draft.manifest())
    (tmp_path / "small.plan").write_bytes(draft.files["variants/small.plan"])
    shutil.copytree(module, tmp_path / SERVED)
    _, pictures, parts = _code()
    digest = parse_bundle(draft.pack()).digest
    parts = parts.replace("DIGEST", digest).replace("variants/mnist-mlp.int8.plan", "small.plan")
    (tmp_path / "pictures.mjs").write_text(f"{pictures}\nexport {{ model, name, namePhoto }};")
    (tmp_path / "parts.mjs").write_text(f"{parts}\nexport {{ model }};")
    (tmp_path / "index.html").write_text(PAGE)
    with serve(tmp_path) as origin:
        yield f"{origin}/"


def _code() -> list[str]:
    page = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    return [block.text for block in blocks(page) if block.language == "js"]


def _prepared() -> list[int]:
    """The rectangle of the page, prepared in Python."""
    rgba = np.zeros((60, 90, 4), np.uint8)
    rgba[10:50, 30:50, 3] = 255
    picture = Picture("L", tuple(PictureStep(**step) for step in STEPS))
    levels: list[int] = prepare(Image.fromarray(rgba), picture).ravel().tolist()
    return levels


def test_the_code_of_the_page_runs(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), chromium_sandbox=False)
        page = browser.new_page()
        page.goto(address)
        page.wait_for_function("document.body.textContent.startsWith('{')")
        found = json.loads(page.evaluate("document.body.textContent"))
        browser.close()

    assert found["blank"] is None
    assert found["drawn"] == found["photo"]
    assert found["prepared"] == _prepared()
    assert found["check"]["passed"] == found["check"]["samples"]
    assert found["parts"][0] is True
