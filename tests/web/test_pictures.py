"""Pictures in a page: the levels of the Python runtime, to the last one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from strop.bundle.manifest import Picture, PictureStep
from strop.errors import StropError
from strop.model.images import prepare
from strop.model.picture_steps import STEPS
from tests import photos

Rgba = NDArray[np.uint8]
Step = tuple[str, dict[str, Any]]

MNIST: list[Step] = [
    ("flatten", {"level": "contrast"}),
    ("shrink", {"side": 128}),
    ("ink", {"reach": 20, "least": 20}),
    ("find", {"above": 50}),
    ("fit", {"width": 20, "height": 20, "fill": 0}),
    ("centre", {"width": 28, "height": 28, "fill": 0}),
]
LAST: Step = ("resize", {"width": 9, "height": 7})

# Each step with options at their edges.
ALONE: list[Step] = [
    *(("flatten", {"level": level}) for level in (0, 128, 255, "contrast")),
    ("invert", {"when": "light-border"}),
    *(("shrink", {"side": side}) for side in (1, 2, 29, 30, 4096)),
    *(("stretch", {"low": a, "high": b}) for a, b in ((0, 100), (2.5, 97.5), (0, 0.1), (99.9, 100))),
    *(("ink", {"reach": r, "least": n}) for r, n in ((1, 0), (20, 20), (50, 1), (7, 255))),
    *(("find", {"above": level}) for level in (0, 50, 200, 254, 255)),
    *(
        ("fit", {"width": w, "height": h, "fill": fill})
        for (w, h), fill in itertools.product(((1, 1), (40, 3), (31, 64)), (0, 9, 255, "border"))
    ),
    *(
        ("centre", {"width": w, "height": h, "fill": fill})
        for (w, h), fill in itertools.product(((1, 1), (5, 90), (28, 28)), (0, 128, 255))
    ),
    *(("resize", {"width": w, "height": h}) for w, h in ((1, 1), (1, 200), (200, 1), (29, 64))),
    *(("crop", {"width": w, "height": h}) for w, h in ((1, 1), (6, 90), (90, 6), (29, 30))),
    *(
        ("normalise", {"scale": scale, "offset": offset})
        for scale, offset in ((1 / 255, 0.0), (1 / 127.5, -1.0), (0.1, 1 / 3), (-1e30, 1e30))
    ),
]


class Case(NamedTuple):
    """A picture and its steps, for both."""

    rgba: Rgba
    mode: str
    steps: list[Step]

    def job(self) -> dict[str, Any]:
        height, width = self.rgba.shape[:2]
        steps = [{"step": step, "options": options} for step, options in self.steps]
        image = {"data": self.rgba, "width": width, "height": height}
        return {"image": image, "picture": {"mode": self.mode, "steps": steps}}

    def in_python(self) -> Any:
        picture = Picture(self.mode, tuple(PictureStep(*step) for step in self.steps))
        try:
            return prepare(Image.fromarray(self.rgba), picture).reshape(-1)
        except StropError as error:
            return {"kind": error.kind, "problem": error.problem, "mend": error.mend}


def noise(seed: int, width: int, height: int) -> Rgba:
    """Blocks and specks of any colour, some of them transparent."""
    dice = np.random.default_rng(seed)
    blocks = dice.integers(0, 256, (height // 5 + 1, width // 5 + 1, 4))
    made = blocks.repeat(5, axis=0).repeat(5, axis=1)[:height, :width].astype(np.uint8)
    specks = dice.random((height, width)) < 0.2
    made[specks] = dice.integers(0, 256, (int(specks.sum()), 4))
    made[dice.random((height, width)) < 0.2, 3] = 0
    made[dice.random((height, width)) < 0.4, 3] = 255
    return made


def drawn(seed: int, side: int, paper: str, pen: str) -> Rgba:
    """Strokes of a pen as a canvas has them, on paper or on nothing."""
    dice = np.random.default_rng(seed)
    large = Image.new("RGBA", (2 * side, 2 * side), paper)
    pencil = ImageDraw.Draw(large)
    for _ in range(2):
        points = [tuple(point) for point in dice.uniform(0.3 * side, 1.7 * side, (6, 2))]
        pencil.line(points, pen, width=side // 8, joint="curve")
    return np.asarray(large.resize((side, side), Image.Resampling.BILINEAR))


def strokes() -> Iterator[Case]:
    inks = [("#0000", "black"), ("#0000", "white"), ("white", "#123"), ("#222", "#eee")]
    for number, (paper, pen) in enumerate(inks * 2):
        yield Case(drawn(number, 280 + number, paper, pen), "L", MNIST)


def photographs() -> Iterator[Case]:
    digits = [drawn(number, 28, "black", "white")[..., 0] for number in range(4)]
    for number in range(12):
        image = photos.photo(digits[number % 4], np.random.default_rng(number))
        yield Case(np.asarray(image.convert("RGBA")), "L", MNIST)


def single_steps() -> Iterator[Case]:
    sizes = [(29, 30), (64, 31), (1, 1), (1, 40), (40, 1), (2, 3), (9, 4)]
    for number, (step, mode) in enumerate(itertools.product(ALONE, ("L", "RGB"))):
        for width, height in (sizes[number % 2], sizes[2 + number % 5]):
            yield Case(noise(number, width, height), mode, [step])
            if step[0] not in ("flatten", "normalise"):
                light = [("invert", {"when": "light-border"}), ("flatten", {"level": 7})][::-1]
                yield Case(noise(number, width, height), mode, [*light, step, LAST])


def several_steps() -> Iterator[Case]:
    """Steps one after the other, of pictures larger than 128 pixels."""
    ends: list[Step] = [("normalise", {"scale": 1 / 255, "offset": -0.5})]
    colours: list[Step] = [("shrink", {"side": 130}), ("stretch", {"low": 1, "high": 99.5})]
    crop: Step = ("crop", {"width": 64, "height": 48})
    for number, (width, height) in enumerate([(131, 257), (600, 17), (3, 700), (512, 512)]):
        rgba = noise(number, width, height)
        yield Case(rgba, "RGB", [*colours, crop, *ends])
        yield Case(rgba, "RGB", [*MNIST, *ends])
        yield Case(rgba, "L", [("fit", {"width": 512, "height": 512, "fill": "border"}), *MNIST[2:]])


def blank() -> Iterator[Case]:
    for level, alpha in ((0, 0), (255, 255), (90, 255), (90, 0)):
        rgba = np.full((60, 50, 4), level, np.uint8)
        rgba[..., 3] = alpha
        yield Case(rgba, "L", MNIST)
        yield Case(rgba, "RGB", [("resize", {"width": 3, "height": 3}), ("find", {"above": level})])


Ask = Callable[[Any], list[Any]]


@pytest.mark.parametrize("make", [strokes, photographs, single_steps, several_steps, blank])
def test_the_levels_are_those_of_python(make: Callable[[], Iterator[Case]], ask: Ask) -> None:
    cases = list(make())
    found = ask([case.job() for case in cases])

    refused = 0
    for case, mine in zip(cases, found, strict=True):
        wanted = case.in_python()
        if isinstance(wanted, dict):
            refused += 1
            assert mine["error"].items() >= wanted.items(), case.steps
        else:
            assert isinstance(mine, np.ndarray), (case.steps, mine)
            assert mine.dtype == wanted.dtype
            np.testing.assert_array_equal(mine, wanted, str(case.steps))
    assert refused < len(cases) or make is blank
    assert refused == len(cases) or make is not blank


def test_every_step_is_among_the_cases() -> None:
    assert {step for step, _ in ALONE} == {*STEPS}
