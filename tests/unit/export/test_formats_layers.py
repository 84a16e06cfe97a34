"""The Keras layer of a tensor, found again by TensorFlow's name."""

from __future__ import annotations

import keras

from strop_export.formats.layers import layer_of, numbered


def test_layers_have_their_own_names_again_after_the_block() -> None:
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")], name="inner")
    model = keras.Sequential([inner, keras.layers.Dense(2, name="dense_1")])
    with numbered(model) as names:
        assert {"inner", "dense", "dense_1"} <= set(names)
        marked = [layer.name for layer in model._flatten_layers(include_self=False)]
        assert all(name.startswith("layer") for name in marked)
    assert [layer.name for layer in model.layers] == ["inner", "dense_1"]


def test_the_innermost_layer_of_the_first_fused_name_counts() -> None:
    names = ("attention", "query", "dense")
    assert layer_of("model_1/layer0.attention_1/layer1.query_1/Add;x", names) == "query"
    assert layer_of("model/Reshape;model/layer2.dense_rescaled_1/MatMul", names) == "dense"
    assert layer_of("model/Add_1:0", names) == "Add_1"
