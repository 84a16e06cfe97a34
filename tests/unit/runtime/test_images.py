"""Pictures and .npy files as model input."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from strop.bundle.manifest import InputSpec, Picture, PictureStep
from strop.errors import InputError, StropError
from strop.model import decoding, images
from strop.model.images import prepare, read_samples
from tests import bundles
from tests.needs import unavailable
from tests.unit.runtime.test_bundle import Trap

try:
    from PIL import Image
except ImportError:
    unavailable("no Pillow in this environment", "pip install pillow")

FLATTEN = PictureStep("flatten", {"level": 255})
INVERT = PictureStep("invert", {"when": "light-border"})
FIT = PictureStep("fit", {"width": 4, "height": 4, "fill": "border"})
DARK = Picture("L", (FLATTEN, INVERT, FIT))
ANY = Picture("L", (FLATTEN, FIT))
RGB = Picture("RGB", (FLATTEN, FIT))
FLOAT = Picture("L", (*DARK.steps, PictureStep("normalise", {"scale": 1 / 255, "offset": 0})))
GREY_INPUT = InputSpec("image", (None, 4, 4), "uint8", (0, 255), (), DARK)

# Light ink in the middle of dark paper.
INK = np.array([[0, 0, 0, 0], [0, 200, 250, 0], [0, 250, 200, 0], [0, 0, 0, 0]], np.uint8)


def _png(path: Path, picture: Any, **options: Any) -> Path:
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    picture.save(path, **options)
    return path


class TestPolarity:
    def test_light_on_dark_stays(self) -> None:
        np.testing.assert_array_equal(prepare(Image.fromarray(INK), DARK), INK)

    def test_dark_on_light_is_inverted(self) -> None:
        np.testing.assert_array_equal(prepare(Image.fromarray(255 - INK), DARK), INK)

    def test_any_background_is_left_alone(self) -> None:
        np.testing.assert_array_equal(prepare(Image.fromarray(255 - INK), ANY), 255 - INK)

    def test_a_stroke_that_touches_the_border_does_not_decide(self) -> None:
        touching = INK.copy()
        touching[:, 1] = 255
        np.testing.assert_array_equal(prepare(Image.fromarray(touching), DARK), touching)

    def test_transparent_paper_is_white(self) -> None:
        drawing = np.zeros((4, 4, 4), np.uint8)
        drawing[..., 3] = INK  # black ink, nothing elsewhere
        np.testing.assert_array_equal(prepare(Image.fromarray(drawing), DARK), INK)
        np.testing.assert_array_equal(prepare(Image.fromarray(drawing), ANY), 255 - INK)

    def test_without_flatten_what_is_transparent_keeps_its_colour(self) -> None:
        drawing = np.zeros((4, 4, 2), np.uint8)
        drawing[..., 0] = INK
        picture = Image.fromarray(drawing, "LA")
        np.testing.assert_array_equal(prepare(picture, Picture("L", (FIT,))), INK)

    def test_a_palette_with_a_transparent_colour_is_laid_on_white(self, tmp_path: Path) -> None:
        picture = Image.fromarray((INK > 0).astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 0, 0, 0])
        path = _png(tmp_path / "p.png", picture, transparency=0)
        np.testing.assert_array_equal(read_samples(path, GREY_INPUT), np.where(INK, 255, 0))


class TestModes:
    def test_colours_become_grey(self) -> None:
        colour = np.repeat(INK[..., None], 3, axis=2)
        np.testing.assert_array_equal(prepare(Image.fromarray(colour), DARK), INK)

    def test_grey_becomes_colours(self) -> None:
        np.testing.assert_array_equal(
            prepare(Image.fromarray(INK), RGB), np.repeat(INK[..., None], 3, axis=2)
        )

    def test_colours_stay_in_their_order(self) -> None:
        colour = np.zeros((4, 4, 3), np.uint8)
        colour[...] = (10, 20, 30)
        np.testing.assert_array_equal(prepare(Image.fromarray(colour), RGB), colour)

    @pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "HSV"])
    def test_every_other_mode_is_taken(self, mode: str) -> None:
        black = Image.new("RGB", (4, 4)).convert(mode)
        assert prepare(black, DARK).tolist() == [[0] * 4] * 4

    def test_sixteen_bits_a_pixel_keep_their_shades(self, tmp_path: Path) -> None:
        path = _png(tmp_path / "deep.png", INK.astype(np.uint16) * 257)
        np.testing.assert_array_equal(read_samples(path, GREY_INPUT), INK)

    def test_sixteen_bits_of_a_pgm_keep_their_shades(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.pgm"
        path.write_bytes(b"P5 4 4 65535\n" + (INK.astype(">u2") * 257).tobytes())
        np.testing.assert_array_equal(read_samples(path, GREY_INPUT), INK)

    def test_values_of_no_known_range_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.pfm"
        path.write_bytes(b"Pf\n4 4\n-1.0\n" + INK.astype("<f4").tobytes())
        with pytest.raises(InputError, match="32 bits per pixel, and does not say in which range"):
            read_samples(path, GREY_INPUT)


class TestSizes:
    def test_a_larger_picture_is_scaled_down(self) -> None:
        large = np.kron(INK, np.ones((8, 8), np.uint8))
        small = prepare(Image.fromarray(large), DARK)
        np.testing.assert_allclose(small.astype(int), INK.astype(int), atol=75)

    def test_a_smaller_one_is_scaled_up(self) -> None:
        assert prepare(Image.fromarray(INK[1:3, 1:3]), ANY).shape == (4, 4)

    @pytest.mark.parametrize("shape", [(4, 16), (16, 4)])
    def test_the_proportions_are_kept_and_the_rest_is_paper(self, shape: tuple[int, int]) -> None:
        picture = np.full(shape, 10, np.uint8)
        picture[shape[0] // 2 - 1 : shape[0] // 2 + 1, shape[1] // 2 - 1 : shape[1] // 2 + 1] = 255
        small = prepare(Image.fromarray(picture), DARK)
        assert (small[0, 0], small[-1, -1]) == (10, 10)
        assert small.max() > 20

    def test_the_padding_of_an_inverted_picture_is_dark(self) -> None:
        small = prepare(Image.fromarray(np.full((2, 16), 250, np.uint8)), DARK)
        np.testing.assert_array_equal(small, np.full((4, 4), 5))

    def test_colour_padding_is_the_papers_colour(self) -> None:
        picture = np.zeros((2, 16, 3), np.uint8)
        picture[...] = (10, 20, 30)
        np.testing.assert_array_equal(prepare(Image.fromarray(picture), RGB)[0, 0], (10, 20, 30))

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
    def test_a_picture_of_one_line_is_taken(self, shape: tuple[int, int]) -> None:
        assert prepare(Image.fromarray(np.full(shape, 7, np.uint8)), DARK).shape == (4, 4)

    def test_exif_orientation_is_followed(self, tmp_path: Path) -> None:
        turned = np.array(INK)
        turned[1, 1] = 90
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was held upright: turn clockwise to view
        path = _png(tmp_path / "turned.png", np.rot90(turned), exif=exif)
        np.testing.assert_array_equal(read_samples(path, GREY_INPUT), turned)
        path = _png(tmp_path / "deep.png", np.rot90(turned).astype(np.uint16) * 257, exif=exif)
        np.testing.assert_array_equal(read_samples(path, GREY_INPUT), turned)

    @pytest.mark.parametrize(
        ("shape", "dtype", "picture"),
        [
            ((None, 4, 4), "uint8", DARK),
            ((None, 4, 4, 1), "uint8", DARK),
            ((None, 4, 4, 3), "uint8", RGB),
            ((None, 4, 4), "float32", FLOAT),
            ((None, 4, 4, 1), "float32", FLOAT),
        ],
    )
    def test_the_shape_and_dtype_are_the_inputs(
        self, tmp_path: Path, shape: tuple[int | None, ...], dtype: str, picture: Picture
    ) -> None:
        path = _png(tmp_path / "a.png", INK)
        read = read_samples(path, InputSpec("image", shape, dtype, None, (), picture))
        assert read.shape == shape[1:]
        assert read.dtype == dtype


def _huge_png(width: int, height: int) -> bytes:
    """A PNG whose header claims more pixels than it has."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::RuntimeWarning")
