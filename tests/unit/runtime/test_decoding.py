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
from strop.model.decoding import decode, orientation
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
SPEC = InputSpec("image", (None, 28, 28), "uint8", (0, 255), (), Picture("L", STEPS))
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
from tests.unit.runtime.test_decoding import SPEC
def peak():  # in KiB; the figure of getrusage starts with that of the process before
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
start = peak()
try:
    print(read_samples(sys.argv[1], SPEC).shape)
except Exception as error:
    print(type(error).__name__, error)
print((peak() - start) // 1024)
"""


class TestMemory:
    def _peak(self, path: Path) -> tuple[str, int]:
        """Read the picture in a process of its own; return what came out, and the MiB it took."""
        command = [sys.executable, "-W", "ignore", "-c", PEAK, str(path)]
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
