"""The steps from a picture to an input, as docs/bundle-format.md describes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strop.bundle import pictures
from strop.bundle.manifest import Picture, PictureStep
from strop.errors import BlankPicture
from strop.model import scaling
from strop.model.images import prepare
from tests.needs import unavailable

try:
    from PIL import Image

    from strop.model import picture_steps
except ImportError:
    unavailable("no Pillow in this environment", "pip install pillow")


def _step(name: str, **options: Any) -> PictureStep:
    return PictureStep(name, options)


def _run(pixels: Any, name: str, **options: Any) -> NDArray[Any]:
    levels = np.asarray(pixels, np.uint8)
    made = picture_steps.STEPS[name](levels.reshape(*levels.shape[:2], -1), **options)
    return np.asarray(made[..., 0] if levels.ndim == 2 else made)


def _noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


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

    @pytest.mark.parametrize("pen", [0, 90, 160, 255])
    def test_the_paper_differs_from_the_ink(self, pen: int) -> None:
        pixels = np.zeros((5, 5, 4), np.uint8)
        pixels[2, 1:4] = (pen, pen, pen, 255)
        made = _run(pixels, "flatten", level="contrast")
        assert made[2, 2].tolist() == [pen] * 3
        assert made[0, 0].tolist() == [255 * (pen < 128)] * 3


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
        pixels[3, 4] = pixels[4, 5] = pixels[3, 6] = 21
        np.testing.assert_array_equal(_run(pixels, "find", above=20), pixels[3:5, 4:7])

    @pytest.mark.parametrize("above", [20, 255])
    def test_a_picture_without_any_is_blank(self, above: int) -> None:
        with pytest.raises(BlankPicture, match="the picture is blank"):
            _run(np.full((3, 4), 20), "find", above=above)

    def test_specks_and_what_lies_far_are_left_out(self) -> None:
        pixels = np.zeros((40, 40), np.uint8)
        pixels[10:20, 10:14] = 200  # the drawing
        pixels[10:20, 16:18] = 190  # a stroke beside it
        pixels[12, 20] = 255  # a speck near it
        pixels[34:39, 30:38] = 180  # far away
        pixels[9, 10:14] = 30  # a faint edge
        np.testing.assert_array_equal(_run(pixels, "find", above=50), pixels[9:20, 10:18])

    def test_the_edge_of_the_picture_counts_little(self) -> None:
        pixels = np.zeros((40, 40), np.uint8)
        pixels[:, 37:] = 255
        pixels[10:20, 10:14] = 200
        np.testing.assert_array_equal(_run(pixels, "find", above=50), pixels[10:20, 10:14])

    def test_the_largest_pictures_of_noise_are_searched(self) -> None:
        specks = np.tile([[255, 0], [0, 0]], (256, 256))
        for pixels in (_noise(8, 512, 512), np.full((512, 512), 255), specks):
            assert _run(pixels, "find", above=50).size

    def test_any_colour_counts(self) -> None:
        pixels = np.zeros((5, 5, 3), np.uint8)
        pixels[1, 2, 2] = pixels[2, 3, 1] = pixels[3, 3, 0] = 1
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
        made = picture_steps._in_the_middle(np.ones((3, 3, 1), np.uint8), size, size, 0)
        (low, high) = inside
        assert made[low:high, low:high].all()

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
    """docs/bundle-format.md, Scaling: a reader written from it gets the same levels."""

    @staticmethod
    def _line(levels: NDArray[Any], size: int) -> NDArray[np.int64]:
        """Scale along the first axis."""
        n = len(levels)
        made = []
        for i in range(size):
            away = [abs((2 * j + 1) * size - (2 * i + 1) * n) for j in range(n)]
            weights = [max(0, 2 * max(size, n) - distance) for distance in away]
            total = sum(w * levels[j].astype(np.int64) for j, w in enumerate(weights))
            made.append((2 * total + sum(weights)) // (2 * sum(weights)))
        return np.array(made)

    @settings(max_examples=60, deadline=None)
    @given(*[st.integers(1, 70)] * 4, st.booleans())
    def test_it_is_the_sum_on_the_page(
        self, w: int, h: int, w2: int, h2: int, colour: bool
    ) -> None:
        pixels = _noise(w * 71 + h, h, w, *[3] * colour)
        across = np.swapaxes(self._line(np.swapaxes(pixels, 0, 1), w2), 0, 1)
        expected = self._line(across, h2)
        np.testing.assert_array_equal(_run(pixels, "resize", width=w2, height=h2), expected)

    def test_many_rows_are_scaled_in_stripes(self) -> None:
        pixels = _noise(9, 3000, 200)
        made = _run(pixels, "resize", width=7, height=3000)
        np.testing.assert_array_equal(
            made[2990:], _run(pixels[2990:], "resize", width=7, height=10)
        )

    @pytest.mark.parametrize("size", [(90, 7), (7, 90), (41, 60), (50, 50)])
    def test_parts_of_any_size_give_the_same(
        self, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pixels = _noise(3, 60, 41, 3)
        whole = scaling.scaled(pixels, *size)
        for name, least in (("_BETWEEN", 60 * 3 * 5), ("_STRIPE", 500), ("_LINES", 3)):
            monkeypatch.setattr(scaling, name, least)
        np.testing.assert_array_equal(scaling.scaled(pixels, *size), whole)


class TestShrink:
    @pytest.mark.parametrize(
        ("shape", "expected"),
        [((30, 40), (30, 40)), ((30, 80), (15, 40)), ((81, 40), (40, 20)), ((1, 500), (1, 40))],
    )
    def test_the_longer_side_is_bounded(
        self, shape: tuple[int, int], expected: tuple[int, int]
    ) -> None:
        assert _run(_noise(6, *shape), "shrink", side=40).shape == expected


class TestInk:
    """The paper goes, and the drawing stays, whatever the paper and its light."""

    DRAWING = np.zeros((60, 60), np.int64)
    DRAWING[10:50, 28:33] = 1
    DRAWING[10:14, 15:33] = 1

    def _ink(self, levels: Any, least: int = 20) -> NDArray[Any]:
        return _run(levels, "ink", reach=20, least=least)

    @pytest.mark.parametrize(("paper", "pen"), [(255, 0), (225, 50), (0, 255), (40, 200), (90, 70)])
    def test_paper_becomes_0_and_ink_255(self, paper: int, pen: int) -> None:
        levels = paper + (pen - paper) * self.DRAWING
        np.testing.assert_array_equal(self._ink(levels), 255 * self.DRAWING)

    def test_a_sharp_shadow_is_no_ink(self) -> None:
        levels = 240 - 200 * self.DRAWING
        levels[:, 40:] = levels[:, 40:] // 2
        np.testing.assert_array_equal(self._ink(levels), 255 * self.DRAWING)

    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_a_picture_of_one_level_is_blank(self, level: int) -> None:
        with pytest.raises(BlankPicture, match="the picture is blank"):
            self._ink(np.full((20, 30), level), least=0)

    def test_a_gradient_and_noise_are_blank(self) -> None:
        light = np.linspace(250, 120, 90)[None, :] + np.zeros((60, 1))
        noise = np.random.default_rng(3).normal(0, 5, light.shape)
        for levels in (light, light + noise, 200 + noise):
            with pytest.raises(BlankPicture, match="the picture is blank"):
                self._ink(levels.clip(0, 255))

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 9999), st.integers(1, 14), st.integers(1, 14), st.integers(1, 50))
    def test_it_is_as_the_page_says(self, seed: int, width: int, height: int, reach: int) -> None:
        pixels = (_noise(seed, height, width) // (1 + seed % 9)).astype(int)
        r = max(1, max(width, height) * reach // 100)

        def each(levels: NDArray[Any], choose: Any) -> NDArray[Any]:
            """Choose a level of each square that is inside the picture."""
            squares = np.lib.stride_tricks.sliding_window_view(levels, (2 * r + 1, 2 * r + 1))
            return np.asarray(choose(squares, axis=(2, 3)))

        around = np.pad(pixels, 2 * r, mode="edge")  # the edge goes on
        mean = each(around, np.sum)[r : r + height, r : r + width] // (2 * r + 1) ** 2
        if ((pixels - mean) ** 3).sum() < 0:
            pixels, around = 255 - pixels, 255 - around
        away = pixels - each(each(around, np.min), np.max)
        t = away.max() // 2
        for _ in range(32):
            if not (away > t).any():
                break
            t = (int(away[away <= t].mean()) + int(away[away > t].mean())) // 2
        low, high = np.sort(away[away <= t]), np.sort(away[away > t])
        if not high.size or high[len(high) // 2] <= 2 * low[len(low) // 2]:
            with pytest.raises(BlankPicture):
                _run(_noise(seed, height, width) // (1 + seed % 9), "ink", reach=reach, least=0)
            return
        b, top = 2 * low[len(low) // 2], high[len(high) // 2]
        expected = ((away - b) * 510 + top - b) // (2 * (top - b))
        made = _run(_noise(seed, height, width) // (1 + seed % 9), "ink", reach=reach, least=0)
        np.testing.assert_array_equal(made, expected.clip(0, 255))
