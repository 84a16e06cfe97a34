"""The check of a .keras file before anything in it is loaded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source import header
from strop_export.source.header import Input
from tests.unit.export import source_kit as kit
from tests.unit.export.source_kit import chain, dense, floats, keras, refused_before_tensorflow

layers = keras.layers


@keras.saving.register_keras_serializable("mine")
class Doubled(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return 2 * x


def twice(x: Any) -> Any:
    return 2 * x


keras.saving.register_keras_serializable("mine")(twice)


def unregistered(x: Any) -> Any:
    return 2 * x


def check(path: Path, **options: Any) -> tuple[Input, ...]:
    return header.check(source.Loading(path, **options)).inputs


def written(folder: Path, model: Any) -> Path:
    model.save(folder / "m.keras")
    return folder / "m.keras"


def test_inputs_are_read_without_keras(tmp_path: Path) -> None:
    one = written(tmp_path, chain((None, 3), layers.GlobalAveragePooling1D(), dtype="int32"))
    ((name, shape, dtype),) = [(i.name, i.shape, i.dtype) for i in check(one)]
    assert (shape, dtype) == ((None, 3), "int32")
    assert name
    two = written(tmp_path, kit.two_by_two())
    assert set(check(two)) == {Input("left", (4,), "float32"), Input("right", (2,), "float32")}


@pytest.mark.parametrize(
    "model",
    [
        lambda: chain((4,), layers.Lambda(lambda x: x + 1)),
        lambda: chain((4,), chain((4,), layers.Lambda(lambda x: x + 1)), dense(2)),  # inside
        lambda: chain((4, 4), layers.TimeDistributed(layers.Lambda(lambda x: x + 1))),
    ],
)
def test_code_is_refused_and_the_flag_named(tmp_path: Path, model: Any) -> None:
    path = written(tmp_path, model())
    with pytest.raises(SourceError, match="holds a Lambda layer, which is Python.*--trust"):
        check(path)
    check(path, trust=True)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (lambda: chain((4,), Doubled(), dense(2)), "Doubled"),
        (lambda: chain((4,), chain((4,), Doubled()), dense(2)), "Doubled"),
        (lambda: chain((4,), dense(2, twice)), "twice"),
        (lambda: chain((4,), dense(2, unregistered)), "unregistered"),
    ],
)
def test_a_class_of_one_s_own_is_named(tmp_path: Path, model: Any, name: str) -> None:
    path = written(tmp_path, model())
    with pytest.raises(SourceError, match=f"needs {name}, which Keras does not have.*--custom"):
        check(path, trust=True)
    own = tmp_path / "own.py"
    with pytest.raises(SourceError, match="own.py is Python code that export would run.*--trust"):
        check(path, custom=own)
    check(path, custom=own, trust=True)


@pytest.mark.parametrize(
    "model",
    [
        lambda: chain((8, 8, 1), layers.Conv2D(2, 3, activation="gelu"), layers.Flatten()),
        lambda: chain((8, 3), layers.Bidirectional(layers.LSTM(3)), dense(2)),
        lambda: chain((8,), dense(2, kernel_regularizer=keras.regularizers.L2(0.1))),
        lambda: chain((8,), layers.Activation(keras.activations.hard_silu)),
        lambda: chain((8, 8, 3), layers.RandomFlip(), layers.Rescaling(1 / 255)),
    ],
)
def test_what_is_keras_s_own_needs_no_trust(tmp_path: Path, model: Any) -> None:
    check(written(tmp_path, model()))


def test_how_it_was_compiled_needs_none_either(tmp_path: Path) -> None:
    """Export loads no loss, optimizer or metric."""
    model = chain((8,), dense(2))
    model.compile(loss=unregistered, metrics=[unregistered])
    check(written(tmp_path, model))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a model", "is not a .keras or .h5 file; write one with model.save"),
        (b"PK\3\4", "is not a .keras or .h5 file"),
        ({}, "is not a .keras or .h5 file"),
        ({"config.json": "{"}, "is a .keras file that is damaged"),
        ({"config.json": "[]"}, "config.json is not an object"),
        ({"config.json": "[" * 100_000}, "is a .keras file that is damaged"),
        (None, "cannot read .*m.keras"),
    ],
)
def test_what_is_no_keras_file_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "m.keras"
    if isinstance(content, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as raised:
        check(path)
    assert "\n" not in str(raised.value)


def test_code_may_be_anywhere_in_it(tmp_path: Path) -> None:
    bare = {"layers": [{"config": {"activation": {"class_name": "__lambda__", "config": "YQ=="}}}]}
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": bare}))
    with pytest.raises(SourceError, match="holds a lambda function, which is Python code"):
        check(tmp_path / "m.keras")


@pytest.mark.parametrize("config", [{}, {"config": []}, {"config": {"layers": [1, {}]}}])
def test_a_config_that_names_no_inputs_has_none(tmp_path: Path, config: Any) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    assert check(tmp_path / "m.keras") == ()


class TestBeforeTensorFlow:
    def test_code_is_refused(self, tmp_path: Path) -> None:
        model = chain((4,), layers.Lambda(lambda x: x + 1), dense(2))
        files = kit.saved(tmp_path, model, {"inputs": floats(4)})
        assert "Lambda" in refused_before_tensorflow(files)

    def test_samples_of_another_shape_are(self, tmp_path: Path) -> None:
        files = kit.saved(tmp_path, chain((4,), dense(2)), {"inputs": floats(5)})
        assert "the model takes (N, 4)" in refused_before_tensorflow(files)

    def test_labels_of_another_number_are(self, tmp_path: Path) -> None:
        given = {"inputs": floats(4), "labels": floats()[:9]}
        files = kit.saved(tmp_path, chain((4,), dense(2)), {"inputs": floats(4)}, given)
        assert "one for each of the 100 samples" in refused_before_tensorflow(files)

    def test_too_few_samples_are(self, tmp_path: Path) -> None:
        files = kit.saved(tmp_path, chain((4,), dense(2)), {"inputs": floats(4)[:98]})
        assert "has 49 samples for the proof" in refused_before_tensorflow(files)
