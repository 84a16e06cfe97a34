"""Decoding of pictures: the orientation, the memory that it takes, and what files it opens."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.bundle.manifest import InputSpec, Picture, PictureStep
from strop.errors import InputError
from strop.model.arrays import read_inputs
from strop.model.decoding import decode, opened, orientation
from strop.model.images import read_samples
from tests.needs import unavailable

try:
    from PIL import Image, ImageOps
except ImportError:
    unavailable("no Pillow in this environment", "pip install pillow")

STEPS = (
    PictureStep("flatten", {"level": "contrast"}),
    PictureStep("shrink", {"side": 128}),
    PictureStep("fit", {"width": 28, "height": 28, "fill": "border"}),
)


def _spec(side: int, *steps: PictureStep) -> InputSpec:
    return InputSpec("image", (None, side, side, 3), "uint8", (0, 255), (), Picture("RGB", steps))


SPEC = InputSpec("image", (None, 28, 28), "uint8", (0, 255), (), Picture("L", STEPS))
_RESIZED = {side: PictureStep("resize", {"width": side, "height": side}) for side in (224, 1024)}
_STRETCHED = PictureStep("stretch", {"low": 1, "high": 99})
_CENTRED = PictureStep("centre", {"width": 224, "height": 224, "fill": 0})
SPECS = {
    "digit": SPEC,
    "224": _spec(224, _RESIZED[224]),
    "1024": _spec(1024, _RESIZED[1024]),
    "stretched": _spec(224, _STRETCHED, _CENTRED),
}
PEAK_MIB = 256  # as docs/bundle-format.md has it


def _exif(*entries: bytes, order: str = "<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(entries) + bytes(4)


def _tag(value: int, tag: int = 0x0112, kind: int = 3, count: int = 1, order: str = "<") -> bytes:
    return struct.pack(f"{order}HHIHH", tag, kind, count, value, 0)


class TestOrientation:
    @pytest.mark.parametrize("value", range(1, 9))
    @pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
    def test_each_is_followed_as_pillow_does(self, format: str, value: int) -> None:
        pixels = np.random.default_rng(5).integers(0, 256, (5, 8, 3)).astype(np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, format, exif=_exif(_tag(value)))
        turned: Any = ImageOps.exif_transpose(Image.open(content))
        content.seek(0)
        np.testing.assert_array_equal(decode(content), np.asarray(turned.convert("RGB")))

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_it_is_found_behind_other_tags(self, order: str) -> None:
        others = (_tag(9, tag, 2, 2**31, order) for tag in (0x0100, 0x0111))
        assert orientation(_exif(*others, _tag(6, order=order), order=order)) == 6

    @pytest.mark.parametrize(
        "exif",
        [
            None,
            "text",
            b"",
            b"Exif\0\0",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0II*\0" + struct.pack("<IH", 8, 65535),
            _exif(),
            _exif(_tag(0)),
            _exif(_tag(9)),
            _exif(_tag(6, kind=4)),
            _exif(_tag(6, count=2)),
            _exif(_tag(6))[:-5][:24],
        ],
        ids=repr,
    )
    def test_without_a_sound_one_the_picture_stays(self, exif: Any) -> None:
        assert orientation(exif) == 1

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
    def test_a_wrong_tag_beside_it_does_no_harm(self, tmp_path: Path, format: str) -> None:
        path = tmp_path / "photo"
        wrong = bytes.fromhex("000102000100000061620000")
        pixels = np.tile(np.arange(0, 252, 7, dtype=np.uint8), (10, 1))  # (10, 36)
        Image.fromarray(pixels).save(path, format, exif=_exif(wrong, _tag(6)))
        with path.open("rb") as file:
            assert decode(file).shape[:2] == (36, 10)
        assert read_samples(path, SPEC).shape == (28, 28)


class TestDepth:
    @pytest.mark.parametrize("bits", [1, 8, 10, 12, 16])
    def test_the_bits_that_are_used_count(self, bits: int) -> None:
        values = np.linspace(0, 2**bits - 1, 60).astype(np.uint16).reshape(6, 10)
        content = io.BytesIO()
        Image.fromarray(values).save(content, "PNG")
        content.seek(0)
        np.testing.assert_array_equal(decode(content)[..., 0], values >> max(0, bits - 8))


class TestFiles:
    @pytest.mark.parametrize("name", ["pipe", "pipe.npy", "pipe.npz"])
    def test_a_pipe_is_refused_at_once(self, tmp_path: Path, name: str) -> None:
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match="not a regular file"):
            read_inputs(tmp_path / name, (SPEC,))

    def test_a_device_is_refused(self) -> None:
        with pytest.raises(InputError, match="not a regular file"):
            read_samples("/dev/zero", SPEC)

    @pytest.mark.parametrize("path", ["a\0b.png", "a\0b.npy", "a\0b.npz", "\0", "a\ud800.png"])
    def test_a_path_that_is_none_is_refused(self, path: str) -> None:
        with pytest.raises(InputError, match="cannot read"):
            read_inputs(path, (SPEC,))

    def test_an_open_file_is_read_from_its_start(self) -> None:
        content = io.BytesIO()
        Image.new("L", (28, 28), 7).save(content, "PNG")
        assert (read_samples(content, SPEC) == 7).all()


class TestImages:
    """Images that Pillow has opened."""

    @pytest.mark.parametrize("size", [(9000, 9000), (1, 30_000)])
    def test_one_that_is_too_large_is_refused(self, size: tuple[int, int]) -> None:
        lazy = Image.open(io.BytesIO(_png(*size, 1)))
        for image in (lazy, Image.new("L", size)):
            with pytest.raises(InputError, match=f"{size[0]} x {size[1]} pixels"):
                opened(image)
        assert lazy.fp is not None  # it was not read

    def test_one_of_another_format_must_have_been_read(self) -> None:
        lazy = Image.open(io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n"))
        with pytest.raises(InputError, match="of format EPS, and not read yet"):
            opened(lazy)
        content = io.BytesIO()
        Image.new("L", (4, 4), 7).save(content, "TIFF")
        tiff = Image.open(content)
        with pytest.raises(InputError, match="of format TIFF"):
            opened(tiff)
        tiff.load()
        assert (opened(tiff) == 7).all()

    def test_a_large_photo_is_decoded_at_half_its_size_and_stays(self, photo: bytes) -> None:
        levels = decode(io.BytesIO(photo))
        assert levels.shape == (2000, 2500, 3)
        assert levels[0].max() < 10 < 245 < levels[-1].min()
        image = Image.open(io.BytesIO(photo))
        np.testing.assert_array_equal(opened(image), levels)
        assert image.size == (5000, 4000)
        image.load()


@pytest.fixture(params=["JPEG", "MPO"])
def photo(request: pytest.FixtureRequest) -> bytes:
    """Give a photo of more than MAX_PIXELS; an MPO has a second picture behind it."""
    content = io.BytesIO()
    others = [Image.new("RGB", (8, 8))] if request.param == "MPO" else []
    options = {"save_all": True, "append_images": others} if others else {}
    Image.linear_gradient("L").resize((5000, 4000)).convert("RGB").save(
        content, request.param, quality=20, **options
    )
    assert Image.open(content).format == request.param
    return content.getvalue()


def _png(width: int, height: int, channels: int) -> bytes:
    """Give a PNG of one level, made without a picture in memory."""
    packer = zlib.compressobj(1)
    row = bytes(1 + width * channels)
    rows = max(1, 2**20 // len(row))
    content = b"".join(packer.compress(row * min(rows, height - y)) for y in range(0, height, rows))
    kind = {1: 0, 3: 2, 4: 6}[channels]
    chunks = (
        (b"IHDR", struct.pack(">2I5B", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", content + packer.flush()),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


PEAK = """
import re, sys
from PIL import Image
from strop.model.images import read_samples
from tests.unit.runtime.test_decoding import SPECS
def peak():  # in KiB; the figure of getrusage starts with that of the process before
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
start = peak()
try:
    print(read_samples(sys.argv[1], SPECS[sys.argv[2]]).shape)
