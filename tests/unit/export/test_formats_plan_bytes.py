"""A float32 plan takes the bytes of the sensor, and gives the same answers as for floats."""

from __future__ import annotations

import numpy as np
import pytest

from strop_export.formats import Conversions, Names, quiet
from strop_export.formats.plan import Plan, Step, Tensor
from tests.contract import plan_referee
from tests.needs import strop_native
from tests.unit.export.plan_kit import FLOAT32, inputs_for, operators, sequential

with quiet():
    import keras
    from keras import layers

PIXELS = np.random.default_rng(1).integers(0, 256, (70, 4, 5), np.uint8)


def net() -> keras.Model:
    stack = (layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(7, "relu"), layers.Dense(3))
    return sequential(*stack, shape=(4, 5))


def test_bytes_give_the_bits_that_their_floats_give() -> None:
    model = net()
    taken = Conversions(model, [PIXELS]).convert(FLOAT32)
    plain = Conversions(model, [PIXELS.astype(np.float32)]).convert(FLOAT32)
    assert [(t.dtype, t.scale, t.zero_point) for t in taken.inputs] == [("uint8", 1.0, 0)]
    assert [t.dtype for t in plain.inputs] == ["float32"]
    assert operators(taken) == ["dequantize", *operators(plain)]
    (expected,) = plan_referee.outputs(plain.data, PIXELS.astype(np.float32))
    (result,) = plan_referee.outputs(taken.data, PIXELS)
    assert np.array_equal(result, expected)
    native = strop_native()
    for kernels in native.kernels():
        (result,) = native.Model(taken.data, kernels).run((PIXELS,))
        assert np.array_equal(result, expected)


def test_each_step_knows_the_keras_layer_that_it_is_of() -> None:
    stack = (layers.Flatten(), layers.Dense(7, "relu", name="wide"), layers.Dense(3, name="last"))
    file = Conversions(sequential(*stack, shape=(4, 5)), [PIXELS]).convert(FLOAT32)
    steps = dict(zip(operators(file), file.step_layers, strict=True))
    assert steps["dequantize"] == ""  # widens the sensor's bytes
    assert [name for name in file.step_layers if name in ("wide", "last")] == ["wide", "last"]


def test_of_several_inputs_those_with_bytes_take_them() -> None:
    one, two = keras.Input((4, 5), name="picture"), keras.Input((6,), name="row")
    joined = layers.Dense(3)(layers.Flatten()(one)) + layers.Dense(3)(two)
    model = keras.Model([one, two], [joined])
    rows = inputs_for(sequential(layers.Dense(2)))[0]
    samples = [PIXELS[:60], rows]
    file = Conversions(model, samples, Names(("picture", "row"), ("sum",))).convert(FLOAT32)
    assert [(t.name, t.dtype) for t in file.inputs] == [("picture", "uint8"), ("row", "float32")]
    (result,) = plan_referee.outputs(file.data, *samples)
    assert np.abs(result - model.predict(samples, verbose=0)).max() < 1e-3


@pytest.mark.parametrize("zero_point", [0, 7, 255])
def test_the_engine_dequantizes_uint8_as_the_format_says(zero_point: int) -> None:
    tensors = [
        Tensor("uint8", (256,), 0.3, zero_point, name="bytes"),
        Tensor("float32", (256,), name="values"),
    ]
    plan = Plan(tensors, [Step("dequantize", (0,), 1)], [0], [1]).to_bytes()
    every = np.arange(256, dtype=np.uint8)[np.newaxis]
    (expected,) = plan_referee.outputs(plan, every)
    assert np.array_equal(expected, np.float32(0.3) * (every.astype(np.float32) - zero_point))
    native = strop_native()
    for kernels in native.kernels():
        (result,) = native.Model(plan, kernels).run((every,))
        assert np.array_equal(result, expected)