class TestBadPictures:
    def _refused(self, path: Path, content: bytes, spec: InputSpec = GREY_INPUT) -> str:
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_samples(path, spec)
        assert str(path) in str(caught.value)
        return str(caught.value)

    def _content(self, format: str = "PNG") -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(np.kron(INK, np.ones((9, 9), np.uint8))).save(buffer, format)
        return buffer.getvalue()

    @pytest.mark.parametrize(
        "size", [(4097, 4096), (1, 24_577), (8193, 8192), (10_000, 10_000), (60_000, 60_000)]
    )
    def test_a_bomb_is_refused_by_its_header(self, tmp_path: Path, size: tuple[int, int]) -> None:
        message = self._refused(tmp_path / "bomb.png", _huge_png(*size))
        assert "pixels" in message

    def test_a_large_photo_is_not_taken_for_a_bomb(self) -> None:
        assert decoding.MAX_JPEG_PIXELS >= 8000 * 6000

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "GIF", "PPM"])
    def test_every_truncation_is_refused_or_read_and_nothing_else(
        self, tmp_path: Path, format: str
    ) -> None:
        whole = self._content(format)
        path = tmp_path / "cut.png"
        for size in range(0, len(whole) - 2, max(1, len(whole) // 60)):
            path.write_bytes(whole[:size])
            try:
                read = read_samples(path, GREY_INPUT)
            except InputError:
                continue
            assert read.shape == (4, 4)

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP"])
    def test_damage_anywhere_is_refused_or_read_and_nothing_else(
        self, tmp_path: Path, format: str
    ) -> None:
        whole = self._content(format)
        path = tmp_path / "hurt.png"
        random = np.random.default_rng(3)
        for _ in range(120):
            hurt = bytearray(whole)
            for at in random.integers(0, len(whole), 3):
                hurt[at] = int(random.integers(256))
            path.write_bytes(hurt)
            try:
                read = read_samples(path, GREY_INPUT)
            except InputError:
                continue
            assert read.shape == (4, 4)

    def test_half_a_png_is_named(self, tmp_path: Path) -> None:
        content = self._content()
        assert "half.png" in self._refused(tmp_path / "half.png", content[: len(content) // 2])

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
    def test_what_is_no_picture_is_named(self, tmp_path: Path, content: bytes) -> None:
        self._refused(tmp_path / "no.png", content)

    def test_a_program_for_ghostscript_is_not_run(self, tmp_path: Path) -> None:
        """Pillow would start `gs`, if it is installed, on any file that begins like this."""
        program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n"
        message = self._refused(tmp_path / "picture.png", program)
        assert "not a picture that Pillow reads" in message

    def test_a_model_that_takes_no_pictures_says_so(self, tmp_path: Path) -> None:
        spec = InputSpec("measurements", (None, 5), "float32", None, ())
        message = self._refused(tmp_path / "a.png", self._content(), spec)
        assert message.startswith("the model takes no pictures; give it a .npy file")

    def test_a_missing_one_is_said_to_be_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cannot read .*gone.png: No such file"):
            read_samples(tmp_path / "gone.png", GREY_INPUT)

    def test_a_folder_is_said_to_be_one(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="directory"):
            read_samples(tmp_path, GREY_INPUT)


class TestWithoutPillow:
    @pytest.fixture(autouse=True)
    def _no_pillow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)

    def test_a_picture_asks_for_it_with_the_install_line(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(_huge_png(4, 4))
        with pytest.raises(StropError) as caught:
            read_samples(path, GREY_INPUT)
        assert str(caught.value) == (
            f"{path}: reading a picture needs Pillow, which is not installed; "
            "pip install './strop-0.1.0-py3-none-any.whl[images]'"
        )

    def test_a_missing_picture_is_still_missing_first(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="No such file"):
            read_samples(tmp_path / "gone.png", GREY_INPUT)

    def test_an_array_file_does_not_need_it(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", INK)
        np.testing.assert_array_equal(read_samples(tmp_path / "a.npy", GREY_INPUT), INK)


class TestNpy:
    def test_an_array_is_given_as_it_is(self, tmp_path: Path) -> None:
        array: NDArray[Any] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
        np.save(tmp_path / "a.npy", array)
        read = read_samples(str(tmp_path / "a.npy"), GREY_INPUT)
        assert read.dtype == np.float64
        np.testing.assert_array_equal(read, array)

    def test_a_pickled_one_is_refused_and_not_run(self, tmp_path: Path) -> None:
        made, path = tmp_path / "made by a pickle", tmp_path / "a.npy"
        np.save(path, np.array([Trap(made)], dtype=object), allow_pickle=True)
        with pytest.raises(InputError, match=r"a.npy is not an .npy array: Object arrays cannot"):
            read_samples(path, GREY_INPUT)
        path.write_bytes(pickle.dumps(Trap(made)))
        with pytest.raises(InputError, match="is not an .npy array"):
            read_samples(path, GREY_INPUT)
        assert not made.exists()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"noise",
            bundles.npy(np.zeros(3))[:-1],
            bundles.npy_header("("),
            bundles.npy_header(f"{{'descr':'<f4','fortran_order':False,'shape':({10**30},)}}"),
            bundles.npy_header(f"{{'descr':'<f4','fortran_order':False,'shape':({10**13},)}}"),
            bundles.npy_header("-" * 9000 + "1"),
        ],
        ids=lambda content: repr(content[:70]),
    )
    def test_any_other_nonsense_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.npy"
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not an .npy array"):
            read_samples(path, GREY_INPUT)

    def test_a_file_beyond_the_limit_is_refused_unread(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        np.save(tmp_path / "a.npy", INK)
        monkeypatch.setattr(images, "MAX_NPY_BYTES", 100)
        with pytest.raises(InputError, match="is larger than 100 bytes; split it"):
            read_samples(tmp_path / "a.npy", GREY_INPUT)

    def test_a_missing_one_is_said_to_be_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cannot read .*gone.npy: No such file"):
            read_samples(tmp_path / "gone.npy", GREY_INPUT)


def test_classify_takes_a_picture(image_path: Path, tmp_path: Path) -> None:
    path = _png(tmp_path / "ink.png", 255 - INK)
    with strop.load(image_path) as model:
        assert model.classify(path).label == model.classify(INK).label
