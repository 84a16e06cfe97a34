"""Pictures as a phone takes them, of digits of MNIST: made by number, alike on every machine."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float64]


def photo(digit: NDArray[np.uint8], dice: np.random.Generator) -> Any:
    """Photograph a digit: ink on paper or chalk on a board, aslant, shaded, blurred and noisy.

    Args:
        digit: uint8 (28, 28), light on dark, as MNIST has it.
        dice: draws everything else.

    Returns:
        A Pillow image, mode "L" or "RGB", of 240 to 640 pixels a side.
    """
    width, height = int(dice.integers(320, 641)), int(dice.integers(240, 481))
    cover = _placed(digit, width, height, dice)
    if dice.random() < 0.65:
        paper, pen = dice.uniform(150, 250), dice.uniform(5, 70)
    else:
        paper, pen = dice.uniform(20, 70), dice.uniform(170, 240)
    levels = (paper + (pen - paper) * cover) * _light(width, height, dice)
    image = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(dice.uniform(0, 2.5)))
    tint = dice.uniform(0.85, 1, 3) if dice.random() < 0.5 else np.ones(1)
    noisy = np.asarray(image, np.float64)[..., None] * tint
    noisy += dice.normal(0, dice.uniform(1, 12), noisy.shape)
    return _jpeg(noisy.clip(0, 255).astype(np.uint8).squeeze(), int(dice.integers(50, 95)))


def _placed(digit: NDArray[np.uint8], width: int, height: int, dice: np.random.Generator) -> Floats:
    """Turn the digit by up to 15 degrees, tilt it, and put it anywhere that shows it whole."""
    side = min(width, height) * dice.uniform(0.4, 0.95)  # of all 28 pixels; the digit has 20
    turn = np.deg2rad(dice.uniform(-15, 15))
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners = corners + dice.uniform(-0.06, 0.06, corners.shape)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = corners @ rotation * side
    room = (np.array([width, height]) - 0.85 * side) / 2
    corners += np.array([width, height]) / 2 + dice.uniform(-1, 1, 2) * room
    source = [(0, 0), (28, 0), (28, 28), (0, 28)]
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    plane = np.linalg.solve(np.array(rows), np.array(values, float))
    warped = Image.fromarray(digit).transform(
        (width, height), Image.Transform.PERSPECTIVE, tuple(plane), Image.Resampling.BICUBIC
    )
    return np.asarray(warped, np.float64) / 255


def _light(width: int, height: int, dice: np.random.Generator) -> Floats:
    """Let the light fall off to one side, and a shadow with a soft or sharp edge lie on a part."""
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    angle, edge = dice.uniform(0, 2 * np.pi, 2)
    slope = (np.cos(angle) * across + np.sin(angle) * down) / 2 + 0.5
    light = 1 - dice.uniform(0, 0.5) * slope.clip(0, 1)
    if dice.random() < 0.5:
        distance = np.cos(edge) * across + np.sin(edge) * down - dice.uniform(-0.5, 0.5)
        light = light * (1 - dice.uniform(0.1, 0.5) / (1 + np.exp(-distance * dice.uniform(5, 60))))
    return np.asarray(light)


def _jpeg(levels: NDArray[np.uint8], quality: int) -> Any:
    content = io.BytesIO()
    Image.fromarray(levels).save(content, "JPEG", quality=quality)
    return Image.open(content)
