"""The steps from a picture to an input, as docs/bundle-format.md describes them."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strop.bundle import pictures
from strop.bundle.manifest import Picture, PictureStep
from strop.model.images import prepare
from tests.needs import unavailable

try:
    from PIL import Image

    from strop.model import picture_steps
except ImportError:
    unavailable("no Pillow in this environment", "pip install pillow")

# Of outputs as schema 1 made them, before there were steps: grey 28 x 28 on a dark background, and
# RGB 20 x 28 on any. The digests' beginnings, with a Pillow before 13, which scales tall pictures
# otherwise when it may.
OF_SCHEMA_1 = {
    "its own size": ("842dc8b1b089cbb9", "a9f32aabfaa11513"),
    "its own size, on light": ("ab518621facb0435", "8fa826d1541341dc"),
    "colour": ("e3f87949002292d6", "ab0b6dfce7110e10"),
    "dark on light": ("e7563fd6e30d323c", "c9df26b22fedc3a3"),
    "transparency": ("5ecc01560b2fbbc4", "96d91b56bba4efe5"),
    "grey and transparency": ("9b51464d3d716d0c", "fbbfe7a77779f59b"),
    "palette": ("1769676d1aa8bd56", "f1e0b232f37882a8"),
    "palette with a clear colour": ("ec1a2470f2d418fa", "32114b96d88ab8f2"),
    "turned by EXIF": ("432ae8159526bf09", "19d396f794ad0e93"),
    "16 bits, turned by EXIF": ("75d19519a6f4553b", "4ca8ad92b0a90139"),
    "one line": ("44cb6d2125fcd657", "82511257e46e5c84"),
    "a median between two levels": ("1a6a3ee81f824d15", "10f5d1956dc0718c"),
    "CMYK": ("e3f87949002292d6", "ab0b6dfce7110e10"),
    "tall, in colour": ("965cd45d2a6487ed", "b56a668fff9c1793"),
    "1 bit": ("03d4beabe841a3f1", "086d545137fa79cc"),
}


def _step(name: str, **options: Any) -> PictureStep:
    return PictureStep(name, options)


def _synthetic() -> dict[str, Any]:
    """Pictures of every kind that schema 1 took."""
    random = np.random.default_rng(28)
    ink = random.integers(0, 256, (28, 28)).astype(np.uint8)
    scene = random.integers(0, 256, (61, 83, 3)).astype(np.uint8)
    sheet = np.full((90, 47), 231, np.uint8)
    sheet[30:61, 11:40] = random.integers(0, 120, (31, 29))
    glass = random.integers(0, 256, (40, 33, 4)).astype(np.uint8)
    palette = Image.fromarray(random.integers(0, 8, (35, 50)).astype(np.uint8), "P")
    palette.putpalette(random.integers(0, 256, 24).astype(np.uint8).tolist())
    clear = palette.copy()
    clear.info["transparency"] = 3
    turned = Image.fromarray(scene)
    turned.getexif()[0x0112] = 6
    deep = Image.fromarray(random.integers(0, 2**16, (45, 31)).astype(np.uint16))
    deep.getexif()[0x0112] = 8
    edge = np.zeros((2, 16), np.uint8)
    edge[:, ::2] = 255
    return {
        "its own size": Image.fromarray(ink),
        "its own size, on light": Image.fromarray(255 - ink // 3),
        "colour": Image.fromarray(scene),
        "dark on light": Image.fromarray(sheet),
        "transparency": Image.fromarray(glass),
        "grey and transparency": Image.fromarray(glass[..., :2].copy(), "LA"),
        "palette": palette,
        "palette with a clear colour": clear,
        "turned by EXIF": turned,
        "16 bits, turned by EXIF": deep,
        "one line": Image.fromarray(random.integers(0, 256, (1, 700)).astype(np.uint8)),
        "a median between two levels": Image.fromarray(edge),
        "CMYK": Image.fromarray(scene).convert("CMYK"),
        "tall, in colour": Image.fromarray(random.integers(0, 256, (400, 40, 3)).astype(np.uint8)),
        "1 bit": Image.fromarray(sheet).convert("1"),
    }


def _run(pixels: Any, name: str, **options: Any) -> NDArray[Any]:
    return np.asarray(
        picture_steps.STEPS[name](Image.fromarray(np.asarray(pixels, np.uint8)), **options)
    )


def _noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("name", OF_SCHEMA_1)
def test_the_steps_of_schema_1_give_its_bits(name: str) -> None:
    flatten, invert = _step("flatten", level=255), _step("invert", when="light-border")
    grey = Picture("L", (flatten, invert, _step("fit", width=28, height=28, fill="border")))
    colour = Picture("RGB", (flatten, _step("fit", width=20, height=28, fill="border")))
    made = [prepare(_synthetic()[name], picture) for picture in (grey, colour)]
    digests = [hashlib.sha256(array.tobytes()).hexdigest()[:16] for array in made]
    assert tuple(digests) == OF_SCHEMA_1[name]


def test_every_step_of_the_manifest_is_carried_out() -> None:
    assert picture_steps.STEPS.keys() == pictures.STEPS.keys()


class TestFlatten:
    @pytest.mark.parametrize("level", [0, 100, 255])
    def test_each_alpha_is_the_nearest_level_between(self, level: int) -> None:
        shades, alphas = np.meshgrid(np.arange(256), np.arange(256))  # (256, 256) each
        pixels = np.stack([shades, shades, 255 - shades, alphas], axis=-1)
        exact = (alphas * shades + (255 - alphas) * level) / 255
        np.testing.assert_array_equal(_run(pixels, "flatten", level=level)[..., 0], np.rint(exact))

    def test_what_is_opaque_stays(self) -> None:
        pixels = _noise(1, 5, 7, 3)
        np.testing.assert_array_equal(_run(pixels, "flatten", level=9), pixels)


class TestDecoding:
    def test_grey_is_as_the_page_says(self) -> None:
        pixels = _noise(2, 64, 64, 3)
        red, green, blue = np.moveaxis(pixels.astype(int), -1, 0)
        grey = (19595 * red + 38470 * green + 7471 * blue + 32768) // 65536
        picture = Picture("L", (_step("resize", width=64, height=64),))
        np.testing.assert_array_equal(prepare(Image.fromarray(pixels), picture), grey)


class TestInvert:
    @pytest.mark.parametrize(("border", "inverted"), [(0, False), (127, False), (128, True)])
    def test_the_border_decides(self, border: int, inverted: bool) -> None:
        pixels = np.full((6, 6), border)
        pixels[1:-1, 1:-1] = 50
        expected = 255 - pixels if inverted else pixels
        np.testing.assert_array_equal(_run(pixels, "invert", when="light-border"), expected)

    def test_colours_decide_together(self) -> None:
        pixels = np.full((3, 3, 3), (255, 255, 0))
        assert _run(pixels, "invert", when="light-border")[0, 0].tolist() == [0, 0, 255]


class TestStretch:
    def test_the_whole_span_becomes_0_to_255(self) -> None:
        assert _run([[50, 100], [75, 60]], "stretch", low=0, high=100).tolist() == [
            [0, 255],
            [128, 51],
        ]

    def test_what_lies_outside_the_percentiles_is_cut_off(self) -> None:
        pixels = np.arange(100, 201).reshape(1, 101)
        made = _run(pixels, "stretch", low=10, high=90)[0]
        assert made[:11].tolist() == [0] * 11
        assert made[90:].tolist() == [255] * 11
        assert made[50] == 128

    @pytest.mark.parametrize("level", [0, 7, 255])
    def test_one_level_stays(self, level: int) -> None:
        assert _run([[level, level]], "stretch", low=1, high=99).tolist() == [[level, level]]

    def test_colours_are_stretched_together(self) -> None:
        pixels = np.full((1, 2, 3), ((10, 20, 30), (10, 20, 61)))
        made = _run(pixels, "stretch", low=0, high=100)
        assert made.tolist() == [[[0, 50, 100], [0, 50, 255]]]

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 9999), st.floats(0, 49), st.floats(51, 100))
    def test_it_is_as_the_page_says(self, seed: int, low: float, high: float) -> None:
        pixels = np.sort(_noise(seed, 1 + seed % 60, 3)).astype(int)
        levels = sorted(pixels.ravel().tolist())
        b = levels[math.floor(low * (len(levels) - 1) / 100)]
        t = levels[math.ceil(high * (len(levels) - 1) / 100)]
        expected = pixels if b == t else (510 * (pixels - b) + (t - b)) // (2 * (t - b))
        made = _run(pixels, "stretch", low=low, high=high)
        np.testing.assert_array_equal(made, np.clip(expected, 0, 255))


class TestFind:
    def test_the_box_around_the_light_is_cut_out(self) -> None:
        pixels = np.zeros((9, 12), np.uint8)
        pixels[2:5, 3:9] = 20
        pixels[3, 4] = pixels[4, 6] = 21
        np.testing.assert_array_equal(_run(pixels, "find", above=20), pixels[3:5, 4:7])

    @pytest.mark.parametrize("above", [20, 255])
    def test_a_picture_without_any_stays_whole(self, above: int) -> None:
        pixels = np.full((3, 4), 20)
        np.testing.assert_array_equal(_run(pixels, "find", above=above), pixels)

    def test_any_colour_counts(self) -> None:
        pixels = np.zeros((5, 5, 3), np.uint8)
        pixels[1, 2, 2] = pixels[3, 3, 0] = 1
        np.testing.assert_array_equal(_run(pixels, "find", above=0), pixels[1:4, 2:4])


class TestFit:
    def test_a_level_fills_what_is_left(self) -> None:
        made = _run(np.full((2, 4), 9), "fit", width=8, height=8, fill=3)
        assert made[:, 0].tolist() == [3, 3, 9, 9, 9, 9, 3, 3]

    def test_a_level_fills_every_channel(self) -> None:
        made = _run(np.full((2, 4, 3), 9), "fit", width=8, height=8, fill=3)
        assert made[0, 0].tolist() == [3, 3, 3]

    def test_the_border_is_the_papers_colour(self) -> None:
        made = _run(np.full((1, 3, 3), (9, 8, 7)), "fit", width=3, height=3, fill="border")
        assert (made == (9, 8, 7)).all()


class TestCentre:
    def _centred(self, pixels: Any, width: int, height: int, fill: int = 0) -> NDArray[Any]:
        return _run(pixels, "centre", width=width, height=height, fill=fill)

    @pytest.mark.parametrize(("width", "height"), [(9, 7), (10, 8), (1, 1), (2, 5)])
    def test_one_point_goes_to_the_middle(self, width: int, height: int) -> None:
        pixels = np.zeros((20, 30), np.uint8)
        pixels[17, 4] = 200
        made = self._centred(pixels, width, height)
        assert made.shape == (height, width)
        assert made[height // 2, width // 2] == 200
        assert made.sum() == 200

    def test_the_heavier_side_draws_the_middle(self) -> None:
        assert self._centred([[30, 0, 0, 0, 10]], 7, 1).tolist() == [[0, 0, 30, 0, 0, 0, 10]]
        assert self._centred([[10, 0, 0, 0, 10]], 7, 1).tolist() == [[0, 10, 0, 0, 0, 10, 0]]

    def test_what_is_filled_has_no_mass(self) -> None:
        light = 255 - np.asarray(self._centred(255 - np.eye(3) * 200, 5, 5, fill=255))
        np.testing.assert_array_equal(light, self._centred(np.eye(3) * 200, 5, 5))

    def test_a_larger_picture_is_cut_around_its_centre_of_mass(self) -> None:
        pixels = np.zeros((30, 30), np.uint8)
        pixels[20:23, 10:13] = _noise(3, 3, 3) // 2 + 100
        np.testing.assert_array_equal(self._centred(pixels, 3, 3), pixels[20:23, 10:13])

    @pytest.mark.parametrize(("size", "inside"), [(5, (1, 4)), (4, (0, 3))])
    def test_a_picture_without_mass_is_put_in_the_middle(
        self, size: int, inside: tuple[int, int]
    ) -> None:
        assert (self._centred(np.full((3, 3), 8), size, size, fill=8) == 8).all()
        canvas = Image.new("L", (size, size))
        made = picture_steps._in_the_middle(Image.new("L", (3, 3), 1), canvas.size, (0,))
        (low, high) = inside
        assert np.asarray(made)[low:high, low:high].all()

    def test_the_mass_of_colours_is_summed(self) -> None:
        pixels = np.zeros((1, 3, 3), np.uint8)
        pixels[0, 0] = (0, 0, 100)
        pixels[0, 2] = (50, 49, 0)
        assert self._centred(pixels, 3, 1).tolist() == pixels.tolist()
        assert self._centred(pixels[:, 2:], 3, 1)[0, 1].tolist() == [50, 49, 0]

    def test_a_digit_of_mnist_is_where_mnist_has_it(self) -> None:
        """Its digits' centres of mass lie from 13.5 to 14.5 of 28."""
        pixels = np.zeros((20, 20), np.uint8)
        pixels[2:19, 5:9] = _noise(4, 17, 4)
        made = self._centred(pixels, 28, 28).astype(float)
        for axis in (0, 1):
            mass = made.sum(axis=axis)
            assert 13.5 <= (mass @ np.arange(28)) / mass.sum() < 14.5


