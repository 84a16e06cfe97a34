"""What export is given: each thing that does not fit is refused by name, and no code in it runs."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import source
from strop_export.errors import SourceError

keras = pytest.importorskip("keras", reason="the workstation's environment; make setup")


SAMPLES = 60


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, 4x4 pixels to three classes, as a .keras file."""
    model = keras.Sequential(
        [
            keras.Input((4, 4)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    path = tmp_path_factory.mktemp("model") / "small.keras"
    model.save(path)
    return path


@pytest.fixture
def files(saved: Path, tmp_path: Path) -> source.Files:
    pixels = np.random.default_rng(3).integers(0, 256, (SAMPLES, 4, 4), np.uint8)
    np.savez(tmp_path / "calibration.npz", inputs=pixels)
    np.savez(tmp_path / "evaluation.npz", inputs=pixels, labels=np.arange(SAMPLES) % 3)
    return source.Files(
        name="small",
        model=saved,
        calibration=tmp_path / "calibration.npz",
        evaluation=tmp_path / "evaluation.npz",
    )


def test_what_fits_is_read(files: source.Files) -> None:
    read = source.read(files, model_version=7)
    assert read.input.shape == (None, 4, 4)
    assert (read.input.dtype, read.input.range) == ("uint8", (0.0, 255.0))
    assert read.input.image is not None
    assert (read.output.shape, read.output.range) == ((None, 3), (0.0, 1.0))
    assert read.output.labels == ("0", "1", "2")
    assert read.outputs.shape == (SAMPLES, 3)
    assert read.model_version == 7
    assert read.digests.keys() == {"model", "calibration", "evaluation"}


def test_without_evaluation_the_calibration_samples_judge(files: source.Files) -> None:
    read = source.read(replace(files, evaluation=None))
    assert read.labels is None
    assert len(read.samples) == SAMPLES


@pytest.mark.parametrize("evaluated", [True, False])
def test_samples_too_few_for_a_proof_are_refused(files: source.Files, evaluated: bool) -> None:
    path = files.evaluation if evaluated else files.calibration
    assert path is not None
    np.savez(path, inputs=PIXELS[:49])
    asked = files if evaluated else replace(files, evaluation=None)
    with pytest.raises(SourceError, match="holds 49 samples to judge on, and a proof takes 50"):
        source.read(asked)
    np.savez(path, inputs=PIXELS[:50])
    assert len(source.read(asked).samples) == 50


def test_outputs_that_never_vary_prove_nothing(files: source.Files, tmp_path: Path) -> None:
    np.savez(tmp_path / "same.npz", inputs=np.repeat(PIXELS[:1], SAMPLES, axis=0))
    with pytest.raises(SourceError, match="the same outputs for all 60 samples: no comparison"):
        source.read(replace(files, evaluation=tmp_path / "same.npz"))


@pytest.mark.parametrize(
    "content",
    [b"cat\ndog\nfish\n", b"cat\ndog\nfish", b"\xef\xbb\xbfcat \r\ndog\t\r\nfish\r\n\r\n \n"],
    ids=["plain", "no last newline", "of another editor"],
)
def test_labels_come_from_a_file(files: source.Files, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    assert source.read(replace(files, labels=path)).output.labels == ("cat", "dog", "fish")


def with_part(files: source.Files, part: str, path: Path) -> source.Files:
    changed: dict[str, Any] = {part: path}
    return replace(files, **changed)


def labels(text: bytes) -> Callable[[source.Files, Path], source.Files]:
    def make(files: source.Files, folder: Path) -> source.Files:
        (folder / "labels.txt").write_bytes(text)
        return replace(files, labels=folder / "labels.txt")

    return make


def arrays(part: str, **content: Any) -> Callable[[source.Files, Path], source.Files]:
    def make(files: source.Files, folder: Path) -> source.Files:
        np.savez(folder / "other.npz", **content)
        return with_part(files, part, folder / "other.npz")

    return make


def raw(part: str, content: bytes) -> Callable[[source.Files, Path], source.Files]:
    def make(files: source.Files, folder: Path) -> source.Files:
        (folder / "other.bin").write_bytes(content)
        return with_part(files, part, folder / "other.bin")

    return make


def missing(part: str) -> Callable[[source.Files, Path], source.Files]:
    return lambda files, folder: with_part(files, part, folder / "none")


def single_array(files: source.Files, folder: Path) -> source.Files:
    np.save(folder / "single.npy", PIXELS)
    return replace(files, calibration=folder / "single.npy")


PIXELS = np.random.default_rng(5).integers(0, 256, (SAMPLES, 4, 4), np.uint8)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (missing("model"), "cannot read the model file .*none"),
        (missing("calibration"), "cannot read the calibration file"),
        (missing("evaluation"), "cannot read the evaluation file"),
        (missing("labels"), "cannot read the labels file"),
        (raw("model", b"not a model"), "is no .keras file; write one with model.save"),
        (raw("calibration", b"PK\3\4 half"), "cannot read arrays"),
        (raw("calibration", b""), "cannot read arrays"),
        (arrays("calibration", images=PIXELS), "has no array 'inputs'; it has images"),
        (arrays("calibration", inputs=PIXELS.astype(np.int64)), "int64; give what the device"),
        (arrays("calibration", inputs=PIXELS[:, :3]), r"shape \(60, 3, 4\), the model takes"),
        (arrays("calibration", inputs=PIXELS[:0]), r"shape \(0, 4, 4\)"),
        (arrays("calibration", inputs=np.full((2, 4, 4), np.nan, np.float32)), "NaN or infinity"),
        (arrays("evaluation", inputs=PIXELS.astype(np.float32)), "give both as the device"),
        (arrays("evaluation", inputs=PIXELS, labels=np.full(SAMPLES, 3)), "from 0 to 2"),
        (arrays("evaluation", inputs=PIXELS, labels=np.zeros(19, int)), r"\(19,\)"),
        (arrays("evaluation", inputs=PIXELS, labels=np.zeros(SAMPLES)), "float64"),
        (
            arrays("evaluation", inputs=PIXELS, outputs=np.ones((SAMPLES, 3))),
            "outputs of another model",
        ),
        (labels(b"cat\ndog\n"), "has 2 labels; the model has 3 classes"),
        (labels(b"cat\ncat\nfish\n"), "different, non-empty, printable label"),
        (labels(b"\xff\xfe"), "cannot read the label file"),
        (labels(b"cat\nd\tog\nfish\n"), "printable label for each"),
        (lambda files, _: replace(files, name="../victim"), "'../victim' is no name for a model"),
        (lambda files, _: replace(files, name="my model (1)"), "give another with --name"),
        (single_array, "is a single array; save it with numpy.savez"),
    ],
)
def test_what_does_not_fit_is_named(
    files: source.Files,
    tmp_path: Path,
    make: Callable[[source.Files, Path], source.Files],
    said: str,
) -> None:
    with pytest.raises(SourceError, match=said) as raised:
        source.read(make(files, tmp_path))
    assert "\n" not in str(raised.value)


def test_a_negative_version_is_refused(files: source.Files) -> None:
    with pytest.raises(SourceError, match="model version -1 is negative"):
        source.read(files, model_version=-1)


def test_one_output_tells_two_classes_apart(files: source.Files, tmp_path: Path) -> None:
    layers = [keras.Input((4, 4)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    keras.Sequential(layers).save(tmp_path / "binary.keras")
    np.savez(tmp_path / "binary.npz", inputs=PIXELS, labels=np.arange(SAMPLES) % 2)
    own = replace(files, model=tmp_path / "binary.keras", evaluation=tmp_path / "binary.npz")
    assert source.read(own).labels is not None


class Bomb:
    """Unpickling this creates a file: the proof that something ran."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_pickled_arrays_are_refused_and_never_run(files: source.Files, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    np.savez(tmp_path / "bomb.npz", inputs=np.array([Bomb(ran)], object))
    with pytest.raises(SourceError, match="cannot read arrays"):
        source.read(replace(files, calibration=tmp_path / "bomb.npz"))
    assert not ran.exists()


def test_a_bare_pickle_is_refused_and_never_run(files: source.Files, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "bomb.npz").write_bytes(pickle.dumps(Bomb(ran)))
    with pytest.raises(SourceError, match="cannot read arrays"):
        source.read(replace(files, calibration=tmp_path / "bomb.npz"))
    assert not ran.exists()


@pytest.fixture(scope="module")
def with_lambda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = keras.Sequential(
        [
            keras.Input((4, 4)),
            keras.layers.Flatten(),
            keras.layers.Lambda(lambda x: x / 255, output_shape=(16,)),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    path = tmp_path_factory.mktemp("model") / "lambda.keras"
    model.save(path)
    return path


def test_lambda_code_is_refused_and_the_flag_named(files: source.Files, with_lambda: Path) -> None:
    with pytest.raises(SourceError, match="Lambda layer.*--allow-lambda"):
        source.read(replace(files, model=with_lambda))


def test_lambda_code_runs_when_asked_for(files: source.Files, with_lambda: Path) -> None:
    read = source.read(replace(files, model=with_lambda), allow_lambda=True)
    assert read.outputs.shape == (SAMPLES, 3)


def test_a_truncated_keras_file_is_refused(
    files: source.Files, saved: Path, tmp_path: Path
) -> None:
    content = saved.read_bytes()
    (tmp_path / "half.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="is no .keras file"):
        source.read(replace(files, model=tmp_path / "half.keras"))


def test_a_zip_that_holds_no_model_is_refused(files: source.Files, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(SourceError, match="Keras does not load") as raised:
        source.read(replace(files, model=tmp_path / "zip.keras"))
    assert "\n" not in str(raised.value)


def test_a_model_with_two_inputs_is_refused(files: source.Files, tmp_path: Path) -> None:
    one, two = keras.Input((4, 4)), keras.Input((4, 4))
    both = keras.layers.Flatten()(keras.layers.Add()([one, two]))
    keras.Model([one, two], keras.layers.Dense(3)(both)).save(tmp_path / "two.keras")
    with pytest.raises(SourceError, match="2 inputs and 1 outputs"):
        source.read(replace(files, model=tmp_path / "two.keras"))


def test_a_folder_that_is_no_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no artifact directory: it has no model.keras"):
        source.artifact(tmp_path)


@pytest.mark.parametrize("record", ["", "[]", '{"model_version": "one"}', '{"labels": "abc"}'])
def test_a_broken_training_record_is_refused(
    files: source.Files, tmp_path: Path, record: str
) -> None:
    (tmp_path / "training.json").write_text(record, encoding="utf-8")
    with pytest.raises(SourceError, match=r"training\.json"):
        source.read(replace(files, training=tmp_path / "training.json"))


def test_training_says_the_labels_the_version_and_the_background(
    files: source.Files, tmp_path: Path
) -> None:
    said = {"labels": ["a", "b", "c"], "model_version": 4, "image": {"background": "dark"}}
    (tmp_path / "training.json").write_text(json.dumps(said), encoding="utf-8")
    read = source.read(replace(files, training=tmp_path / "training.json"))
    assert read.output.labels == ("a", "b", "c")
    assert read.model_version == 4
    assert read.input.image is not None
    assert read.input.image.background == "dark"


def test_a_float_model_takes_its_range_from_its_samples(
    files: source.Files, tmp_path: Path
) -> None:
    samples = np.linspace(-2, 3, 16 * SAMPLES, dtype=np.float32).reshape(SAMPLES, 4, 4)
    np.savez(tmp_path / "float.npz", inputs=samples)
    read = source.read(replace(files, calibration=tmp_path / "float.npz", evaluation=None))
    assert (read.input.dtype, read.input.range) == ("float32", (-2.0, 3.0))
    assert read.input.image is None
