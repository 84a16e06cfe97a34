"""The config of a Keras 2 model becomes one of Keras 3, or the layer that cannot is named."""

from __future__ import annotations

import base64
import copy
import marshal
from typing import Any

import numpy as np
import pytest

from strop_export.source.translation import Untranslated, translated
from tests.unit.export.source_kit import keras


def layer(kind: str, name: str, *calls: Any, **own: Any) -> dict[str, Any]:
    return {
        "class_name": kind,
        "module": "keras.layers",
        "name": name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **own},
        "inbound_nodes": list(calls),
    }


def given(name: str = "x", size: int = 4) -> dict[str, Any]:
    return layer("InputLayer", name, batch_input_shape=[None, size], ragged=False, sparse=False)


def at(name: str, call: int = 0, **others: Any) -> list[Any]:
    return [name, call, 0, others]


def functional(*layers: dict[str, Any], output: tuple[str, int] = ("y", 0)) -> dict[str, Any]:
    first = layers[0]["config"]["name"]
    return {
        "class_name": "Functional",
        "module": "tf_keras.src.engine.functional",
        "config": {
            "name": "m",
            "layers": list(layers),
            "input_layers": [[first, 0, 0]],
            "output_layers": [[*output, 0]],
        },
    }


def built(node: dict[str, Any]) -> Any:
    before = copy.deepcopy(node)
    plain = translated(node)
    assert node == before
    return keras.saving.deserialize_keras_object(plain)


def test_settings_without_effect_are_left_out() -> None:
    model = built(
        functional(
            layer("InputLayer", "x", batch_input_shape=[None, 8, 8, 2]),
            layer("DepthwiseConv2D", "d", [at("x")], kernel_size=3, groups=1),
            layer("BatchNormalization", "y", [at("d")], axis=[3], epsilon=0.01),
        )
    )
    assert [type(each).__name__ for each in model.layers[1:]] == [
        "DepthwiseConv2D",
        "BatchNormalization",
    ]
    assert (model.layers[2].axis, model.layers[2].epsilon) == (3, 0.01)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (
            layer("DepthwiseConv2D", "d", kernel_size=3, groups=2),
            r"layer 'd' \(DepthwiseConv2D\): Keras 3 has no setting groups=2",
        ),
        (layer("LSTM", "r", units=2, time_major=True), "no setting time_major=True"),
        (layer("Dense", "h", units=2, activation="hard_sigmoid"), "hard_sigmoid in another way"),
    ],
)
def test_what_keras_3_lacks_is_named(node: dict[str, Any], said: str) -> None:
    with pytest.raises(Untranslated, match=said):
        translated(node)


@pytest.mark.parametrize("call", [{"a": at("x")}, [["_CONSTANT_VALUE", -1, 2.0, {}]]])
def test_a_call_without_tensors_names_its_layer(call: Any) -> None:
    with pytest.raises(Untranslated, match=r"layer 'y' \(Dense\): it takes a dict or a constant"):
        translated(functional(given(), layer("Dense", "y", call, units=2)))


def test_a_shared_model_keeps_its_calls() -> None:
    """Keras 2 counts the calls of a model inside another from 1."""
    inner = functional(given("i"), layer("Dense", "y", [at("i")], units=4))
    shared = {**inner, "name": "shared", "inbound_nodes": [[at("x")], [at("shared", 1)]]}
    shared["config"]["name"] = "shared"
    last = layer("Dense", "y", [at("shared", 2)], units=2)
    model = built(functional(given(), shared, last))
    one, two = model.get_layer("shared"), model.get_layer("y")
    sample = np.ones((1, 4), np.float32)
    assert np.allclose(model(sample), two(one(one(sample))), atol=1e-6)


def test_tensors_among_the_other_arguments_are_kept() -> None:
    model = built(
        functional(
            layer("InputLayer", "x", batch_input_shape=[None, 5, 4]),
            layer("Dense", "v", [at("x")], units=4),
            layer("MultiHeadAttention", "y", [at("x", value=["v", 0, 0])], num_heads=2, key_dim=2),
        )
    )
    sample = np.random.default_rng(1).normal(size=(1, 5, 4)).astype(np.float32)
    wanted = model.get_layer("y")(sample, model.get_layer("v")(sample))
    assert np.allclose(model(sample), wanted, atol=1e-6)


def test_trusted_code_is_kept() -> None:
    """An .h5 file has the code of a Lambda layer as a list."""
    code = base64.b64encode(marshal.dumps((lambda x: x * 2).__code__)).decode("ascii")
    own = {"function": [code, None, None], "function_type": "lambda", "output_shape": None}
    plain = translated(layer("Lambda", "l", **own, module="__main__"))
    made = keras.saving.deserialize_keras_object(plain, safe_mode=False)
    assert np.array_equal(made(np.ones((1, 2), np.float32)), [[2, 2]])


def test_mixed_precision_is_left_out() -> None:
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    node = layer("Dense", "d", units=2)
    node["config"]["dtype"] = policy
    assert built(node).compute_dtype == "float32"
