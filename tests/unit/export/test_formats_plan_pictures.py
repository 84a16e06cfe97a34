"""Plans of convolutions, pools, mean, concatenate, pad and transpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from strop_export.errors import UnsupportedLayer
from strop_export.formats import Converted, convert, quiet
from strop_export.formats.plan_tflite import convert_plan
from tests.contract import plan_referee, tflite_kit
from tests.contract.picture_nets import PICTURES
from tests.contract.spatial_files import SAME, VALID, Geometry, convolution, pool, reduced
from tests.unit.export.plan_kit import FLOAT32, Array, inputs_for, operators, run, sequential

with quiet():
    import keras

    layers = keras.layers

SHAPE = (1, 3, 4, 2)


def _unet() -> Any:
    inputs = keras.Input((8, 12, 2))
    across = layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    down = layers.Conv2D(8, 3, padding="same")(layers.MaxPooling2D((2, 3))(across))
    up = layers.Conv2DTranspose(5, (2, 3), strides=(2, 3), activation="relu")(down)
    return keras.Model(inputs, layers.Conv2D(1, 1)(layers.Concatenate()([up, across])))


def _equal_weights() -> Any:
    """Build a net whose .tflite file has one constant for the weights of both layers."""
    inputs = keras.Input((6, 7, 2))
    shallow, deep = layers.DepthwiseConv2D(3), layers.Conv2D(1, 3)
    outputs = layers.Concatenate()([shallow(inputs), deep(inputs)])
    kernel = np.random.default_rng(8).normal(size=(3, 3, 2, 1))
    shallow.set_weights([kernel, np.array([0.5, -0.5])])
    deep.set_weights([kernel, np.array([0.25])])
    return keras.Model(inputs, outputs)


# Some of their operators take several steps.
COMPOSED: dict[str, Callable[[], Any]] = {
    "unet": _unet,
    "equal weights": _equal_weights,
    "largest": lambda: sequential(
        layers.Conv2D(6, 3), layers.GlobalMaxPooling2D(), layers.Dense(3), shape=(7, 6, 1)
    ),
    "largest of a sequence": lambda: sequential(
        layers.Conv1D(6, 3), layers.GlobalMaxPooling1D(), layers.Dense(3), shape=(9, 2)
    ),
}


@pytest.mark.parametrize("name", [*PICTURES, *COMPOSED])
def test_float32_outputs_are_those_of_keras(name: str) -> None:
    net = (PICTURES | COMPOSED)[name]()
    (inputs,) = inputs_for(net)
    file = convert(net, FLOAT32, [inputs])
    np.testing.assert_allclose(run(file, inputs), net(inputs).numpy(), rtol=2e-5, atol=2e-5)
    assert file.rounding is None


def _moved(
    kind: str,
    constants: Sequence[Array],
    result: tuple[int, ...],
    *,
    shape: tuple[int, ...] = SHAPE,
    dtype: str = "int8",
    scales: tuple[float, float] = (0.5, 0.5),
    **options: Any,
) -> Converted:
    """An operator of one tensor and constants."""
    build = tflite_kit.Builder()
    own = [(scale, 3) if dtype == "int8" else () for scale in scales]
    x, y = build.tensor(shape, dtype, *own[0]), build.tensor(result, dtype, *own[1])
    numbers = [build.constant(c, *(own[0] if c.dtype == np.int8 else ())) for c in constants]
    return build.file(x, build.step(kind, [x, *numbers], y, **options))


def _joined(axis: int, count: int, *, scale: float = 0.5, fused: int = 0) -> Converted:
    """A CONCATENATION of one tensor `count` times; `scale`: of its output."""
    build = tflite_kit.Builder()
    sides = [side * (count if i == axis % 4 else 1) for i, side in enumerate(SHAPE)]
    x, y = build.tensor(SHAPE, "int8", 0.5, 3), build.tensor(tuple(sides), "int8", scale, 3)
    options = {"axis": axis, "fusedActivationFunction": fused}
    return build.file(x, build.step("CONCATENATION", [x] * count, y, **options))


def _found(file: Converted, shape: tuple[int, ...] = SHAPE, dtype: str = "int8") -> Any:
    """Return samples, and the results of a plan of the file; both without the batch's axis."""
    plan = convert_plan(file, ["last"], "float")
    values = np.random.default_rng(3).integers(-128, 128, (5, *shape[1:])).astype(dtype)
    (result,) = plan_referee.outputs(plan.data, values)
    return values, result, operators(plan)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("axis", [1, 3, -2])
