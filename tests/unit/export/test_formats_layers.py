"""The Keras layer of a tensor, found again by TensorFlow's name."""

from __future__ import annotations

import keras

from strop_export.formats.layers import is_marked, last_layers, layer_of, numbered
from strop_export.formats.steps import owners


def test_layers_have_their_own_names_again_after_the_block() -> None:
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")], name="inner")
    model = keras.Sequential([inner, keras.layers.Dense(2, name="dense_1")])
    with numbered(model) as names:
        assert {"inner", "dense", "dense_1"} <= set(names)
        marked = [layer.name for layer in model._flatten_layers(include_self=False)]
        assert all(name.startswith("strop_layer") for name in marked)
    assert [layer.name for layer in model.layers] == ["inner", "dense_1"]


def test_a_layer_s_own_name_is_no_mark() -> None:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(2, name="layer99.fc"),
            keras.layers.Dense(2, name="layer0.fc"),
            keras.layers.Dense(2, name="strop_layer0.fc"),
        ]
    )
    with numbered(model) as names:
        marked = [layer.name for layer in model.layers]
    found = [layer_of(f"model/{name}_1/MatMul", names) for name in marked]
    assert found == ["layer99.fc", "layer0.fc", "strop_layer0.fc"]


def test_the_innermost_layer_of_the_first_fused_name_counts() -> None:
    names = ("attention", "query", "dense")
    assert layer_of("model_1/strop_layer0.attention_1/strop_layer1.query_1/Add;x", names) == "query"
    assert layer_of("model/Reshape;model/strop_layer2.dense_rescaled_1/MatMul", names) == "dense"
    assert layer_of("model/Add_1:0", names) == "Add_1"


def test_a_mark_tells_a_layer_s_tensor() -> None:
    assert is_marked("model/strop_layer2.dense_1/MatMul")
    assert not is_marked("StatefulPartitionedCall_1:0")


def test_the_last_layers_are_the_innermost() -> None:
    given = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="deep")], name="inner")
    model = keras.Model(given, [inner(given), keras.layers.Dense(3, name="flat")(given)])
    assert last_layers(model) == ["deep", "flat"]


def test_operators_without_a_mark_belong_to_their_users_or_else_to_their_sources() -> None:
    steps = [
        (("in",), ("Reshape",)),
        (("Reshape", "weights"), ("x/strop_layer0.first_1/MatMul",)),
        (("x/strop_layer0.first_1/MatMul",), ("MatMul__89",)),
        (("MatMul__89",), ("x/strop_layer1.second/Add",)),
        (("x/strop_layer1.second/Add",), ("StatefulPartitionedCall:0",)),
        (("x/strop_layer1.second/Add",), ("left over",)),
        ((), ("alone",)),
    ]
    found = owners(steps, ("first", "second"), {"StatefulPartitionedCall:0": "last"})
    assert found == ["first", "first", "second", "second", "last", "second", "alone"]
