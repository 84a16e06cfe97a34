"""tf-keras runs a model of Keras 2 in another process, whatever becomes of that process."""

from __future__ import annotations

import base64
import gc
import json
import marshal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source import keras2, keras2_worker
from strop_export.source.held_out import held_out
from tests.unit.export import source_kit as kit
from tests.unit.export.source_kit import floats


def with_lambda(folder: Path, function: Any) -> source.Loading:
    """Write a model of Keras 2 that runs a function."""
    code = base64.b64encode(marshal.dumps(function.__code__)).decode("ascii")
    layers = [
        {
            "class_name": "InputLayer",
            "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"},
        },
        {
            "class_name": "Lambda",
            "config": {
                **{"name": "l", "function": [code, None, None], "function_type": "lambda"},
                **{"module": "__main__", "output_shape": None, "output_shape_type": "raw"},
                **{"output_shape_module": None, "arguments": {}},
            },
        },
    ]
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    with h5py.File(folder / "m.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.13.1", "tensorflow"
        file.attrs["model_config"] = json.dumps(model)
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([b"l"])
        weights.create_group("l").attrs["weight_names"] = np.array([], "S1")
    return source.Loading(folder / "m.h5", trust=True)


def twin(loading: source.Loading) -> keras2.Twin:
    return keras2.twin(loading, judging={"x": floats(4)}, calibrating={"x": floats(4)})


def test_a_crash_is_an_error(tmp_path: Path) -> None:
    loading = with_lambda(tmp_path, lambda x: __import__("os").abort())
    with pytest.raises(SourceError, match="tf-keras died of SIGABRT on .*m.h5; write a SavedModel"):
        twin(loading)


def test_a_hang_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras2, "_LIMIT_S", 0.1)
    with pytest.raises(SourceError, match="tf-keras did not load and run .*m.h5 in 0.1 s"):
        twin(with_lambda(tmp_path, lambda x: x))


def test_without_tf_keras_the_install_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf_keras", None)  # as if it were not installed
    with pytest.raises(SourceError, match="is not installed; pip install tf-keras") as raised:
        twin(with_lambda(tmp_path, lambda x: x))
    assert "was written by Keras 2" in raised.value.problem


def test_the_twin_s_folder_goes_with_it() -> None:
    scratch = keras2.Scratch()
    path = scratch.path
    assert path.is_dir()
    del scratch
    gc.collect()
    assert not path.exists()


def made(judging: keras2.Answers, calibrating: keras2.Answers) -> keras2.Twin:
    loading = source.Loading(Path("twin.keras"))
    return keras2.Twin(Path("models/m.h5"), loading, judging, calibrating, keras2.Scratch())


ONE, ZERO = (np.array([[1.0, 0.0]], np.float32),), np.zeros((1, 2), np.float32)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ((np.array([[1.0, 0.01]], np.float32),), "differ by 0.01 of their size"),
        ((np.array([[1.0]], np.float32),), "differ by inf"),
        ((), "differ by inf"),
        ((np.array([[np.nan, 0.0]], np.float32),), "differ by nan"),
    ],
)
def test_a_twin_that_is_another_model_is_refused(ours: Any, said: str) -> None:
    twin = made(ONE, ONE)
    twin.check(judging=ONE, calibrating=(ONE[0] + np.float32(1e-5),))
    for answers in ({"judging": ours, "calibrating": ONE}, {"judging": ONE, "calibrating": ours}):
        with pytest.raises(SourceError, match=f"model of models/m.h5 in another way than .*{said}"):
            twin.check(**answers)


def test_no_output_hides_another() -> None:
    bad, good = np.full((1, 2), np.nan, np.float32), (ZERO, ZERO)
    for ours in ((bad, ZERO), (ZERO, bad)):
        with pytest.raises(SourceError, match="differ by nan"):
            made(good, good).check(judging=ours, calibrating=good)


def rows(model: Any, samples: dict[str, Any]) -> keras2.Answers:
    """Return a model's answers, each moved by less than rounding."""
    given = [samples[name] for name in samples]
    found = kit.keras.tree.flatten(model(given if len(given) > 1 else given[0]))
    return tuple(np.asarray(each) + np.float32(5e-5) for each in found)


