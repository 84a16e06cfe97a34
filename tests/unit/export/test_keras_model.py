"""The model of a source: any kind of model is called on lists, in float32."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source import batches, header, keras_model
from tests.unit.export import source_kit as kit
from tests.unit.export.source_kit import SAMPLES, chain, dense, floats, keras, read, two_by_two

layers = keras.layers
OWN = Path(__file__).with_name("own_layers.py")


def own() -> Any:
    """The module of the user's classes, as the user's training has it."""
    return importlib.import_module("tests.unit.export.own_layers")


def answers(model: Any, *samples: np.ndarray) -> list[np.ndarray]:
    given = list(samples) if len(samples) > 1 else samples[0]
    return [np.asarray(each) for each in keras.tree.flatten(model(given))]


GIVEN = {"right": floats(2), "left": floats(4, seed=2)}


class TestSeveral:
    def test_inputs_and_outputs_keep_the_model_s_order_and_names(self, tmp_path: Path) -> None:
        model = two_by_two()
        found = read(tmp_path, model, GIVEN)
        assert [spec.name for spec in found.inputs] == ["left", "right"]
        assert [spec.name for spec in found.outputs] == ["what", "where"]
        assert [spec.kind for spec in found.outputs] == ["class", "regression"]
        assert found.structure == "list"
        half = [GIVEN[name][1::2] for name in ("left", "right")]
        for ours, keras_says in zip(found.keras, answers(model, *half), strict=True):
            np.testing.assert_allclose(ours, keras_says, atol=1e-6)

    def test_a_dict_keeps_its_names(self, tmp_path: Path) -> None:
        found = read(tmp_path, two_by_two(named=True), GIVEN)
        assert [spec.name for spec in found.outputs] == ["what", "where"]
        assert found.structure == "dict"

    def test_outputs_of_one_name_are_told_apart(self, tmp_path: Path) -> None:
        inputs, shared = keras.Input((4,), name="x"), dense(3, name="head")
        model = keras.Model(inputs, [shared(inputs), shared(layers.ReLU()(inputs))])
        found = read(tmp_path, model, {"x": floats(4)})
        assert [spec.name for spec in found.outputs] == ["head", "head_1"]

    def test_nested_outputs_are_refused(self, tmp_path: Path) -> None:
        inputs = keras.Input((4,))
        model = keras.Model(inputs, {"a": [dense(2)(inputs), dense(3)(inputs)]})
        with pytest.raises(SourceError, match="outputs are nested; give one array, a list or a di"):
            read(tmp_path, model, {"inputs": floats(4)})


def test_the_only_output_and_input_need_no_names(tmp_path: Path) -> None:
    found = read(tmp_path, chain((4,), dense(3, "softmax")), {"inputs": floats(4)})
    assert found.structure == "one"
    assert (found.inputs[0].name, found.outputs[0].name) == ("input", "probabilities")


def test_an_input_s_own_name_is_kept(tmp_path: Path) -> None:
    inputs = keras.Input((4,), name="series")
    found = read(tmp_path, keras.Model(inputs, dense(2)(inputs)), {"inputs": floats(4)})
    assert found.inputs[0].name == "series"


def test_a_model_inside_a_model(tmp_path: Path) -> None:
    model = chain((4,), chain((4,), dense(8, "relu")), chain((8,), dense(3, "softmax")))
    found = read(tmp_path, model, {"inputs": floats(4)})
    assert found.outputs[0].kind == "class"
    np.testing.assert_allclose(found.keras[0], answers(model, floats(4)[1::2])[0], atol=1e-6)


class TestFreeSizes:
    def model(self) -> Any:
        return chain((None, 3), layers.Conv1D(4, 3), layers.GlobalAveragePooling1D(), dense(2))

    def test_samples_give_them(self, tmp_path: Path) -> None:
        found = read(tmp_path, self.model(), {"inputs": floats(9, 3)})
        assert found.inputs[0].shape == (None, 9, 3)
        assert found.model.inputs[0].shape == (None, 9, 3)

    @pytest.mark.parametrize("name", ["", "own"])
    def test_so_does_who_exports(self, tmp_path: Path, name: str) -> None:
        inputs = keras.Input((None, 3), name="own")
        model = keras.Model(inputs, dense(2)(layers.GlobalAveragePooling1D()(inputs)))
        found = read(tmp_path, model, {"inputs": floats(9, 3)}, shapes={name: (9, 3)})
        assert found.inputs[0].shape == (None, 9, 3)
        assert found.loading.shapes == {name: (9, 3)}

    def test_an_input_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="--shape names right; .* one without a name"):
            read(tmp_path, self.model(), {"inputs": floats(9, 3)}, shapes={"right": (9, 3)})

    @pytest.mark.parametrize("shape", [(9, 4), (9,), (9, 3, 1)])
    def test_a_shape_that_the_model_cannot_have_is_refused(
        self, tmp_path: Path, shape: tuple[int, ...]
    ) -> None:
        said = r"takes \(None, 3\), and the shape given is \(9.*; give one that fits with --shape"
        with pytest.raises(SourceError, match=said):
            read(tmp_path, self.model(), {"inputs": floats(9, 3)}, shapes={"": shape})

    def test_samples_of_another_shape_than_said_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"shape \(50, 9, 3\), the model takes \(N, 12, 3\)"):
            read(tmp_path, self.model(), {"inputs": floats(9, 3)}, shapes={"": (12, 3)})


class TestMixedPrecision:
    def test_its_casts_are_taken_off(self, tmp_path: Path) -> None:
        model = chain(
            (4,),
            dense(8, "relu", dtype="mixed_float16"),
            chain((8,), dense(8, "relu", dtype="mixed_bfloat16")),
            dense(3, "softmax", dtype="float32"),
        )
        found = read(tmp_path, model, {"inputs": floats(4)})
        inside = found.model._flatten_layers(include_self=False)
        assert {layer.compute_dtype for layer in inside} == {"float32"}
        x = floats(4)[1::2]
        for kernel, bias in zip(model.get_weights()[::2], model.get_weights()[1::2], strict=True):
            last, x = x, x @ kernel + bias
            x = np.maximum(x, 0) if kernel.shape[1] == 8 else x
        del last
        exact = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found.keras[0], exact, atol=1e-6)

    @pytest.mark.parametrize(
        ("layer", "given", "dtype"),
        [
            (layers.Normalization(), 50 + 9 * floats(4), "float32"),
            (
                layers.IntegerLookup(output_mode="multi_hot"),
                np.arange(400).reshape(100, 4),
                "int64",
            ),
        ],
    )
    def test_what_a_layer_learned_of_samples_is_kept(
        self, tmp_path: Path, layer: Any, given: np.ndarray, dtype: str
    ) -> None:
        """It is no weight that training changes."""
        layer.adapt(given)
        model = chain((4,), layer, dense(3, "softmax", dtype="mixed_float16"), dtype=dtype)
        found = read(tmp_path, model, {"inputs": given})
        (said,) = answers(model, given[1::2])
        np.testing.assert_allclose(found.keras[0], said, atol=2e-3)
        assert np.ptp(said, axis=0).max() > 0.1

    def test_the_state_of_one_s_own_layer_is_kept(self, tmp_path: Path) -> None:
        scaled = own().Learned()
        scaled.by = 3.0
        model = chain((4,), scaled, dense(3, dtype="mixed_bfloat16"))
        files = kit.saved(tmp_path, model, {"inputs": floats(4)}, custom=OWN)
        found = source.read(files, trust=True)
        (said,) = answers(model, floats(4)[1::2])
        np.testing.assert_allclose(found.keras[0], said, atol=0.1)
        assert found.loading.path == files.model

    @pytest.mark.parametrize(
        ("policy", "said"),
        [
            ("mixed_float16", r"computes in float16, and answers otherwise in float32 \(by 0.5 "),
            (
                "mixed_bfloat16",
                "cannot run the model in bfloat16, .* ValueError: .*no such operator",
            ),
        ],
    )
    def test_a_model_that_answers_otherwise_in_float32_is_refused(
        self, tmp_path: Path, policy: str, said: str
    ) -> None:
        model = chain((4,), own().Fickle(dtype=policy), dense(3))
        files = kit.saved(tmp_path, model, {"inputs": floats(4)}, custom=OWN)
        with pytest.raises(SourceError, match=said):
            source.read(files, trust=True)

    def test_rounding_in_many_layers_is_no_difference(self, tmp_path: Path) -> None:
        deep = [dense(16, "relu", dtype="mixed_bfloat16") for _ in range(24)]
        read(tmp_path, chain((4,), *deep, dense(3, dtype="mixed_bfloat16")), {"inputs": floats(4)})

    def test_a_model_in_float32_is_itself(self, tmp_path: Path) -> None:
        loading = source.Loading(kit.saved(tmp_path, chain((4,), dense(2)), {}).model)
        assert keras_model.load(loading, header.check(loading), {"x": floats(4)}).mixed is None


class TestOwnClasses:
    def files(self, folder: Path, model: Any) -> source.Files:
        return kit.saved(folder, model, {"inputs": floats(4)}, custom=OWN)

    def test_they_come_from_a_file_that_is_trusted(self, tmp_path: Path) -> None:
        model = chain((4,), own().Scaled(3.0), dense(2))
        found = source.read(self.files(tmp_path, model), trust=True)
        assert found.loading.custom == OWN
        assert found.digests.keys() == {"model", "calibration", "custom"}
        np.testing.assert_allclose(found.keras[0], answers(model, floats(4)[1::2])[0], atol=1e-6)

    def test_and_are_refused_unasked(self, tmp_path: Path) -> None:
        files = self.files(tmp_path, chain((4,), own().Scaled(3.0), dense(2)))
        with pytest.raises(SourceError, match=r"own_layers.py is Python code .*--trust"):
            source.read(files)

    def test_a_subclass_takes_its_inputs_from_the_samples(self, tmp_path: Path) -> None:
        model = own().Tower(3)
        expected = answers(model, floats(4)[1::2])[0]
        found = source.read(self.files(tmp_path, model), trust=True)
        assert [spec.shape for spec in found.inputs] == [(None, 4)]
        assert found.outputs[0].kind == "class"
        assert found.structure == "one"
        np.testing.assert_allclose(found.keras[0], expected, atol=1e-6)

    def test_a_file_that_fails_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "own.py").write_text("1 / 0", encoding="utf-8")
        files = self.files(tmp_path, chain((4,), own().Scaled(3.0), dense(2)))
        with pytest.raises(SourceError, match=r"--custom .*own.py fails: ZeroDivisionError"):
            source.read(replace(files, custom=tmp_path / "own.py"), trust=True)

    def test_a_file_that_lacks_them_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "own.py").write_text("", encoding="utf-8")
        files = self.files(tmp_path, chain((4,), own().Scaled(3.0), dense(2)))
        monkeypatch.delitem(keras.saving.get_custom_objects(), "own>Scaled")
        with pytest.raises(SourceError, match="Keras cannot load"):
            source.read(replace(files, custom=tmp_path / "own.py"), trust=True)


def test_code_runs_where_it_is_trusted(tmp_path: Path) -> None:
    model = chain((4,), layers.Lambda(lambda x: x * 2, output_shape=(4,)), dense(2))
    found = read(tmp_path, model, {"inputs": floats(4)}, trust=True)
    assert found.keras[0].shape == (SAMPLES // 2, 2)
    assert found.loading.trust


def test_bytes_and_integers_reach_keras_as_what_it_takes(tmp_path: Path) -> None:
    words = np.random.default_rng(0).integers(0, 50, (SAMPLES, 7))
    model = chain(
        (7,), layers.Embedding(50, 4), layers.Flatten(), dense(3, "softmax"), dtype="int32"
    )
    found = read(tmp_path, model, {"inputs": words})
    assert (found.inputs[0].dtype, found.samples[0].dtype.name) == ("int32", "int32")


def test_large_samples_run_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_MOST_VALUES", 4 * 7)  # seven at a time
    model = chain((4,), dense(2))
    plain = keras.Model(list(model.inputs), list(model.outputs))
    (found,) = keras_model.predict(plain, [floats(4)])
    np.testing.assert_allclose(found, answers(model, floats(4))[0], atol=1e-6)