except Exception as error:
    print(type(error).__name__, error)
print((peak() - start) // 1024)
"""


class TestMemory:
    def _peak(self, path: Path, spec: str = "digit") -> tuple[str, int]:
        """Read the picture in a process of its own; return what came out, and the MiB it took."""
        command = [sys.executable, "-W", "ignore", "-c", PEAK, str(path), spec]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        *said, peak = done.stdout.splitlines()
        return " ".join(said), int(peak)

    @pytest.mark.parametrize(
        ("width", "height", "channels"),
        [(4096, 4096, 4), (4096, 4096, 1), (24_576, 682, 4), (682, 24_576, 3)],
    )
    def test_the_largest_pngs_are_read_in_little(
        self, tmp_path: Path, width: int, height: int, channels: int
    ) -> None:
        path = tmp_path / "large.png"
        path.write_bytes(_png(width, height, channels))
        said, peak = self._peak(path)
        assert said == "(28, 28)"
        assert peak < PEAK_MIB

    @pytest.mark.parametrize(
        ("width", "height", "spec"),
        [
            *((*size, spec) for size in ((1, 24_576), (24_576, 1)) for spec in ("224", "1024")),
            (4096, 4096, "stretched"),
        ],
    )
    def test_every_step_takes_little(
        self, tmp_path: Path, width: int, height: int, spec: str
    ) -> None:
        path = tmp_path / "large.png"
        path.write_bytes(_png(width, height, 3))
        said, peak = self._peak(path, spec)
        assert said == str(SPECS[spec].shape[1:])
        assert peak < PEAK_MIB

    @pytest.mark.parametrize("size", [(1, 2**26), (8192, 8192)])
    def test_larger_ones_are_refused_in_less(self, tmp_path: Path, size: tuple[int, int]) -> None:
        path = tmp_path / "larger.png"
        path.write_bytes(_png(*size, 1))
        said, peak = self._peak(path)
        assert said.startswith("InputError")
        assert "pixels" in said
        assert peak < 16

    @pytest.mark.parametrize(("progressive", "read"), [(False, True), (True, False)])
    def test_a_large_photo_is_decoded_at_half_its_size(
        self, tmp_path: Path, progressive: bool, read: bool
    ) -> None:
        path = tmp_path / "photo.jpg"
        Image.new("RGB", (8000, 6000)).save(path, quality=20, progressive=progressive)
        said, peak = self._peak(path)
        assert (said == "(28, 28)") is read, said
        assert peak < PEAK_MIB

    def test_the_largest_webp_is_read_in_little(self, tmp_path: Path) -> None:
        path = tmp_path / "large.webp"
        Image.new("RGBA", (4096, 3072), (9, 99, 200, 100)).save(path, quality=1, method=0)
        said, peak = self._peak(path)
        assert said == "(28, 28)"
        assert peak < PEAK_MIB


def test_an_error_of_an_app_that_is_no_exception_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(BaseException):
        pass

    def stop(*_: Any, **__: Any) -> None:
        raise Stopped

    content = io.BytesIO()
    Image.new("L", (2, 2)).save(content, "PNG")
    content.seek(0)
    monkeypatch.setattr(Image.Image, "load", stop)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", stop)
    with pytest.raises(Stopped):
        decode(content)
