"""The artifact directory, as the next stage reads it."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from train import backend, mnist
from train.cookbook import load
from train.evaluate import Evaluation, accuracy, confusion, worst_mistakes

FACTS = {"name": "small-mlp", "seed": 1}
HISTORY = {key: [0.5, 0.25] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def model() -> Any:
    """The untrained edge network: the contract does not depend on accuracy."""
    backend.start(3)
    from train.model import build

    return build(load("edge").network)


@pytest.fixture(scope="module")
def folder(model: Any, few_digits: mnist.Mnist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from train import artifact

    target = tmp_path_factory.mktemp("artifacts") / "small-mlp"
    artifact.write(target, model, few_digits, HISTORY, FACTS, lambda: 12.34)
    return target


def reloaded(folder: Path) -> Any:
    import keras

    return keras.models.load_model(folder / "model.keras", compile=False, safe_mode=True)


def npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def test_it_holds_these_files_and_no_others(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        *("model.keras", "calibration.npz", "evaluation.npz", "training.json"),
        *("learning-curves.png", "confusion-matrix.png", "mistakes.png"),
    }
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_network_takes_raw_pixels_and_has_42310_parameters(folder: Path) -> None:
    model = reloaded(folder)
    assert model.count_params() == 42_310
    assert model.input_shape == (None, 28, 28)
    assert model.inputs[0].dtype == "float32"
    assert model.inputs[0].name == "image"
    assert [layer.name for layer in model.layers] == [
        *("rescale", "flatten", "hidden_1", "hidden_2", "probabilities")
    ]
    assert getattr(model, "optimizer", None) is None
    black = model.predict_on_batch(np.zeros((1, 28, 28), np.float32))
    grey = model.predict_on_batch(np.full((1, 28, 28), 128, np.float32))
    assert black.shape == (1, 10)
    assert black.sum() == pytest.approx(1, abs=1e-5)
    assert not np.array_equal(black, grey)


def test_the_model_file_names_no_code(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.keras") as archive:
        config = archive.read("config.json").decode()
    assert "Lambda" not in config
    assert 'registered_name": "' not in config


def test_evaluation_holds_what_the_saved_model_says(folder: Path, few_digits: mnist.Mnist) -> None:
    arrays = npz(folder / "evaluation.npz")
    assert set(arrays) == {"inputs", "labels", "outputs"}
    assert [arrays[key].dtype for key in ("inputs", "labels", "outputs")] == [
        *(np.uint8, np.int64, np.float32)
    ]
    assert np.array_equal(arrays["inputs"], few_digits.test.images)
    assert np.array_equal(arrays["labels"], few_digits.test.labels)
    says = reloaded(folder).predict_on_batch(arrays["inputs"].astype(np.float32))
    assert np.array_equal(arrays["outputs"], says)


def test_calibration_comes_from_the_training_images(folder: Path, few_digits: mnist.Mnist) -> None:
    arrays = npz(folder / "calibration.npz")
    assert set(arrays) == {"inputs"}
    training = {image.tobytes() for image in few_digits.train.images}
    assert {image.tobytes() for image in arrays["inputs"]} <= training


def test_calibration_is_a_hundred_of_each_digit(digits: mnist.Mnist) -> None:
    from train.artifact import calibration_images

    images = calibration_images(digits.train)
    assert images.shape == (1000, 28, 28)
    assert images.dtype == np.uint8
    assert images.max() == 255
    labels = {
        image.tobytes(): label
        for image, label in zip(digits.train.images, digits.train.labels, strict=True)
    }
    chosen = [labels[image.tobytes()] for image in images]  # a KeyError: not a training image
    assert np.bincount(chosen).tolist() == [100] * 10
    assert len(set(chosen[:30])) > 5  # mixed, for users of only the first few


def test_training_json_says_how_it_came_about(folder: Path, few_digits: mnist.Mnist) -> None:
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    arrays = npz(folder / "evaluation.npz")
    assert record["name"] == "small-mlp"
    assert record["parameters"] == 42_310
    assert record["seconds"] == 12.3
    assert record["history"] == HISTORY
    assert record["accuracy"]["test"] == accuracy(arrays["outputs"], arrays["labels"])
    assert set(record["accuracy"]) == {"train", "validation", "test"}


def test_written_twice_the_arrays_are_the_same_bytes(
    folder: Path, model: Any, few_digits: mnist.Mnist, tmp_path: Path
) -> None:
    from train import artifact

    artifact.write(tmp_path / "again", model, few_digits, HISTORY, FACTS, lambda: 12.34)
    for name in ("calibration.npz", "evaluation.npz", "training.json", "mistakes.png"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_failure_leaves_the_earlier_artifact(
    model: Any, few_digits: mnist.Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train import artifact, pictures

    target = tmp_path / "out"
    target.mkdir()
    (target / "training.json").write_text("{}")

    def fails(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(pictures, "worst_mistakes", fails)
    with pytest.raises(RuntimeError):
        artifact.write(target, model, few_digits, HISTORY, FACTS, lambda: 12.34)
    assert [path.name for path in target.iterdir()] == ["training.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_pictures_are_pictures(folder: Path) -> None:
    for name in ("learning-curves", "confusion-matrix", "mistakes"):
        with Image.open(folder / f"{name}.png") as picture:
            assert min(picture.size) > 500
            colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
            assert colours is not None
            assert len(colours) > 50


def test_pictures_of_a_model_without_a_mistake_are_drawn(
    few_digits: mnist.Mnist, tmp_path: Path
) -> None:
    from train import pictures

    perfect = Evaluation(1, 1, 1, np.eye(10, dtype=np.float32)[few_digits.test.labels])
    once = {key: values[:1] for key, values in HISTORY.items()}
    pictures.learning_curves(once, perfect, tmp_path / "a.png")
    pictures.confusion_matrix(few_digits.test, perfect, tmp_path / "b.png")
    pictures.worst_mistakes(few_digits.test, perfect, tmp_path / "c.png")
    assert len(list(tmp_path.iterdir())) == 3


def test_mistakes_are_counted_and_ranked() -> None:
    labels = np.array([0, 1, 2, 3])
    outputs = np.zeros((4, 10), np.float32)
    outputs[0, 0] = 1  # right
    outputs[1, [1, 7]] = [0.4, 0.6]  # nearly right
    outputs[2, [2, 7]] = [0.0, 1.0]  # quite wrong
    outputs[3, [3, 7]] = [0.2, 0.8]
    assert accuracy(outputs, labels) == 0.25
    assert worst_mistakes(outputs, labels, 2).tolist() == [2, 3]
    counts = confusion(outputs, labels)
    assert counts.sum() == 4
    assert counts[0, 0] == 1
    assert counts[1:4, 7].tolist() == [1, 1, 1]


def test_sigmoid_networks_have_the_same_size() -> None:
    from train.model import build

    network = dataclasses.replace(load("edge").network, head="sigmoid")
    assert build(network).count_params() == 42_310
