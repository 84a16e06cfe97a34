"""Pictures that one gives to the page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import strop
from strop.model.images import prepare
from tests.demo import hand, reading
from tests.demo.conftest import Visit
from tests.photos import photo

TURNED = 6  # EXIF: the first row is the right side


def give(page: Page, name: str, kind: str, content: bytes) -> None:
    """Choose a file."""
    file = {"name": name, "mimeType": kind, "buffer": content}
    page.locator("#photo").set_input_files(file)  # type: ignore[arg-type]


def encoded(image: Any, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def photos(edge_artifact: Path) -> list[tuple[Any, str]]:
    """Photos of a 2, a 4 and a 7, with their labels."""
    with np.load(edge_artifact / "evaluation.npz") as evaluation:
        inputs, labels = evaluation["inputs"], evaluation["labels"]
    dice = np.random.default_rng(19)
    return [(photo(inputs[np.argmax(labels == digit)], dice), str(digit)) for digit in (2, 4, 7)]


def test_photos_are_read(visit: Visit, photos: list[tuple[Any, str]]) -> None:
    """A JPEG is named, also one that its EXIF data turn."""
    page = visit()
    exif = Image.Exif()
    exif[0x0112] = TURNED
    for image, label in photos:
        for data in (
            encoded(image, "JPEG", quality=90),
            encoded(image.rotate(90, expand=True), "JPEG", quality=90, exif=exif),
        ):
            reading.clear(page)
            give(page, "photo.jpg", "image/jpeg", data)
            expect(page.locator("#answer")).to_have_text(label)


def test_a_photo_is_seen_as_in_python(
    visit: Visit, photos: list[tuple[Any, str]], model: strop.Model
) -> None:
    """The network sees a lossless picture with the very levels that Python gives it."""
    page = visit()
    for image, label in photos:
        reading.clear(page)
        give(page, "photo.png", "image/png", encoded(image, "PNG"))
        expect(page.locator("#answer")).to_have_text(label)
        assert model.input.picture
        seen = reading.pixels(page, "#seen")[..., 0]
        np.testing.assert_array_equal(seen, prepare(image, model.input.picture))


def test_what_is_no_picture_is_refused(visit: Visit, photos: list[tuple[Any, str]]) -> None:
    """The page says so in words, and goes on."""
    page = visit()
    png = encoded(photos[0][0], "PNG")
    for content in (b"hello", b"", png[:-200]):
        reading.clear(page)
        give(page, "notes.png", "image/png", content)
        expect(page.locator("#message")).not_to_be_empty()
        assert reading.answer(page) == ""
    hand.draw(page, hand.HANDS["round"]["3"])
    assert reading.answer(page) == "3"
    expect(page.locator("#message")).to_be_empty()


@pytest.mark.parametrize(
    ("mode", "size"), [("L", (300, 300)), ("L", (1, 1)), ("L", (1, 4000)), ("RGBA", (40, 30))]
)
def test_a_blank_photo_has_no_answer(visit: Visit, mode: str, size: tuple[int, int]) -> None:
    """The page says that there is no digit, in the place of the answer."""
    page = visit()
    hand.draw(page, hand.HANDS["round"]["3"])
    assert reading.answer(page) == "3"
    give(page, "paper.png", "image/png", encoded(Image.new(mode, size), "PNG"))
    expect(page.locator("#certainty")).to_have_text("No digit found")
    assert reading.answer(page) == ""
    assert not reading.bars(page).any()