class TestCrop:
    def test_the_middle_is_cut_out(self) -> None:
        pixels = _noise(5, 9, 12)
        np.testing.assert_array_equal(_run(pixels, "crop", width=6, height=3), pixels[3:6, 3:9])

    def test_of_an_odd_rest_the_larger_half_is_left_out_in_front(self) -> None:
        assert _run([[1, 2, 3, 4]], "crop", width=1, height=1).tolist() == [[3]]

    def test_a_smaller_picture_is_padded_with_the_median_of_its_border(self) -> None:
        made = _run([[5, 5, 5], [5, 99, 5], [5, 5, 5]], "crop", width=5, height=3)
        assert made.tolist() == [[5] * 5, [5, 5, 99, 5, 5], [5] * 5]

    def test_one_side_may_be_larger_and_the_other_smaller(self) -> None:
        made = _run([[1, 2, 3, 4, 5]], "crop", width=3, height=3)
        assert made.tolist() == [[3, 3, 3], [2, 3, 4], [3, 3, 3]]


class TestNormalise:
    def test_it_computes_in_float32(self) -> None:
        pixels = np.arange(256).reshape(16, 16)
        made = _run(pixels, "normalise", scale=1 / 255, offset=-0.1)
        assert made.dtype == np.float32
        scale, offset = np.float32(1 / 255), np.float32(-0.1)
        by_hand = [np.float32(np.float32(scale * np.float32(v)) + offset) for v in range(256)]
        assert made.ravel().tolist() == [float(value) for value in by_hand]

    def test_the_largest_factors_stay_finite(self) -> None:
        factor = pictures.MAX_FACTOR
        assert np.isfinite(_run([[0, 255]], "normalise", scale=factor, offset=factor)).all()


