"""The error of each tensor against its float twin, and the layer where a file breaks."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export.errors import ConversionError
from strop_export.formats import Conversions, Converted, Names, Quantization, VariantSpec, convert
from strop_export.layer_errors.culprit import Culprit, culprit
from strop_export.layer_errors.figures import MOST_DB, Comparison, Figures
from strop_export.layer_errors.measure import TensorError
from strop_export.layer_errors.of_model import errors_of, layer_errors
from strop_export.layer_errors.opened import Grid
from tests.unit.export import formats_kit as kit
from tests.unit.export import source_kit
from tests.unit.export.source_kit import chain, dense, floats, keras

layers = keras.layers
INT8 = [VariantSpec("tflite", "int8"), VariantSpec("onnx", "int8")]
BORDERS = Names(("input",), ("scores",))


def compared(real: Any, found: Any, axis: int = -1) -> Figures:
    sums = Comparison(axis)
    for f, v in zip(np.asarray(real, np.float32), np.asarray(found, np.float32), strict=True):
        sums.add(f, v)
    figures = sums.figures()
    assert figures
    return figures


def test_a_ruined_small_channel_shows_beside_a_large_one() -> None:
    real = np.random.default_rng(0).normal(size=(200, 2)) * [1000, 1]
    found = real * [1, 0]  # the small one is gone
    figures = compared(real, found)
    assert figures.sqnr_db
    assert figures.sqnr_db > 55
    assert figures.channels_db == pytest.approx(3.0, abs=0.1)  # half of the channels
    assert figures.worst_db == pytest.approx(0, abs=0.1)
    assert figures.cosine == pytest.approx(1, abs=1e-4)
    assert figures.max_error == pytest.approx(np.abs(real[:, 1]).max(), rel=1e-3)


def test_a_channel_that_hardly_varies_does_not_count() -> None:
    varied = np.random.default_rng(0).normal(size=(100, 3))
    real = np.concatenate([varied, np.full((100, 1), 5.0)], axis=1)
    found = real + np.array([0, 0, 0, 3])
    assert compared(real, found).worst_db == MOST_DB


def test_channels_lie_along_the_axis_that_is_asked_for() -> None:
    real = np.random.default_rng(0).normal(size=(10, 1, 3, 4, 5))  # (N, 1, C, H, W)
    found = real.copy()
    found[:, :, 1] = 0
    assert compared(real, found, axis=1).median_db == MOST_DB
    assert compared(real, found, axis=-1).median_db != MOST_DB


def test_an_overflow_is_the_worst_and_what_was_not_finite_before_is_no_error() -> None:
    real = np.random.default_rng(0).normal(size=(50, 2))
    assert compared(real, real * [1, np.inf]).worst_db == -MOST_DB
    real[3, 0] = np.nan
    assert compared(real, np.nan_to_num(real)).worst_db == MOST_DB


def test_a_mask_that_hides_a_value_in_both_is_no_error() -> None:
    real = np.random.default_rng(0).normal(size=(50, 2))
    found = real.copy()
    real[::2, 0], found[::2, 0] = -2e38, -np.inf
    assert compared(real, found).worst_db == MOST_DB
    found[0, 0] = np.nan  # it hides nothing
    assert compared(real, found).worst_db == -MOST_DB
    real[:, 0] = -7e4  # no mask: it is too large for float16
    assert compared(real, real * [np.inf, 1]).max_error > 1e38


def test_masked_attention_has_figures(tmp_path: Path) -> None:
    given = keras.Input((8, 16))
    x = layers.MultiHeadAttention(2, 8, name="att")(given, given, use_causal_mask=True)
    model = keras.Model([given], [layers.Dense(3, name="last")(x)])
    source = source_kit.read(tmp_path, model, {"inputs": floats(8, 16)})
    with source_kit.converting(source, tmp_path) as converter:
        for format in ("tflite", "onnx"):
            found = converter.layer_errors(VariantSpec(format, "float16"))
            assert {"att", "last"} <= {error.layer for error in found}
            assert culprit(found) is None
            ratios = [e.total.worst_db for e in found if e.layer == "att"]  # None: the mask alone
            assert all(ratio is None or ratio > 20 for ratio in ratios)


def test_a_grid_rounds_to_what_the_tensor_can_hold() -> None:
    byte = Grid(np.dtype(np.int8), np.array([0.5]), np.array([-128.0]))
    assert byte.rounded(np.array([-1, 0.2, 0.3, 500], np.float32)).tolist() == [0, 0, 0.5, 127.5]
    rows = Grid(np.dtype(np.int8), np.array([1.0, 0.1]), np.zeros(2), axis=0)
    assert rows.real(np.array([[3], [3]], np.int8)).ravel() == pytest.approx([3, 0.3])
    half = Grid(np.dtype(np.float16), np.ones(1), np.zeros(1))
    assert half.rounded(np.array([1e6], np.float32)).tolist() == [np.inf]


def test_a_grid_clips_only_what_lies_outside_of_its_range() -> None:
    byte = Grid(np.dtype(np.int8), np.array([0.5]), np.array([-128.0]))
    values = np.array([-1, 0.25, 500], np.float32)
    assert byte.clipped(values).tolist() == [0, 0.25, 127.5]
    rows = Grid(np.dtype(np.int8), np.array([1.0, 0.5]), np.zeros(2), axis=0)
    assert rows.clipped(np.array([[90.25], [90.25]], np.float32)).ravel().tolist() == [90.25, 63.5]
    half = Grid(np.dtype(np.float16), np.ones(1), np.zeros(1))
    assert half.clipped(np.array([1e-9, 1e6], np.float32)).tolist() == [np.float32(1e-9), np.inf]


@functools.cache
def outlier(scale: float) -> Any:
    """A stack whose unit 0 to 7 of "wide" are larger by `scale`, undone in "after"."""
    keras.utils.set_random_seed(3)
    model = chain(
        (20,),
        dense(64, "relu", name="wide"),
        dense(48, "relu", name="after"),
        dense(3, name="last"),
    )
    scales = np.where(np.arange(64) < 8, scale, 1.0)
    first, second = model.get_layer("wide"), model.get_layer("after")
    kernel, bias = first.get_weights()
    first.set_weights([kernel * scales, bias * scales])
    kernel, bias = second.get_weights()
    second.set_weights([kernel / scales[:, None], bias])
    return model


def errors(model: Any, spec: VariantSpec) -> tuple[TensorError, ...]:
    samples = [floats(*model.inputs[0].shape[1:])]
    return layer_errors(Conversions(model, samples, BORDERS), spec)


@pytest.mark.parametrize("spec", INT8, ids=str)
def test_the_layer_with_the_outliers_is_named(spec: VariantSpec) -> None:
    found = culprit(errors(outlier(1000.0), spec))
    assert found
    assert (found.layer, found.cause) == ("wide", "rounding")
    assert culprit(errors(outlier(1.0), spec)) is None


@pytest.mark.parametrize("spec", INT8, ids=str)
def test_a_layer_whose_calibrated_range_is_too_narrow_is_named(spec: VariantSpec) -> None:
    model = chain((20,), dense(16, name="narrow"), dense(3, name="last"))
    held_out = np.random.default_rng(2).uniform(-1, 1, (100, 20)).astype(np.float32)
    calibration = np.eye(20, dtype=np.float32)[np.arange(100) % 20] * np.sign(held_out)
    samples = [np.concatenate([held_out, np.repeat(calibration, 20, axis=0)])]
    model.get_layer("narrow").set_weights([np.full((20, 16), 0.1), np.zeros(16)])
    made = Conversions(model, [calibration], BORDERS, samples, unseen=100)
    found = culprit(layer_errors(made, spec))
    assert found
    assert (found.layer, found.cause) == ("narrow", "clipping")
    assert culprit(layer_errors(Conversions(model, [calibration], BORDERS), spec)) is None


@pytest.mark.parametrize(
    ("format", "precision", "how"),
    [
        ("tflite", "int8", Quantization(equalized=True)),
        ("onnx", "int8", Quantization(equalized=True)),
        ("tflite", "mixed", Quantization(float_layers=("wide",))),
        ("onnx", "mixed", Quantization(float_layers=("wide",))),
        ("tflite", "int16x8", Quantization()),
    ],
)
def test_every_way_to_quantize_has_figures(format: str, precision: str, how: Quantization) -> None:
    found = errors(outlier(1000.0), VariantSpec(format, precision, quantization=how))
    assert {"wide", "after"} <= {error.layer for error in found}
    assert any(error.is_output for error in found)


def test_a_dynamic_file_breaks_by_its_weights() -> None:
    found = culprit(errors(outlier(1000.0), VariantSpec("tflite", "dynamic")))
    assert found
    assert (found.layer, found.cause) == ("after", "weights")


@pytest.mark.parametrize("kind", ["cnn", "table"])
@pytest.mark.parametrize(
    ("format", "precision"),
    [("tflite", p) for p in ("int8", "float16")] + [("onnx", p) for p in ("int8", "float16")],
)
def test_every_layer_with_weights_has_figures(kind: str, format: str, precision: str) -> None:
    model, samples = kit.model(kind), [kit.samples(kind)]
    spec = VariantSpec(format, precision)
    found = layer_errors(Conversions(model, samples, Names()), spec)
    weighty = {layer.name for layer in model.layers if hasattr(layer, "kernel")}
    assert weighty <= {error.layer for error in found}
    measured = {error.layer for error in found if error.weights}
    assert measured, "no layer's weights were measured"
    if precision == "float16":
        assert weighty <= measured
    (output,) = (error for error in found if error.is_output)
    assert output.total.channels_db
    assert output.total.channels_db > 20
    if precision == "int8":
        assert any(error.rounding for error in found)


def test_tensors_of_one_operator_have_names_of_their_own() -> None:
    inputs = keras.Input((6,))
    left, right = keras.ops.split(layers.Dense(6)(inputs), 2, axis=-1)
    model = keras.Model([inputs], [layers.Dense(2)(left * right)])
    file = convert(model, VariantSpec("tflite", "float32"), [floats(6)], BORDERS)
    assert sum("split" in name for name in file.origins) >= 2


def test_the_converter_s_process_measures_the_same(tmp_path: Path) -> None:
    source = source_kit.read(tmp_path, chain((4,), dense(3, name="only")), {"inputs": floats(4)})
    names = Names(
        tuple(spec.name for spec in source.inputs), tuple(spec.name for spec in source.outputs)
    )
    spec = VariantSpec("onnx", "float16")
    held_out = [array * 2 for array in source.calibration]
    here = Conversions(source.model, source.calibration, names, held_out, unseen=9)
    with source_kit.converting(source, tmp_path, held_out, unseen=9) as converter:
        found = converter.layer_errors(spec)
        assert found == layer_errors(here, spec)
    assert "only" in {error.layer for error in found}


def test_a_file_that_does_not_run_is_a_refusal() -> None:
    model, samples = outlier(1.0), [floats(20)]
    broken = Converted(b"not a file", (), ())
    with pytest.raises(ConversionError, match="error of each tensor of tflite int8"):
        errors_of(model, INT8[0], broken, broken, samples, BORDERS)


def figures(ratio: float) -> Figures:
    return Figures(ratio, 1.0, 0.1, ratio, ratio, ratio)


def tensor(name: str, total: float, own: float = 60, weights: float = 60) -> TensorError:
    is_output = name == "output"
    parts = (figures(total), figures(own), figures(weights))
    return TensorError(name, "dense", f"layer of {name}", "int8", is_output, *parts)


def clipped(name: str, total: float, own: float, clipping: float) -> TensorError:
    return tensor(name, total, own)._replace(clipping=figures(clipping))


def test_a_file_whose_outputs_are_good_has_no_culprit() -> None:
    assert culprit([tensor("a", 3, own=1), tensor("output", 30)]) is None


def test_the_last_tensor_that_varies_stands_for_a_constant_output() -> None:
    constant = tensor("output", 3)._replace(total=Figures(3.0, 1.0, 0.1, None, None, None))
    found = culprit([tensor("a", 3, own=1), constant])
    assert found
    assert found.tensor == "a"
    assert culprit([tensor("a", 30), constant]) is None
    assert culprit([]) is None


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ([tensor("a", 40), tensor("b", 5, own=2), tensor("c", 4)], ("b", "rounding", 2.0)),
        ([tensor("a", 40), clipped("b", 5, own=2, clipping=4)], ("b", "clipping", 2.0)),
        ([tensor("a", 40), clipped("b", 5, own=2, clipping=6)], ("b", "rounding", 2.0)),
        ([tensor("a", 9, own=9), tensor("b", 5, weights=2)], ("b", "weights", 2.0)),
        ([tensor("a", 5, own=4), tensor("b", 5, own=2)], ("a", "rounding", 4.0)),  # about the same
        ([tensor("a", 20, own=22), tensor("b", 14, own=22)], ("b", "sum", 14.0)),
    ],
)
def test_it_breaks_where_the_most_harm_is_done(
    before: list[TensorError], found: tuple[str, str, float]
) -> None:
    name, cause, ratio = found
    expected = Culprit(name, f"layer of {name}", cause, ratio)
    assert culprit([*before, tensor("output", 3)]) == expected
