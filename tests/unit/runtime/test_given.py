"""The forms in which `classify` takes a sample, and what it and `prediction` refuse."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import strop
from strop.errors import InputError
from strop.model import given, images
from tests import bundles

PIXELS = np.arange(0, 256, 16, dtype=np.uint8).reshape(4, 4)


class Readable:
    """A file of an app: `read` gives a few bytes at a time, or raises; it cannot seek."""

    def __init__(self, content: bytes, error: Exception | None = None) -> None:
        self._content, self._error = io.BytesIO(content), error

    def read(self, size: int) -> Any:
        if self._error:
            raise self._error
        return self._content.read(min(size, 7))


@pytest.fixture
def model(tmp_path: Path) -> Iterator[strop.Model]:
    with strop.load(bundles.image().write(tmp_path / "shapes.strop")) as opened:
        yield opened


def _closed() -> io.BytesIO:
    file = io.BytesIO()
    file.close()
    return file


def _png() -> bytes:
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    "form",
    [
        _png,
        lambda: bytearray(_png()),
        lambda: memoryview(_png()),
        lambda: io.BytesIO(_png()),
        lambda: Readable(_png()),
        lambda: Image.fromarray(PIXELS),
        lambda: Image.open(io.BytesIO(_png())),
    ],
    ids=["bytes", "bytearray", "view", "file", "stream", "image", "lazy image"],
)
def test_a_picture_is_the_same_in_every_form(
    model: strop.Model, form: Callable[[], Any], tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    right = model.classify(tmp_path / "a.png")
    found = model.classify(form())
    assert found[:3] == right[:3]
    np.testing.assert_array_equal(found.probabilities, right.probabilities)


def test_an_open_file_is_read_and_left_open(model: strop.Model, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    with (tmp_path / "a.png").open("rb") as file:
        model.classify(file)
        assert not file.closed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"", "this is not a picture that Pillow reads"),
        (b"noise", "this is not a picture that Pillow reads"),
        (_png()[:50], "the picture"),
        (io.BytesIO(b"noise"), "this is not a picture"),
        (io.StringIO("noise"), 'the file gives str instead of bytes; open it in mode "rb"'),
        (io.BytesIO(), "the file has nothing left to read; go to its start with seek(0)"),
        (_closed(), "cannot read the file: I/O operation on closed file; give one that is open"),
        (Readable(b"", OSError("unplugged")), "cannot read the file: unplugged"),
        (memoryview(b"noise"), "this is not a picture"),
        (Image.new("F", (4, 4)), "the picture has 32 bits per pixel"),
        (Image.new("L", (0, 4)), "the picture has no pixels"),
        ("a\0b", "cannot read"),
        ("a\0b.npy", "cannot read"),
        ("a\0b.npz", "cannot read"),
        (Path("a\0b"), "cannot read"),
    ],
)
def test_what_is_no_picture_is_an_input_error(model: strop.Model, wrong: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        model.classify(wrong)
    assert says in str(caught.value)


def test_a_pipe_is_read_to_its_end(model: strop.Model) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(_png())
    with os.fdopen(reading, "rb", buffering=0) as file:
        np.testing.assert_array_equal(
            model.classify(file).probabilities, model.classify(_png()).probabilities
        )


def test_a_file_is_read_from_where_it_is(model: strop.Model) -> None:
    file = io.BytesIO(b"header" + _png())
    file.seek(6)
    assert model.classify(file).label == model.classify(_png()).label


def test_a_view_of_an_array_is_an_array(model: strop.Model) -> None:
    found = model.classify(PIXELS.data)
    np.testing.assert_array_equal(found.probabilities, model.classify(PIXELS).probabilities)


def test_an_endless_file_is_refused(model: strop.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (given, images):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 2**22)
    with (
        Path("/dev/zero").open("rb") as zeros,
        pytest.raises(InputError, match="larger than 4194304"),
    ):
        model.classify(zeros)


def test_an_error_of_the_apps_own_file_passes(model: strop.Model) -> None:
    class Cancelled(Exception):
        pass

    with pytest.raises(Cancelled):
        model.classify(Readable(b"", Cancelled()))


@pytest.mark.parametrize("picture", [_png(), Image.new("L", (4, 4))], ids=["bytes", "image"])
def test_a_model_of_arrays_takes_no_picture(picture: Any, tmp_path: Path) -> None:
    draft = bundles.image()
    draft.content["inputs"][0]["picture"] = None
    with (
        strop.load(draft.write(tmp_path / "a.strop")) as arrays,
        pytest.raises(InputError, match="the model takes no pictures"),
    ):
        arrays.classify(picture)


class TestToDict:
    def test_a_prediction_is_json(self, model: strop.Model) -> None:
        best = model.classify(PIXELS)
        said = json.loads(json.dumps(best.to_dict()))
        assert list(said) == ["label", "probability", "class_index", "probabilities"]
        assert said["label"] == best.label
        assert said["probabilities"] == best.probabilities.tolist()

    def test_a_set_of_labels_is_json(self) -> None:
        found = strop.LabelSet(("a", "c"), np.array([0.75, 0.25, 1], np.float32))
        assert json.loads(json.dumps(found.to_dict())) == {
            "labels": ["a", "c"],
            "probabilities": [0.75, 0.25, 1.0],
        }


class TestPrediction:
    @pytest.mark.parametrize(
        ("row", "found"),
        [
            ("x", r"got <U1 \(\)"),
            (None, r"got object \(\)"),
            ([1, 2, 3], r"got int64 \(3,\)"),
            ([[1.0], [2.0, 3.0]], "got list: "),
            ([1.0, 2.0, 3.0], r"got float64 \(3,\) of 1..3"),
            ([0.0, -1.0, 1.0], r"got float64 \(3,\) of -1..1"),
            ([0.0, np.nan, 1.0], r"got float64 \(3,\) of nan..nan"),
            (np.zeros((1, 3), np.float32), r"got float32 \(1, 3\)"),
        ],
    )
    def test_what_is_no_row_is_refused(self, model: strop.Model, row: Any, found: str) -> None:
        says = r"shapes: prediction takes one row of output 'probabilities', float32 \(3,\) of 0..1"
        with pytest.raises(InputError, match=f"{says}; {found}") as caught:
            model.prediction(row)
        assert caught.value.mend == "give a row of what predict returns"

    def test_a_row_that_is_rounded_is_taken(self, model: strop.Model) -> None:
        row = np.array([1.001, -0.001, 0], np.float32)
        assert model.prediction(row).label == "circle"
        assert model.prediction(np.array([0, 1, 0], np.float32)).label == "square"
