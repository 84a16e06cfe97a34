"""Pictures in a page: the levels of the Python runtime, to the last one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import strop
from strop.bundle.manifest import Picture, PictureStep
from strop.errors import StropError
from strop.model.images import prepare
from strop.model.picture_steps import STEPS
from tests import bundles, photos
from tests.web import plans
from tests.web.conftest import Ask, Use

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
    *(("stretch", {"low": a, "high": b}) for a, b in ((0, 100), (2.5, 97.5), (0, 0.1), (99, 100))),
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
                first: list[Step] = [
                    ("flatten", {"level": 7}),
                    ("invert", {"when": "light-border"}),
                ]
                yield Case(noise(number, width, height), mode, [*first, step, LAST])


def several_steps() -> Iterator[Case]:
    """Steps one after the other, of pictures larger than 128 pixels."""
    ends: list[Step] = [("normalise", {"scale": 1 / 255, "offset": -0.5})]
    colours: list[Step] = [("shrink", {"side": 130}), ("stretch", {"low": 1, "high": 99.5})]
    large: Step = ("fit", {"width": 512, "height": 512, "fill": "border"})
    crop: Step = ("crop", {"width": 64, "height": 48})
    for number, (width, height) in enumerate([(131, 257), (600, 17), (3, 700), (512, 512)]):
        rgba = noise(number, width, height)
        yield Case(rgba, "RGB", [*colours, crop, *ends])
        yield Case(rgba, "RGB", [*MNIST, *ends])
        yield Case(rgba, "L", [large, *MNIST[2:]])


def exact_middles() -> Iterator[Case]:
    """Pictures as light as dark, colours between two levels of grey, parts of equal weight."""
    middle = np.full((4, 5, 4), 127, np.uint8)
    for mode in ("L", "RGB"):
        yield Case(middle, mode, [MNIST[0], LAST])
        yield Case(middle, mode, [("invert", {"when": "light-border"}), LAST])
    dots = np.random.default_rng(1).integers(0, 256, (1, 500_000, 4)).astype(np.uint8)
    exact = (dots[..., :3] @ np.array([19595, 38470, 7471]) + 32768) % 65536 == 0
    halves = dots[exact][None]
    yield Case(halves, "L", [("crop", {"width": halves.shape[1], "height": 1})])
    parts = np.full((12, 14, 4), [0, 0, 0, 255], np.uint8)
    parts[2, 2:11] = parts[5:8, 2:5] = 200  # near as the long one sees it, not as the square does
    for turned in (parts, parts[::-1]):
        yield Case(turned.copy(), "L", [("find", {"above": 50}), LAST])


def blank() -> Iterator[Case]:
    for level, alpha in ((0, 0), (255, 255), (90, 255), (90, 0)):
        rgba = np.full((60, 50, 4), level, np.uint8)
        rgba[..., 3] = alpha
        yield Case(rgba, "L", MNIST)
        yield Case(rgba, "RGB", [("resize", {"width": 3, "height": 3}), ("find", {"above": level})])


@pytest.mark.parametrize(
    "make", [strokes, photographs, single_steps, several_steps, exact_middles, blank]
)
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


class TestModel:
    """Pictures that a model of a page prepares and names."""

    STEPS: ClassVar[list[Step]] = [
        ("flatten", {"level": 0}),
        ("shrink", {"side": 300}),
        ("find", {"above": 9}),
        ("resize", {"width": 4, "height": 4}),
    ]

    def draft(self) -> bundles.Draft:
        draft = plans.classifier(labels=("a", "b", "c"))
        steps = [{"step": step, "options": options} for step, options in self.STEPS]
        draft.content["inputs"][0]["picture"] = {"mode": "L", "steps": steps}
        return draft

    def image(self, **changes: Any) -> dict[str, Any]:
        return {"data": noise(5, 20, 10), "width": 20, "height": 10, **changes}

    def test_a_picture_is_named_as_in_python(self, use: Use, tmp_path: Path) -> None:
        levels, again, best = use(
            self.draft(),
            ["prepare", self.image()],
            ["prepare", self.image(), {"input": "image"}],
            ["classify", self.image()],
        )
        with strop.load(self.draft().write(tmp_path / "a.strop"), engine="native") as model:
            wanted = model.classify(Image.fromarray(noise(5, 20, 10)))
            assert model.classify(levels.reshape(4, 4)).label == wanted.label

        assert levels.tobytes() == again.tobytes()
        assert best["label"] == wanted.label
        np.testing.assert_allclose(best["probabilities"], wanted.probabilities, rtol=1e-6)

    @pytest.mark.parametrize("what", ["prepare", "classify"])
    def test_a_blank_one_is_an_error_of_its_own(self, what: str, use: Use) -> None:
        (answer,) = use(self.draft(), [what, self.image(data=np.zeros(800, np.uint8))])

        assert answer["error"]["name"] == "BlankPicture"
        assert answer["error"]["kind"] == strop.BlankPicture.kind

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"data": np.zeros(799, np.uint8)}, "20 x 10 pixels of RGBA have 800 bytes, got 799"),
            ({"data": np.zeros(600, np.uint8)}, "20 x 10 pixels of RGBA have 800 bytes, got 600"),
            ({"data": np.zeros(800, np.float32)}, "its data are Float32Array"),
            ({"data": [0] * 800}, "its data are Array"),
            ({"data": None}, "its data are null"),
            ({"width": 0}, "a picture's width must be a positive integer, got 0"),
            ({"height": -10, "width": -20}, "width must be a positive integer, got -20"),
            ({"height": 10.5}, "a picture's height must be a positive integer, got 10.5"),
            ({"width": {"array": "number", "base64": "NaN"}}, "positive integer, got NaN"),
            ({"width": 2**53}, "the picture has 9007199254740992 x 10 pixels; at most 16777216"),
            ({"colorSpace": "display-p3"}, "the colours of 'display-p3'; the steps take sRGB"),
            ({"width": 1, "height": 24577}, "the picture has 1 x 24577 pixels; at most 16777216"),
        ],
    )
    def test_what_is_no_picture_is_refused(
        self, changes: dict[str, Any], problem: str, use: Use
    ) -> None:
        image = self.image(**changes)

        for answer in use(self.draft(), ["prepare", image], ["classify", image]):
            assert answer["error"]["kind"] == "input"
            assert problem in answer["error"]["problem"]

    @pytest.mark.parametrize("given", [None, 1, "seven.png", [], {}, {"width": 20}])
    def test_other_things_are_refused_too(self, given: Any, use: Use) -> None:
        for answer in use(self.draft(), ["prepare", given], ["classify", given]):
            assert answer["error"]["kind"] == "input"

    def test_the_input_must_take_pictures(self, use: Use) -> None:
        (none,) = use(plans.classifier(), ["prepare", self.image()])
        (unknown,) = use(self.draft(), ["prepare", self.image(), {"input": "other"}])
        several, one, classified = use(
            plans.several(),
            ["prepare", self.image()],
            ["prepare", self.image(), {"input": "bytes"}],
            ["classify", self.image(), {"output": "shares"}],
        )

        problems = [answer["error"]["problem"] for answer in (none, unknown, several, one)]
        assert problems == [
            "the model takes no pictures",
            "small has no input 'other'",
            "this is one picture, and the model takes 2 inputs: bytes, Zahlen für später",
            "the model takes no pictures",
        ]
        assert classified["error"]["kind"] == "input"
