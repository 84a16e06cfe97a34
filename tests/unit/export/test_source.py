"""The input of export: each part that does not fit is refused by name, and no code in it runs."""

from __future__ import annotations

import json
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source import specs
from tests.unit.export import source_kit as kit
from tests.unit.export.source_kit import chain, dense, floats, keras, two_by_two

SAMPLES = 100


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
    np.savez(tmp_path / "calibration.npz", inputs=PIXELS)
    # Other bytes, or it would be the same file.
    np.savez_compressed(tmp_path / "evaluation.npz", inputs=PIXELS)
    return source.Files(
        name="small",
        model=saved,
        calibration=tmp_path / "calibration.npz",
        evaluation=tmp_path / "evaluation.npz",
    )


def test_inputs_and_outputs_have_a_profile_of_the_calibration_samples(files: source.Files) -> None:
    read = source.read(files)
    (image,), (answer,) = read.inputs, read.outputs
    assert [histogram.figure for histogram in image.profile][:2] == ["mean", "spread"]
    assert [histogram.figure for histogram in answer.profile] == ["confidence", "class"]
    assert {sum(h.counts) for h in image.profile + answer.profile} == {len(PIXELS)}
    decided = [int(row.argmax()) for row in read.model.predict(PIXELS, verbose=0)]
    assert list(answer.profile[1].counts) == [decided.count(place) for place in range(3)]


def test_what_fits_is_read(files: source.Files) -> None:
    read = source.read(files, model_version=7)
    (image,), (answer,) = read.inputs, read.outputs
    assert (image.name, image.shape) == ("image", (None, 4, 4))
    assert (image.dtype, image.range) == ("uint8", (0.0, 255.0))
    assert image.picture is not None
    assert (answer.name, answer.kind) == ("probabilities", "class")
    assert (answer.shape, answer.range) == ((None, 3), (0.0, 1.0))
    assert answer.labels == ("0", "1", "2")
    assert read.keras[0].shape == (SAMPLES, 3)
    assert not read.self_evaluated
    assert read.model_version == 7
    assert read.digests.keys() == {"model", "calibration", "evaluation"}


def test_without_evaluation_half_of_the_calibration_samples_judge(files: source.Files) -> None:
    """Every other sample, because samples are often sorted; none does both."""
    read = source.read(replace(files, evaluation=None))
    assert read.self_evaluated
    assert read.labels == (None,)
    assert np.array_equal(read.calibration[0], PIXELS[::2])
    assert np.array_equal(read.samples[0], PIXELS[1::2])


def test_the_same_file_twice_is_no_evaluation(files: source.Files) -> None:
    read = source.read(replace(files, evaluation=files.calibration))
    assert read.self_evaluated
    assert np.array_equal(read.samples[0], PIXELS[1::2])


def test_labels_of_calibration_samples_go_with_their_half(files: source.Files) -> None:
    given = np.arange(SAMPLES) % 3
    right = source.read(files).keras[0].argmax(axis=1)  # or it would be no better than chance
    np.savez(files.calibration, inputs=PIXELS, labels=right)
    read = source.read(replace(files, evaluation=None))
    assert read.labels[0] is not None
    assert np.array_equal(read.labels[0], right[1::2])
    assert len(given) == SAMPLES


@pytest.mark.parametrize(("evaluated", "least"), [(True, 50), (False, 99)])
def test_samples_too_few_for_a_proof_are_refused(
    files: source.Files, evaluated: bool, least: int
) -> None:
    path = files.evaluation if evaluated else files.calibration
    assert path is not None
    np.savez(path, inputs=PIXELS[: 49 if evaluated else 98])
    asked = files if evaluated else replace(files, evaluation=None)
    with pytest.raises(SourceError, match="has 49 samples for the proof.* a proof needs 50 or mor"):
        source.read(asked)
    np.savez(path, inputs=PIXELS[:least] if evaluated else PIXELS[:100])
    assert len(source.read(asked).samples[0]) == 50


