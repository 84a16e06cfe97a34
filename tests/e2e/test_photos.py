"""The exported model names digits in pictures as people take them, by the bundle's own steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import strop
from strop.model.images import prepare
from tests.conftest import Exported
from tests.photos import photo

Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="module")
def model(edge: Exported) -> Any:
    with strop.load(edge.bundle("cpu"), precision="float32") as model:
        yield model


@pytest.fixture(scope="module")
def digits(edge: Exported) -> Digits:
    evaluation = edge.evaluation()
    return evaluation["inputs"], evaluation["labels"]


def _right(model: Any, pictures: list[Any], labels: NDArray[np.int64]) -> int:
    picture = model.input.picture
    made = np.stack([prepare(each, picture) for each in pictures])
    return int((model.predict(made).argmax(axis=1) == labels).sum())


@pytest.mark.parametrize(("seed", "count", "least"), [(40, 40, 36), (1000, 1000, 950)])
def test_photos_are_named(model: Any, digits: Digits, seed: int, count: int, least: int) -> None:
    images, labels = digits
    dice = np.random.default_rng(seed)
    chosen = dice.choice(len(images), count, replace=False)
    photos = [photo(images[i], dice) for i in chosen]
    assert _right(model, photos, labels[chosen]) >= least


def test_the_data_set_s_own_pictures_are_named(model: Any, digits: Digits) -> None:
    images, labels = digits[0][:2000], digits[1][:2000]
    plain = int((model.predict(images).argmax(axis=1) == labels).sum())
    for pictures in (images, 255 - images):
        right = _right(model, [Image.fromarray(each) for each in pictures], labels)
        assert right >= plain - 4  # 0.2 % of them


def test_a_drawing_in_white_on_glass_is_named(model: Any, digits: Digits) -> None:
    images, labels = digits[0][:100], digits[1][:100]
    for level in (0, 255):
        glass = np.full((*images.shape, 2), level, np.uint8)
        glass[..., 1] = images
        assert _right(model, [Image.fromarray(each, "LA") for each in glass], labels) >= 95


def test_twelve_bits_of_sixteen_are_named(model: Any, digits: Digits) -> None:
    images, labels = digits[0][:100], digits[1][:100]
    deep = [Image.fromarray(each.astype(np.uint16) * 16) for each in images]
    assert _right(model, deep, labels) >= 95


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_refused(model: Any, level: int) -> None:
    with pytest.raises(strop.BlankPicture, match="the picture is blank"):
        prepare(Image.new("L", (280, 280), level), model.input.picture)
