"""Models and samples in memory, as the files of an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import given
from strop_export.errors import SourceError
from strop_export.formats import quiet
from tests.unit.export.source_kit import chain, dense, floats

with quiet():
    import keras
    import tensorflow as tf

X, Y = floats(4), np.arange(len(floats(4)))


def _read(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _several() -> Any:
    """A model with two inputs and two outputs."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    both = keras.layers.Concatenate()([a, b])
    heads = [keras.layers.Dense(2, name=name)(both) for name in ("first", "second")]
    return keras.Model([a, b], heads)


ONE = chain((4,), dense(3, "softmax"))
SIZES = tf.data.Dataset.from_generator(
    lambda: (np.zeros((2, n)) for n in (3, 4)), output_signature=tf.TensorSpec((2, None))
)
BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(7)


@pytest.mark.parametrize(
    ("samples", "arrays"),
    [
        (X, {"inputs": X}),
        (X.tolist(), {"inputs": X.astype(np.float64)}),
        ({"inputs": X, "labels": Y}, {"inputs": X, "labels": Y}),
        ((X, Y), {"inputs": X, "labels": Y}),
        ((X, {"first": Y}), {"inputs": X, "labels.first": Y}),
        (BATCHES, {"inputs": X, "labels": Y}),
        (BATCHES.map(lambda x, y: x), {"inputs": X}),
        (BATCHES.map(lambda x, y: {"inputs": x}), {"inputs": X}),
    ],
    ids=["array", "list", "dict", "pair", "named labels", "pairs", "dataset", "dict dataset"],
)
def test_samples_of_one_input(samples: Any, arrays: dict[str, Any], tmp_path: Path) -> None:
    found = _read(given.arrays_file(samples, tmp_path / "calibration.npz", ONE))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    "samples",
    [
        [X, X],
        {"a": X, "b": X},
        ([X, X], [Y, Y]),
        ({"a": X, "b": X}, {"first": Y, "second": Y}),
        tf.data.Dataset.from_tensor_slices((({"a": X, "b": X}), (Y, Y))).batch(9),
        tf.data.Dataset.from_tensor_slices((((X, X)), (Y, Y))).batch(9),
    ],
    ids=["list", "dict", "pair of lists", "pair of dicts", "dataset", "dataset of tuples"],
)
def test_samples_of_several_inputs(samples: Any, tmp_path: Path) -> None:
    found = _read(given.arrays_file(samples, tmp_path / "calibration.npz", _several()))
    labels = {"labels.first", "labels.second"} if len(found) > 2 else set()
    assert found.keys() == {"a", "b"} | labels


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (BATCHES.unbatch().map(lambda x, y: y), "samples one by one; give batches: dataset.batch"),
        (BATCHES.take(0), "calibration: the dataset is empty"),
        (np.array(["a", "b"]), "calibration: inputs is an array of <U1; give numbers"),
        ((X, Y, Y), "calibration is a tuple of 3; give .*sample weights are not used"),
        ([X, X[:, :2]], "calibration: inputs cannot be an array: .*; give one array"),
        (None, "calibration: inputs is an array of object"),
        (BATCHES.ragged_batch(2), "ragged or sparse tensors; make them dense"),
        (SIZES, "the dataset's samples have different shapes; bring them to one"),
    ],
    ids=["one by one", "empty", "text", "weights", "sizes", "none", "ragged", "shapes"],
)
def test_what_is_no_samples_is_refused(samples: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=said):
        given.arrays_file(samples, tmp_path / "calibration.npz", ONE)
    assert not any(tmp_path.iterdir())


def test_an_endless_dataset_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "_MOST_BYTES", 2**20)
    with pytest.raises(SourceError, match=r"or no end; give a part of it: dataset.take"):
        given.arrays_file(BATCHES.repeat(), tmp_path / "calibration.npz", ONE)


def test_another_number_of_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="3 arrays were given for a, b; give a dict"):
        given.arrays_file([X, X, X], tmp_path / "calibration.npz", _several())


def test_an_input_may_have_any_name(tmp_path: Path) -> None:
    given_names = {"file": X, "arr_0": X, "a/b": X}
    assert _read(given.arrays_file(given_names, tmp_path / "x.npz", ONE)).keys() == {*given_names}


def test_a_list_cannot_follow_a_dict(tmp_path: Path) -> None:
    a, b = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    one, two = keras.layers.Dense(2), keras.layers.Dense(2)
    model = keras.Model({"p": a, "q": b}, {"z": one(a), "y": two(b)})
    twice = keras.Model([a, b], [one(a), one(b)])
    for samples in ([X, X], ({"p": X, "q": X}, [Y, Y])):
        with pytest.raises(SourceError, match="no order that a list could follow; give a dict"):
            given.arrays_file(samples, tmp_path / "x.npz", model)
    with pytest.raises(SourceError, match="no order"):
        given.arrays_file(([X, X], [Y, Y]), tmp_path / "x.npz", twice)
    found = given.arrays_file(({"p": X, "q": X}, {"z": Y, 1: Y}), tmp_path / "x.npz", model)
    assert _read(found).keys() == {"p", "q", "labels.z", "labels.1"}


def test_a_path_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    assert given.arrays_file(str(path), tmp_path / "calibration.npz", ONE) == path
    assert given.model_file(str(path), tmp_path) == path
    assert given.labels_file(path, tmp_path / "labels.txt") == path


def test_a_model_saved_twice_is_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (given.model_file(ONE, folder).read_bytes() for folder in folders)
    assert first == second
    loaded = keras.saving.load_model(folders[0] / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(X).numpy(), ONE(X).numpy())


@pytest.mark.parametrize(("model", "kind"), [(tf.Module(), "Module"), (3, "int"), (None, "None")])
def test_what_is_no_model_is_refused(model: Any, kind: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"the model is of type {kind}.*give a Keras model"):
        given.model_file(model, tmp_path)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (keras.Sequential(name="sequential_3"), "model"),
        (keras.Sequential(name="my_net_2"), "my_net_2"),
        ("some/where/net.keras", "net"),
        (Path("net_dir"), "net_dir"),
    ],
)
def test_the_name(model: Any, name: str) -> None:
    assert given.name_of(model) == name


def test_a_class_has_a_name_of_one_line(tmp_path: Path) -> None:
    path = given.labels_file(["a", "b c"], tmp_path / "labels.txt")
    assert path
    assert path.read_text(encoding="utf-8") == "a\nb c\n"
    for wrong in ("a\nb", "", "a\u2028b"):
        with pytest.raises(SourceError, match="it must be one line"):
            given.labels_file(["fine", wrong], tmp_path / "labels.txt")
