"""Dense Keras models, and runs of plans of them by the referee."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.formats import Converted, VariantSpec, quiet
from tests.contract import plan_referee

with quiet():
    import keras

FLOAT32, INT8 = VariantSpec("plan", "float32"), VariantSpec("plan", "int8")
Array = NDArray[Any]


def run(file: Converted, *inputs: Array) -> Array:
    arrays = (a.astype(t.dtype) for a, t in zip(inputs, file.inputs, strict=True))
    (result,) = plan_referee.outputs(file.data, *arrays)
    return np.asarray(result)


def operators(file: Converted) -> list[str]:
    return [step.operator for step in plan_referee.read(file.data).steps]


def inputs_for(net: Any) -> list[Array]:
    random = np.random.default_rng(2)
    return [random.normal(size=(60, *t.shape[1:])).astype(np.float32) for t in net.inputs]


def sequential(*stack: Any, shape: tuple[int, ...] = (6,)) -> Any:
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input(shape), *stack])


def trained(net: Any) -> Any:
    """The model with weights that no layer begins with."""
    random = np.random.default_rng(4)
    net.set_weights([random.uniform(0.2, 1.5, w.shape) for w in net.get_weights()])
    return net
