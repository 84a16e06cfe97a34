"""Whole networks: the int8 values of plans are those of LiteRT and tflite-runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats import Conversions, VariantSpec, quiet
from tests.contract import plan_referee
from tests.contract.picture_nets import PICTURES
from tests.contract.tflite_kit import Case, Kernels
from tests.unit.export.plan_kit import inputs_for, sequential, trained

with quiet():
    import keras

    layers = keras.layers


def _normalized() -> Any:
    normalization = layers.Normalization(mean=np.arange(6.0), variance=np.arange(1.0, 7))
    return sequential(normalization, layers.Dense(16, "relu"), layers.Dense(3, "softmax"))


def _gated() -> Any:
    inputs = keras.Input((6,))
    hidden = layers.Dense(64, "tanh")(inputs)
    joined = layers.Subtract()([layers.Dense(64, "sigmoid")(hidden), hidden])
    gate = layers.Dense(64, "sigmoid")(layers.ReLU()(joined))
    product = layers.Multiply()([gate, joined])
    return keras.Model(inputs, layers.Dense(2)(layers.Subtract()([product, hidden])))


NETS: dict[str, Callable[[], Any]] = {
    "normalization": _normalized,
    "rescaling": lambda: sequential(
        layers.Rescaling(np.arange(0.1, 0.7, 0.1), offset=np.arange(6.0)),
        layers.Dense(16, "relu"),
        layers.Dense(1),
    ),
    "late batch normalization": lambda: trained(
        sequential(layers.Dense(16, "tanh"), layers.BatchNormalization(), layers.Dense(2))
    ),
    "tanh and sigmoid": lambda: sequential(
        layers.Dense(16, "tanh"), layers.Dense(16, "sigmoid"), layers.Dense(2)
    ),
    "leaky relu": lambda: sequential(
        layers.Dense(16), layers.LeakyReLU(0.1), layers.Dense(16, "relu6"), layers.Dense(2)
    ),
    "gelu and silu": lambda: sequential(
        layers.Dense(16, "gelu"), layers.Dense(16, "silu"), layers.Dense(2)
    ),
    "one input": lambda: trained(
        sequential(layers.Dense(16, "relu"), layers.Dense(16, "tanh"), layers.Dense(1), shape=(1,))
    ),
    "gates": _gated,
}


# tflite-runtime lets these write over what they read; their own results show what they read.
OVERWRITING = ("add", "sub", "mul", "reshape", "lookup", "relu")


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("nets", "count"), [(NETS, 2000), (PICTURES, 150)])
def test_every_int8_value_of_a_network(
    nets: dict[str, Callable[[], Any]], count: int, rounding: str, kernels: Kernels
) -> None:
    cases, plans = [], []
    for build in nets.values():
        net = build()
        (calibration,) = inputs_for(net)
        convert = Conversions(net, [calibration]).convert
        samples = np.random.default_rng(6).normal(size=(count, *calibration.shape[1:]))
        file = convert(VariantSpec("tflite", "int8"))
        cases.append(Case(file.data, samples.astype(np.float32)))
        plans.append(convert(VariantSpec("plan", "int8", rounding=rounding)).data)
    for name, plan, case, theirs in zip(nets, plans, cases, kernels(cases), strict=True):
        steps, compared = plan_referee.read(plan).steps, 0
        values = plan_referee.run(plan, case.inputs)
        # Results are named NUMBER.OPERATOR, and constants NUMBER.OPERATOR.INPUT.
        results = {key: value for key, value in theirs.items() if key.count(".") == 1}
        by_number = {int(key.partition(".")[0]): value for key, value in results.items()}
        read = [(step.inputs, step.operator in OVERWRITING) for step in steps]
        for i, step in enumerate(steps):  # one for each operator of the file
            ours = values[step.output]
            gone = any(step.output in inputs for inputs, overwrites in read if overwrites)
            if ours.dtype == np.int8 and not (gone and rounding == "reference"):
                np.testing.assert_array_equal(ours, by_number[i].reshape(ours.shape), name)
                compared += 1
        assert compared >= (len(steps) - 3 if rounding == "float" else 2)
