"""The reason why a converter refused a model: operators and layers, never MLIR."""

from __future__ import annotations

import pytest

from strop_export.formats import quiet
from strop_export.formats.reasons import reason

with quiet():
    import keras

STACK = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.ReLU()])
MODEL = keras.Model(STACK.inputs, STACK.outputs)
MLIR = """<unknown>:0: error: failed while converting: 'main':
Some ops are not supported by the native TFLite runtime, you can enable TF kernels fallback. See
TF Select ops: PyFunc, EagerPyFunc
Details:
\ttf.EagerPyFunc(tensor<1x13xf32>) -> (tensor<1x13xf32>) : {Tin = [f32], device = ""}
\ttf.EagerPyFunc(tensor<1x13xf32>) -> (tensor<1x13xf32>)
\ttf.Lgamma(tensor<1x13xf32>) -> (tensor<1x13xf32>)
"""


def test_operators_are_named_once() -> None:
    said = reason(ValueError(MLIR), MODEL)
    assert said == "the converter does not write the operator EagerPyFunc, Lgamma"


def test_so_are_those_that_only_a_note_names() -> None:
    error = RuntimeError("failed")
    error.add_note("loc(fused[..]): error: 'tf.Cholesky' op is neither a custom op nor a flex op")
    assert reason(error, MODEL) == "the converter does not write the operator Cholesky"


@pytest.mark.parametrize(
    "text",
    [
        "Op type not registered 'Frobnicate' in binary running on x",
        "Tensorflow op [functional_1/x: Frobnicate] is not supported",
    ],
)
def test_so_are_those_of_other_tools(text: str) -> None:
    assert reason(ValueError(text), MODEL) == "the converter does not write the operator Frobnicate"


def test_many_are_counted() -> None:
    text = "\n".join(f"tf.Operator{chr(65 + i)}" for i in range(9))
    assert reason(ValueError(text), MODEL).endswith("OperatorF and 3 others")


def test_without_any_the_layers_are() -> None:
    said = reason(KeyError("%0 = mlir<tensor<1xf32>>"), MODEL)
    assert said == "the converter failed (KeyError); the model's layers are Dense, ReLU"