class TestScaling:
    """docs/bundle-format.md, Scaling: a reader written from it gets Pillow's bits."""

    @staticmethod
    def _line(levels: NDArray[Any], size: int) -> NDArray[np.int64]:
        """Scale along the first axis."""
        n = len(levels)
        if n == size:
            return levels.astype(np.int64)
        r = n / size
        q = max(r, 1.0)
        made = []
        for i in range(size):
            c = (i + 0.5) * r
            places = range(max(0, int(c - q + 0.5)), min(n, int(c + q + 0.5)))
            weights = [max(0.0, 1 - abs(j - c + 0.5) / q) for j in places]
            whole = [math.floor(weight / sum(weights) * 2**22 + 0.5) for weight in weights]
            total = sum(w * levels[j].astype(np.int64) for w, j in zip(whole, places, strict=True))
            made.append(np.clip((total + 2**21) // 2**22, 0, 255))
        return np.array(made)

    @settings(max_examples=60, deadline=None)
    @given(*[st.integers(1, 70)] * 4, st.booleans())
    def test_it_is_as_the_page_says(self, w: int, h: int, w2: int, h2: int, colour: bool) -> None:
        pixels = _noise(w * 71 + h, h, w, *[3] * colour)
        across = np.swapaxes(self._line(np.swapaxes(pixels, 0, 1), w2), 0, 1)
        expected = self._line(across, h2)
        np.testing.assert_array_equal(_run(pixels, "resize", width=w2, height=h2), expected)


def test_the_steps_follow_each_other() -> None:
    """A photo of a dark digit on light paper, as a model of MNIST takes it."""
    photo = np.full((90, 120), 210, np.uint8)
    photo[30:70, 50:60] = 40
    steps = (
        _step("flatten", level=255),
        _step("invert", when="light-border"),
        _step("stretch", low=0, high=100),
        _step("find", above=128),
        _step("fit", width=20, height=20, fill=0),
        _step("centre", width=28, height=28, fill=0),
        _step("normalise", scale=1 / 255, offset=0),
    )
    made = prepare(Image.fromarray(photo), Picture("L", steps))
    expected = np.zeros((28, 28), np.float32)
    expected[4:24, 12:17] = 1
    np.testing.assert_allclose(made, expected, atol=1e-6)