@pytest.mark.parametrize(
    ("model", "samples"),
    [
        (lambda: kit.chain((4,), kit.dense(3, "softmax")), {"inputs": floats(4, seed=3)}),
        (kit.two_by_two, {"left": floats(4, seed=3), "right": floats(2, seed=4)}),
    ],
)
@pytest.mark.parametrize("evaluated", [True, False])
def test_the_reference_is_what_tf_keras_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Any, samples: Any, evaluated: bool
) -> None:
    own = model()
    samples = {name: np.concatenate((array, -array)) for name, array in samples.items()}
    judging = {name: array[::-1].copy() for name, array in samples.items()}
    files = kit.saved(tmp_path, own, samples, judging if evaluated else None)
    files = replace(files, model=hdf5(tmp_path / "m.h5"))
    twins = []

    def answered(loading: source.Loading, **sets: dict[str, Any]) -> keras2.Twin:
        """Answer in tf-keras's place, with a twin that Keras 3 wrote."""
        answers = {name: rows(own, given) for name, given in sets.items()}
        beside = source.Loading(tmp_path / "m.keras")
        twins.append(keras2.Twin(loading.path, beside, **answers, scratch=keras2.Scratch()))
        return twins[0]

    monkeypatch.setattr(keras2, "twin", answered)
    found = source.read(files)
    chosen = held_out(len(found.given_for_calibration[0]))
    assert chosen.any()
    (twin,) = twins
    for i, (theirs, beside) in enumerate(zip(twin.judging, twin.calibrating, strict=True)):
        assert np.array_equal(found.keras[i], theirs)
        assert np.array_equal(found.calibration_keras[i], beside[~chosen])
        assert np.array_equal(found.selection_keras[i], beside[chosen])
    again = dict(zip(samples, found.samples, strict=True))
    for theirs, ours in zip(found.keras, rows(own, again), strict=True):
        assert np.array_equal(theirs, ours)


def hdf5(path: Path) -> Path:
    """Write a file of Keras 2 whose inputs are not named."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.13.1"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {}})
    return path


@pytest.mark.parametrize(
    ("own", "layers", "names"),
    [
        ({"right": 0, "left": 0}, ["a", "b"], ["left", "right"]),  # TensorFlow sorts a dict
        ([0, 0], ["right", "left"], ["right", "left"]),
        (0, ["x"], ["left"]),
    ],
)
def test_samples_go_to_their_inputs(own: Any, layers: list[str], names: list[str]) -> None:
    arrays = {"right": floats(2), "left": floats(2, seed=2), "more": floats(1)}
    if len(layers) == 1:
        arrays = {"left": arrays["left"]}
    found = keras2_worker.arranged(arrays, own, layers)
    assert [id(array) for array in found] == [id(arrays[name]) for name in names]


@pytest.mark.parametrize(("own", "layers"), [({"a": 0, "b": 0}, ["left", "right"]), (0, ["a"])])
def test_samples_of_other_inputs_are_refused(own: Any, layers: list[str]) -> None:
    """Their order says nothing."""
    said = "the model's inputs are a.*, and the samples are of left, right; name the arrays"
    with pytest.raises(SourceError, match=said):
        keras2_worker.arranged({"left": floats(1), "right": floats(1)}, own, layers)


def test_a_model_with_named_inputs_in_mixed_precision(tmp_path: Path) -> None:
    """TensorFlow sorts the inputs of a dict, and a Normalization keeps more than its weights."""
    samples = {"left": 50 + 9 * floats(4), "right": floats(4, seed=2)}
    mean, variance = samples["left"].mean(axis=0), samples["left"].var(axis=0)
    kernel = np.random.default_rng(3).normal(size=(8, 3)).astype(np.float32)
    files = kit.saved(tmp_path, kit.chain((4,), kit.dense(2)), samples)
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    layers = [
        in_model("InputLayer", "b", batch_input_shape=[None, 4]),
        in_model("InputLayer", "a", batch_input_shape=[None, 4]),
        in_model("Normalization", "n", "b", axis=[-1], mean=None, variance=None),
        in_model("Concatenate", "c", "n", "a", axis=-1),
        in_model("Dense", "d", "c", units=3, use_bias=False),
    ]
    layers[-1]["config"]["dtype"] = policy
    config: dict[str, Any] = {"name": "m", "layers": layers, "output_layers": [["d", 0, 0]]}
    config["input_layers"] = {"right": ["a", 0, 0], "left": ["b", 0, 0]}
    weights = {
        "n": {"mean": mean, "variance": variance, "count": np.array(100, np.int64)},
        "d": {"kernel": kernel},
    }
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.13.1", "tensorflow"
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
        whole = file.create_group("model_weights")
        whole.attrs["layer_names"] = [each["name"] for each in layers]
        for each in layers:
            own = weights.get(each["name"], {})
            group = whole.create_group(each["name"])
            group.attrs["weight_names"] = list(own)
            for name, array in own.items():
                group[name] = array
    found = source.read(replace(files, model=path))
    names = [spec.name for spec in found.inputs]
    given = dict(zip(names, found.samples, strict=True))
    left = (given["left"] - mean) / np.sqrt(variance)
    wanted = np.concatenate((left, given["right"]), axis=1) @ kernel
    np.testing.assert_allclose(found.keras[0], wanted, atol=1e-5)


def in_model(kind: str, name: str, *before: str, **own: Any) -> dict[str, Any]:
    """Return the config of a layer, called on these others."""
    nodes = [[[each, 0, 0, {}] for each in before]] if before else []
    own |= {"name": name, "dtype": "float32"}
    return {"class_name": kind, "name": name, "config": own, "inbound_nodes": nodes}
