"""The ways to quantize a model: ranges, float layers, balanced scales, int16; and the ranking."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export.errors import ConversionError, NothingToEqualize
from strop_export.figures import MOST_DB
from strop_export.formats import Conversions, Names, Quantization, VariantSpec, convert, quiet
from strop_export.formats.flatbuffer import TFLiteFile
from strop_export.formats.ranking import worst_channel_db
from strop_export.formats.samples import spread

with quiet():
    import keras
    import tensorflow as tf

    from strop_export.formats.channels import find_links

layers = keras.layers
FORMATS = ("tflite", "onnx")
INT8 = VariantSpec("tflite", "int8")


def _mixed(format: str, *float_layers: str) -> VariantSpec:
    return VariantSpec(format, "mixed", quantization=Quantization(float_layers=float_layers))


def _with(format: str, **how: Any) -> VariantSpec:
    return VariantSpec(format, "int8", quantization=Quantization(**how))


def _samples(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


@functools.cache
def outliers() -> Conversions:
    """Four units of the first layer are 1000 times the others; the second layer undoes it."""
    keras.utils.set_random_seed(5)
    first, second = layers.Dense(16, "relu", name="first"), layers.Dense(16, "relu", name="second")
    last = layers.Dense(3, "softmax", name="last")
    model = keras.Sequential([keras.Input((8,)), first, second, last])
    scale = np.where(np.arange(16) < 4, 1000, 1).astype(np.float32)
    first.set_weights([weights * scale for weights in first.get_weights()])
    kernel, bias = second.get_weights()
    second.set_weights([kernel / scale[:, np.newaxis], bias])
    return Conversions(model, [_samples(100, 8)])


@functools.cache
def columns() -> Conversions:
    """Columns of very different sizes; the first layer brings them to one."""
    keras.utils.set_random_seed(5)
    scale = np.array([1, 10, 100, 1000], np.float32)
    first = layers.Dense(8, "relu", name="first")
    stack = [keras.Input((4,)), first, layers.Dense(8, "relu", name="second")]
    model = keras.Sequential([*stack, layers.Dense(12, name="last")])
    kernel, bias = first.get_weights()
    first.set_weights([kernel / scale[:, np.newaxis], bias])
    return Conversions(model, [_samples(100, 4) * scale])


def _db(made: Conversions, spec: VariantSpec) -> float:
    """Compare a file with Keras."""
    (samples,), (ours,) = made.held_out, made.answers(spec)
    return worst_channel_db(np.asarray(made.model(samples)), ours)


@pytest.mark.parametrize("format", FORMATS)
def test_balanced_scales_mend_outliers(format: str) -> None:
    plain, balanced = _with(format), _with(format, equalized=True)
    assert _db(outliers(), plain) < 12
    assert _db(outliers(), balanced) > 25
    found = outliers().convert(balanced)
    assert ("first", "second") in found.equalized
    assert len(found.data) == len(outliers().convert(plain).data)


@pytest.mark.parametrize("format", FORMATS)
def test_a_layer_in_float_mends_columns(format: str) -> None:
    plain, mixed = VariantSpec(format, "int8"), _mixed(format, "first")
    assert _db(columns(), plain) < 5
    assert _db(columns(), mixed) > 25
    found = columns().convert(mixed)
    assert "first" in found.float_layers
    assert "first" not in columns().convert(plain).float_layers
    whole = columns().convert(plain).integer_share
    assert found.integer_share is not None
    assert whole is not None
    assert 0 < found.integer_share < whole <= 1


@pytest.mark.parametrize("format", FORMATS)
def test_the_ranking_finds_the_layer(format: str) -> None:
    worst, *others = columns().ranking(VariantSpec(format, "int8"))
    assert (worst.layer, worst.operations) == ("first", 4 * 8)
    assert worst.weights in (4 * 8, 4 * 8 + 8)  # with the biases, or not
    assert worst.damage_db < 5
    assert others
    assert all(layer.damage_db > 25 for layer in others)


def test_only_int8_and_mixed_files_are_ranked() -> None:
    with pytest.raises(ConversionError, match="not for dynamic"):
        columns().ranking(VariantSpec("tflite", "dynamic"))


@pytest.mark.parametrize("format", FORMATS)
def test_float_layers_are_layers_of_the_file(format: str) -> None:
    with pytest.raises(ConversionError, match="of the layer 'frist', .* first, second, last"):
        columns().convert(_mixed(format, "frist"))
    with pytest.raises(ConversionError):
        columns().convert(_mixed(format, "first", "second", "last"))


def test_a_mixed_file_multiplies_integers() -> None:
    """A concatenation in integers before a layer in float only costs time."""
    given = [keras.Input((4,), name="left"), keras.Input((4,), name="right")]
    model = keras.Model(given, layers.Dense(12, name="only")(layers.Concatenate()(given)))
    with pytest.raises(ConversionError, match="no layer of the mixed tflite file multiplies"):
        convert(model, _mixed("tflite", "only"), [_samples(20, 4)] * 2, Names(("left", "right")))


@pytest.mark.parametrize("format", FORMATS)
def test_a_mixed_file_takes_bytes_where_its_first_layer_is_float(format: str) -> None:
    keras.utils.set_random_seed(5)
    stack = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(24, "relu", name="first")]
    stack += [layers.Dense(16, "relu"), layers.Dense(12)]
    model = keras.Sequential([keras.Input((6, 5)), *stack])
    pictures = np.random.default_rng(1).integers(0, 201, (60, 6, 5)).astype(np.uint8)
    made = Conversions(model, [pictures])
    (source,) = made.convert(_mixed(format, "first")).inputs
    assert (source.dtype, source.scale, source.zero_point) == ("uint8", 1.0, 0)
    (ours,) = made.answers(_mixed(format, "first"))
    assert worst_channel_db(np.asarray(model(pictures.astype(np.float32))), ours) > 25


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("ranges", ["percentile", "entropy"])
def test_rare_values_do_not_widen_such_ranges(format: str, ranges: str) -> None:
    keras.utils.set_random_seed(5)
    stack = [layers.Dense(32, "relu"), layers.Dense(32, "relu"), layers.Dense(12)]
    model = keras.Sequential([keras.Input((16,)), *stack])
    calibration = _samples(2000, 16)
    calibration[7, 3] = 300.0
    made = Conversions(model, [calibration], held_out=[_samples(200, 16)])
    assert _db(made, _with(format, ranges=ranges)) > _db(made, _with(format)) + 2


def test_some_samples_lie_evenly_apart() -> None:
    (found,) = spread([np.arange(10)], 4)
    assert found.tolist() == [0, 2, 5, 7]
    assert spread([np.arange(10)], 11)[0].tolist() == list(range(10))
    few = convert(columns().model, INT8, spread(columns().calibration, 10))
    assert columns().convert(_with("tflite", samples=10)).data == few.data


def test_int16_activations_are_finer_and_take_the_sensor_s_type() -> None:
    int16 = VariantSpec("tflite", "int16x8")
    assert _db(columns(), int16) > _db(columns(), INT8) + 4
    found = columns().convert(int16)
    assert found.inputs[0].dtype == "float32"
    assert found.integer_share
    assert TFLiteFile(found.data).is_of("int16x8")
    assert not TFLiteFile(columns().convert(INT8).data).is_of("int16x8")


def test_an_int16_operator_that_no_kernel_computes_is_named() -> None:
    stack = [layers.Dense(8), layers.LayerNormalization(), layers.Dense(4)]
    model = keras.Sequential([keras.Input((6, 4)), *stack])
    with pytest.raises(ConversionError, match="no kernel for the operator SQUARED_DIFFERENCE"):
        convert(model, VariantSpec("tflite", "int16x8"), [_samples(20, 6, 4)])


def test_float_operators_read_no_rounded_floats() -> None:
    """A float layer before a softmax that stays float has nothing to round between them."""
    keras.utils.set_random_seed(5)
    stack = [layers.Dense(16, "relu"), layers.Dense(12, name="last"), layers.Softmax()]
    model = keras.Sequential([keras.Input((8,)), *stack])
    file = TFLiteFile(convert(model, _mixed("tflite", "last"), [_samples(50, 8)]).data)
    assert file.operators == [
        *("QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE", "FULLY_CONNECTED", "SOFTMAX")
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_files_do_not_depend_on_those_made_before(format: str) -> None:
    for spec in (VariantSpec(format, "int8"), _with(format, equalized=True)):
        made = outliers().convert(spec)
        assert made == convert(outliers().model, spec, outliers().calibration)


def test_trials_share_one_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Conversions(columns().model, columns().calibration)
    real, calls = tf.lite.TFLiteConverter.from_keras_model, []

    def counted(model: Any) -> Any:
        calls.append(model)
        return real(model)

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_keras_model", counted)
    made.convert(INT8)
    made.ranking(INT8)
    made.convert(_with("tflite", ranges="percentile"))
    made.convert(_mixed("tflite", "first"))
    assert len(calls) == 1


def test_the_worst_channel_counts() -> None:
    truth = np.random.default_rng(2).normal(size=(400, 3)) * [1, 5000, 1e-6] + [0, 500, 3]
    noise = np.random.default_rng(4).normal(size=(400, 3))
    assert worst_channel_db(truth, truth + 0.1 * noise * [0, 1, 0]) > 75
    assert worst_channel_db(truth, truth + 0.1 * noise * [1, 0, 0]) == pytest.approx(20, abs=1)
    assert worst_channel_db(truth, truth + 0.1 * noise * [0, 0, 1]) == MOST_DB  # it is constant
    assert worst_channel_db(truth[:, 2:], truth[:, 2:] + 0.3) == pytest.approx(20, abs=0.1)
    assert worst_channel_db(truth, truth) == MOST_DB
    assert worst_channel_db(truth, truth * np.nan) == -MOST_DB


def test_a_class_that_is_never_likely_does_not_count() -> None:
    likely = np.random.default_rng(2).uniform(0, 1, 400)
    truth = np.stack([likely, 1 - likely - 1e-5 * likely**2, 1e-5 * likely**2], axis=1)
    assert worst_channel_db(truth, truth * [1, 1, 0]) == MOST_DB


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (lambda: _with("tflite", ranges="best"), "no ranges 'best'; choose minmax, percentile"),
        (lambda: _with("tflite", samples=0), "`samples` must be a positive integer, got 0"),
        (
            lambda: replace(_with("tflite", ranges="entropy"), precision="int16x8"),
            "ask for minmax ranges, not entropy",
        ),
        (
            lambda: replace(_with("tflite", equalized=True), precision="dynamic"),
            "a dynamic file has no calibrated ranges",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        spec()


def test_nothing_to_balance_is_an_error_of_its_own() -> None:
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8, "tanh"), layers.Dense(4)])
    assert find_links(model) == []
    with pytest.raises(NothingToEqualize):
        convert(model, _with("tflite", equalized=True), [_samples(20, 8)])
    model.layers[0].activation = keras.activations.relu
    assert find_links(model) != []