def test_many_inputs_are_joined_in_several_steps(axis: int, count: int) -> None:
    values, result, steps = _found(_joined(axis, count))
    np.testing.assert_array_equal(result, np.concatenate([values] * count, axis))
    assert steps == ["concatenate"] * (count // 2) or (count, steps) == (1, ["reshape"])


@pytest.mark.parametrize("kind", ["PAD", "PADV2"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_pad_adds_zeros(kind: str, dtype: str) -> None:
    amounts = np.array([[0, 0], [1, 2], [0, 3], [4, 0]], np.int32)
    zero = 3 if dtype == "int8" else 0
    constants = [amounts] + [np.array([zero], dtype)] * (kind == "PADV2")
    file = _moved(kind, constants, (1, 6, 7, 6), dtype=dtype)
    values, result, steps = _found(file, dtype=dtype)
    np.testing.assert_array_equal(result, np.pad(values, amounts, constant_values=zero))
    assert steps == ["pad"]


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 3, 2, 1), (0, 1, 2, 3)])
def test_a_transpose_leaves_the_samples(order: tuple[int, ...]) -> None:
    result_shape = tuple(SHAPE[axis] for axis in order)
    values, result, steps = _found(_moved("TRANSPOSE", [np.array(order, np.int32)], result_shape))
    np.testing.assert_array_equal(result, values.transpose(order))
    assert steps == ["transpose"]


@pytest.mark.parametrize("kind", ["EXPAND_DIMS", "SQUEEZE"])
def test_axes_of_one_are_a_reshape(kind: str) -> None:
    values, result, steps = _found(_moved(kind, [np.array(1, np.int32)], (1, 1, 3, 4, 2)))
    np.testing.assert_array_equal(result, values[:, np.newaxis])
    assert steps == ["reshape"]


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1), (-2, -3), (1, 2)])
def test_a_mean_of_any_order_of_axes(axes: tuple[int, ...]) -> None:
    file = reduced("MEAN", SHAPE, axes, (0.5, 3), (0.25, -3), keep=0 not in axes)
    plan = convert_plan(file, ["last"], "float").data
    (step,) = plan_referee.read(plan).steps
    assert (step.operator, step.parameters[:2]) == ("mean", bytes((0, 2)))


def test_a_mean_of_one_value_is_a_reshape() -> None:
    values, result, steps = _found(
        reduced("MEAN", (1, 1, 4, 2), (1,), (0.5, 3), (0.5, 3)), (1, 1, 4, 2)
    )
    np.testing.assert_array_equal(result, values[:, 0])
    assert steps == ["reshape"]


def test_only_a_max_pool_with_relu6_has_a_rounding() -> None:
    """relu6 ends at a byte that kernels round in two ways."""
    for kind, fused, rounding in (
        ("MAX_POOL_2D", 1, None),
        ("MAX_POOL_2D", 3, "float"),
        ("AVERAGE_POOL_2D", 3, None),
    ):
        file = pool(kind, Geometry((4, 4), (2, 2)), 3, (0.5, 3), fused)
        assert convert_plan(file, ["last"], "float").rounding == rounding


def _grouped() -> Converted:
    return _convolved(Geometry((5, 5), (3, 3)), weights=(4, 3, 3, 2))


def _convolved(
    geometry: Geometry,
    *,
    weights: tuple[int, ...],
    kind: str = "CONV_2D",
    fused: int = 0,
    result: tuple[int, ...] | None = None,
) -> Converted:
    """A float32 convolution of 4 channels."""
    build = tflite_kit.Builder()
    x = build.tensor((1, *geometry.sides, 4), "float32")
    y = build.tensor(result or (1, *geometry.outputs(), 4), "float32")
    constant = build.constant(np.ones(weights, np.float32))
    options = {"strideH": geometry.strides[0], "strideW": geometry.strides[1]}
    options |= {"dilationHFactor": geometry.dilations[0], "dilationWFactor": geometry.dilations[1]}
    options |= {"padding": geometry.padding, "fusedActivationFunction": fused}
    return build.file(x, build.step(kind, [x, constant], y, **options))


