"""The forms in which `classify` takes a sample, and what it and `prediction` refuse."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import strop
from strop.errors import InputError
from tests import bundles

PIXELS = np.arange(0, 256, 16, dtype=np.uint8).reshape(4, 4)


@pytest.fixture
def model(tmp_path: Path) -> Iterator[strop.Model]:
    with strop.load(bundles.image().write(tmp_path / "shapes.strop")) as opened:
        yield opened


def _png() -> bytes:
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    "form",
    [
        _png,
        lambda: bytearray(_png()),
        lambda: io.BytesIO(_png()),
        lambda: Image.fromarray(PIXELS),
        lambda: Image.open(io.BytesIO(_png())),
    ],
    ids=["bytes", "bytearray", "file", "image", "lazy image"],
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
    ("given", "says"),
    [
        (b"", "this is not a picture that Pillow reads"),
        (b"noise", "this is not a picture that Pillow reads"),
        (_png()[:50], "the picture"),
        (io.BytesIO(b"noise"), "this is not a picture"),
        (io.StringIO("noise"), 'the file is open as text; open it in mode "rb"'),
        (Image.new("F", (4, 4)), "the picture has 32 bits per pixel"),
        (Image.new("L", (0, 4)), "the picture has no pixels"),
        ("a\0b", "cannot read"),
        ("a\0b.npy", "cannot read"),
        ("a\0b.npz", "cannot read"),
        (Path("a\0b"), "cannot read"),
    ],
)
def test_what_is_no_picture_is_an_input_error(model: strop.Model, given: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        model.classify(given)
    assert says in str(caught.value)


@pytest.mark.parametrize("given", [_png(), Image.new("L", (4, 4))], ids=["bytes", "image"])
def test_a_model_of_arrays_takes_no_picture(given: Any, tmp_path: Path) -> None:
    draft = bundles.image()
    draft.content["inputs"][0]["picture"] = None
    with (
        strop.load(draft.write(tmp_path / "a.strop")) as arrays,
        pytest.raises(InputError, match="the model takes no pictures"),
    ):
        arrays.classify(given)


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