def test_labels_come_from_a_file(files: source.Files, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\nfish\n", encoding="utf-8")
    (answer,) = source.read(replace(files, labels=tmp_path / "labels.txt")).outputs
    assert answer.labels == ("cat", "dog", "fish")


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
        (raw("model", b"not a model"), "is not a .keras or .h5 file; write one with model.save"),
        (raw("calibration", b"PK\3\4 half"), "cannot read arrays"),
        (raw("calibration", b""), "cannot read arrays"),
        (arrays("calibration", images=PIXELS), "has no array 'inputs'; it has images"),
        (arrays("calibration", inputs=PIXELS.astype(complex)), "complex128; give what the device"),
        (arrays("calibration", inputs=PIXELS[:, :3]), r"shape \(100, 3, 4\), the model takes"),
        (arrays("calibration", inputs=PIXELS[:0]), r"shape \(0, 4, 4\)"),
        (arrays("calibration", inputs=np.full((2, 4, 4), np.nan, np.float32)), "NaN or infinity"),
        (arrays("evaluation", inputs=PIXELS.astype(np.float32)), "give both as the device"),
        (arrays("evaluation", inputs=PIXELS, labels=np.full(SAMPLES, 3)), "from 0 to 2"),
        (arrays("evaluation", inputs=PIXELS, labels=np.zeros(19, int)), r"\(19,\)"),
        (arrays("evaluation", inputs=PIXELS, labels=np.full(SAMPLES, 0.5)), "float64 .*0 to 2"),
        (arrays("evaluation", inputs=PIXELS, labels=np.full(SAMPLES, "a")), "give numbers"),
        (arrays("evaluation", inputs=PIXELS, **{"labels.b": np.zeros(SAMPLES)}), "to no output"),
        (
            arrays("evaluation", inputs=PIXELS, outputs=np.ones((SAMPLES, 3))),
            "outputs of another model",
        ),
        (labels(b"cat\ndog\n"), "2 labels were given and the output has 3 classes"),
        (labels(b"cat\ncat\nfish\n"), "different, non-empty, printable texts"),
        (labels(b"\xff\xfe"), "cannot read the label file"),
        (labels(b"cat\nd\tog\nfish\n"), "printable texts"),
        (lambda files, _: replace(files, name="../victim"), "'../victim' is not a valid model"),
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


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", None])
def test_a_version_is_an_integer_from_1(files: source.Files, version: Any) -> None:
    said = f"the model version is {version!r}; give an integer of 1 or more"
    with pytest.raises(SourceError, match=said):
        source.read(files, model_version=version)


def test_a_version_of_numpy_is_an_integer(files: source.Files) -> None:
    version: Any = np.int64(3)
    assert type(source.read(files, model_version=version).model_version) is int


def test_a_task_overrules_what_would_be_found(files: source.Files) -> None:
    for tasks in ({"": "raw"}, {"probabilities": "raw"}):
        if "" in tasks:
            (answer,) = source.read(files, tasks=tasks).outputs
            assert (answer.kind, answer.labels) == ("raw", ())
    with pytest.raises(SourceError, match="cannot be of kind 'binary'"):
        source.read(files, tasks={"": "binary"})
    with pytest.raises(SourceError, match="--task names boxes; the model's outputs are prob"):
        source.read(files, tasks={"boxes": "raw"})


class Bomb:
    """An object whose unpickling creates a file, which shows that code ran."""

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


def test_a_truncated_keras_file_is_refused(
    files: source.Files, saved: Path, tmp_path: Path
) -> None:
    content = saved.read_bytes()
    (tmp_path / "half.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="is not a .keras or .h5 file"):
        source.read(replace(files, model=tmp_path / "half.keras"))


def test_a_zip_that_holds_no_model_is_refused(files: source.Files, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(SourceError, match="Keras cannot load") as raised:
        source.read(replace(files, model=tmp_path / "zip.keras"))
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_model_is_refused(files: source.Files, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match=r"is not a SavedModel, it has no saved_model.pb; write"):
        source.read(replace(files, model=tmp_path / "folder"))


def test_a_folder_that_is_no_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not an artifact directory: it has no model.keras"):
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
    assert read.outputs[0].labels == ("a", "b", "c")
    assert read.model_version == 4
    assert read.inputs[0].picture is not None
    assert [each.step for each in read.inputs[0].picture.steps] == ["flatten", "invert", "fit"]


class TestDrawings:
    """Samples fitted into a box and centred by their mass, as MNIST's are, tell how to prepare."""

    @staticmethod
    def _samples(count: int = 60) -> NDArray[np.uint8]:
        samples = np.zeros((count, 28, 28), np.uint8)
        for i, sample in enumerate(samples):
            sample[4:24, 12 - i % 3 : 17 + i % 3] = 100 + i
        return samples

    def test_they_are_prepared_as_they_were_made(self) -> None:
        for samples in (self._samples(), self._samples()[..., None]):
            picture = specs.input_spec("", samples, {"background": "dark"}).picture
            assert picture is not None
            names = [each.step for each in picture.steps]
            assert names == ["flatten", "shrink", "ink", "find", "fit", "centre"]
            assert picture.steps[4].options == {"width": 20, "height": 20, "fill": 0}

    def test_they_are_looked_at_in_little_memory(self) -> None:
        samples = np.tile(self._samples(), (30, 1, 1))
        tracemalloc.start()
        assert specs._drawn_into(samples) == 20
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * samples.nbytes

    @pytest.mark.parametrize("case", ["few", "moved", "of several sizes", "light", "blank", "full"])
    def test_others_are_not(self, case: str) -> None:
        samples = self._samples()
        other = {
            "few": samples[:49],
            "moved": np.roll(samples, 1, axis=2),
            "of several sizes": np.concatenate([samples, self._samples(6)[:, :, ::2].repeat(2, 2)]),
            "light": 255 - samples,
            "blank": samples * (np.arange(60) > 0)[:, None, None].astype(np.uint8),
            "full": samples[:, 4:24],
        }[case]
        if case == "of several sizes":
            other[-6:, 10:] = 0
        picture = specs.input_spec("", other, None).picture
        assert picture is not None
        assert [each.step for each in picture.steps] == ["flatten", "fit"]


def test_a_float_model_takes_its_range_from_its_samples(
    files: source.Files, tmp_path: Path
) -> None:
    samples = np.linspace(-2, 3, 16 * SAMPLES, dtype=np.float32).reshape(SAMPLES, 4, 4)
    np.savez(tmp_path / "float.npz", inputs=samples)
    read = source.read(replace(files, calibration=tmp_path / "float.npz", evaluation=None))
    (taken,) = read.inputs
    assert (taken.dtype, taken.name, taken.picture) == ("float32", "input", None)
    half = samples[::2]
    assert taken.range == (float(half.min()), float(half.max()))


def test_statistics_are_of_each_column_of_a_short_vector(tmp_path: Path) -> None:
    columns = floats(2) * np.array([1, 100], np.float32)
    read = kit.read(tmp_path, chain((2,), dense(2)), {"inputs": columns})
    one, other = read.inputs[0].statistics
    assert one.samples == other.samples == 50
    assert other.mean == pytest.approx(columns[::2, 1].astype(float).mean())
    assert one.deciles[5] == pytest.approx(np.median(columns[::2, 0]))
    assert list(other.deciles) == sorted(other.deciles)


def test_labels_of_one_output_among_several(tmp_path: Path) -> None:
    given = {"left": floats(4), "right": floats(2)}
    where = np.random.default_rng(2).normal(size=(SAMPLES, 5))
    read = kit.read(tmp_path, two_by_two(), given, {**given, "labels.where": where})
    what, found = read.labels
    assert what is None
    assert found is not None
    assert np.array_equal(found, where)


def test_names_go_to_the_output_that_has_as_many_classes(tmp_path: Path) -> None:
    given = {"left": floats(4), "right": floats(2)}
    read = kit.read(tmp_path, two_by_two(), given, names="a\nb\nc\n")
    assert [spec.labels for spec in read.outputs] == [("a", "b", "c"), ()]


def test_names_that_no_output_has_are_refused(tmp_path: Path) -> None:
    given = {"left": floats(4), "right": floats(2)}
    said = "2 labels were given, and no output has that many classes: what 3, where 5"
    with pytest.raises(SourceError, match=said):
        kit.read(tmp_path, two_by_two(), given, names="a\nb\n")


def test_a_task_for_one_of_several(tmp_path: Path) -> None:
    given = {"left": floats(4), "right": floats(2)}
    read = kit.read(tmp_path, two_by_two(), given, tasks={"where": "raw"})
    assert [spec.kind for spec in read.outputs] == ["class", "raw"]