ONE = Geometry((5, 5), (1, 1))
FAR = "too far apart"
TWO_ZEROS = np.zeros((4, 2), np.int32)
SAMPLES = np.array([[1, 0], [0, 0], [0, 0], [0, 0]], np.int32)
LONG = np.array([[0, 0], [256, 0], [0, 0], [0, 0]], np.int32)
REFUSED: dict[str, tuple[Callable[[], Converted], str]] = {
    "groups": (_grouped, r"\(CONV_2D\) .* it has groups, each of 2 of its 4 channels"),
    "no multiple": (
        lambda: _convolved(ONE, weights=(1, 1, 1, 6), kind="DEPTHWISE_CONV_2D"),
        r"\(DEPTHWISE_CONV_2D\) .* its 6 channels are no multiple of 4",
    ),
    "tanh": (
        lambda: _convolved(ONE, weights=(4, 1, 1, 4), fused=4),
        "a plan fuses only relu and relu6",
    ),
    "other output": (
        lambda: _convolved(ONE, weights=(4, 1, 1, 4), result=(1, 4, 5, 4)),
        r"its output has the shape \(4, 5, 4\)",
    ),
    "long steps": (
        lambda: _convolved(Geometry((600, 5), (1, 1), (256, 1)), weights=(4, 1, 1, 4)),
        "above 255",
    ),
    "large pool": (
        lambda: pool("MAX_POOL_2D", Geometry((256, 1), (256, 1), padding=VALID), 1, None),
        "above 255",
    ),
    "large padding": (
        lambda: _convolved(Geometry((600, 1), (513, 1)), weights=(4, 513, 1, 4)),
        "above 255",
    ),
    "parted axes": (
        lambda: reduced("MEAN", SHAPE, (1, 3), (0.5, 3), (0.5, 3)),
        r"\(MEAN\) .* averages the axes \[0, 2\], which do not follow each other",
    ),
    "long mean": (
        lambda: reduced("MEAN", (1, 65_537, 1), (1,), (0.5, 3), (0.5, 3)),
        "it averages more than 65,536 values",
    ),
    "coarse mean": (lambda: reduced("MEAN", SHAPE, (1, 2), (0.5, 3), (513.0, 3)), FAR),
    "fine mean": (lambda: reduced("MEAN", SHAPE, (1, 2), (4.0, 3), (0.5, 3)), FAR),
    "mean of samples": (
        lambda: reduced("MEAN", SHAPE, (0,), (0.5, 3), (0.25, 3)),
        "it averages no axis",
    ),
    "largest channel": (
        lambda: reduced("REDUCE_MAX", SHAPE, (3,), (0.5, 3), (0.5, 3)),
        r"\(REDUCE_MAX\) .* the largest value along the axes \[2\]",
    ),
    "joined scales": (lambda: _joined(1, 2, scale=0.25), "it changes the scale"),
    "joined samples": (lambda: _joined(0, 2), r"\(CONCATENATION\) .* it joins samples"),
    "joined and cut": (lambda: _joined(1, 2, fused=1), "a plan fuses no activation in it"),
    "pad of ones": (
        lambda: _moved("PADV2", [TWO_ZEROS, np.array([4], np.int8)], SHAPE),
        r"\(PADV2\) .* a plan's pad adds only zeros",
    ),
    "pad of samples": (lambda: _moved("PAD", [SAMPLES], (2, 3, 4, 2)), "it adds samples"),
    "long pad": (lambda: _moved("PAD", [LONG], (1, 259, 4, 2)), "more than 255 values before"),
    "padded scale": (
        lambda: _moved("PAD", [TWO_ZEROS], SHAPE, scales=(0.5, 0.25)),
        "it changes the scale",
    ),
    "moved samples": (
        lambda: _moved("TRANSPOSE", [np.array([1, 0, 2, 3], np.int32)], (3, 1, 4, 2)),
        "it moves the axis of samples",
    ),
    "mirrored": (
        lambda: _moved("MIRROR_PAD", [TWO_ZEROS], SHAPE),
        r"\(MIRROR_PAD\) .* a plan has no such operator",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused_by_the_name_of_their_layer(name: str) -> None:
    build, problem = REFUSED[name]
    with pytest.raises(UnsupportedLayer, match=rf"layer 'last' .*{problem}"):
        convert_plan(build(), ["last"], "float")


def test_an_operator_of_no_known_layer_is_refused_by_its_kind() -> None:
    with pytest.raises(UnsupportedLayer, match=r"^an operator \(CONV_2D\) cannot be written"):
        convert_plan(_grouped(), [""], "float")


@pytest.mark.parametrize("depthwise", [False, True])
def test_int8_sums_that_the_format_cannot_hold_are_refused(depthwise: bool) -> None:
    random = np.random.default_rng(1)
    geometry = Geometry((300, 300), (257, 256), padding=SAME)
    file = convolution(random, geometry, 1, 1, depthwise=depthwise)
    with pytest.raises(UnsupportedLayer, match="could overflow"):
        convert_plan(file, ["last"], "float")
