"""The artifact directory that a training script writes by one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import save_artifact, source
from strop_export.errors import SourceError
from strop_export.formats import quiet
from tests.unit.export.source_kit import chain, dense, floats

with quiet():
    import keras

X = floats(4)
MODEL = chain((4,), dense(8, "relu"), dense(3, "softmax"))
Y = np.asarray(MODEL(X)).argmax(axis=1)
PARTS = {"model.keras", "calibration.npz", "evaluation.npz", "training.json"}


def _there(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_holds_all_that_an_export_reads(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "net"
    asked = {"labels": ["a", "b", "c"], "model_version": 3}
    assert save_artifact(MODEL, folder, X, (X + 1, Y), **asked) == folder  # type: ignore[arg-type]
    assert _there(folder) == PARTS
    assert _there(folder.parent) == {"net"}
    read = source.read(source.artifact(folder))
    assert (read.name, read.model_version) == ("net", 3)
    assert read.outputs[0].labels == ("a", "b", "c")
    assert read.labels[0] is not None
    np.testing.assert_array_equal(read.labels[0], Y)
    with np.load(folder / "evaluation.npz") as arrays:
        np.testing.assert_allclose(arrays["outputs"], MODEL(X + 1).numpy(), atol=1e-6)


def test_a_dark_background_is_recorded(tmp_path: Path) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (100, 8, 8), np.uint8)
    scale = keras.layers.Rescaling(1 / 255)
    model = chain((8, 8), scale, keras.layers.Flatten(), dense(3, "softmax"))
    folder = save_artifact(model, tmp_path / "x", pictures, pictures[::-1], dark_background=True)
    plain = save_artifact(model, tmp_path / "y", pictures, pictures[::-1])
    steps = [source.read(source.artifact(each)).inputs[0].picture for each in (folder, plain)]
    assert steps[0] != steps[1]


def test_samples_and_a_model_on_disk_are_copied(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "mine.keras")
    for name in ("train", "test"):
        np.savez(tmp_path / f"{name}.npz", inputs=X)
    given = [tmp_path / name for name in ("mine.keras", "train.npz", "test.npz")]
    folder = save_artifact(given[0], tmp_path / "net", given[1], given[2])
    assert _there(folder) == PARTS
    assert all(path.is_file() for path in given)


def test_an_earlier_artifact_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    folder = save_artifact(MODEL, tmp_path / "net", X, X)
    save_artifact(MODEL, folder, X + 1, X)
    with np.load(folder / "calibration.npz") as arrays:
        np.testing.assert_array_equal(arrays["inputs"], X + 1)
    (folder / "best.weights").write_bytes(b"of a week")
    with pytest.raises(SourceError, match="net is there, and is not only an artifact; name anoth"):
        save_artifact(MODEL, folder, X, X)
    assert _there(folder) == PARTS | {"best.weights"}
    (tmp_path / "file").write_text("all of it", encoding="ascii")
    with pytest.raises(SourceError, match="file is there"):
        save_artifact(MODEL, tmp_path / "file", X, X)
    (tmp_path / "empty").mkdir()
    assert _there(save_artifact(MODEL, tmp_path / "empty", X, X)) == PARTS
    assert _there(tmp_path) == {"net", "file", "empty"}


@pytest.mark.parametrize(
    ("model", "samples", "said"),
    [
        (MODEL, X[:, :3], r"the model takes \(N, 4\)"),
        (MODEL, X[:9], "a proof needs 50 or more"),
        (chain((4,), keras.layers.Lambda(lambda x: x)), X, "a Lambda layer, which is Python code"),
        (object(), X, "the model is of type object"),
        ("net.h5", X, "net.h5 is not a .keras file"),
    ],
    ids=["shape", "few", "code", "no model", "another file"],
)
def test_what_cannot_be_exported_leaves_the_earlier_artifact(
    model: Any, samples: Any, said: str, tmp_path: Path
) -> None:
    folder = save_artifact(MODEL, tmp_path / "net", X, X)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SourceError, match=said):
        save_artifact(model, folder, samples, samples)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert _there(tmp_path) == {"net"}
