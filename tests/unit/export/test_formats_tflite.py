"""Keras to .tflite, on models of several kinds."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from strop import engines
from strop.bundle.manifest import FileTensor
from strop.diagnostics import probe_models
from strop_export.errors import ConversionError
from strop_export.formats import Converted, VariantSpec, convert, quiet
from strop_export.formats.flatbuffer import TFLiteFile
from tests.environments import ROOT, run
from tests.unit.export.formats_kit import KINDS, converted, expected, model, run_tflite, samples
from tests.unit.runtime import gpus

# The tolerance of each precision against Keras, with random weights and outputs of size 1.
TOLERANCE = {"float32": 1e-5, "float16": 5e-3, "dynamic": 0.05, "int8": 0.05}
# Only larger layers are written in dynamic precision, and only mlp has one.
CASES = [(k, p) for p in TOLERANCE for k in KINDS if p != "dynamic" or k == "mlp"]


@pytest.mark.parametrize(("kind", "precision"), CASES)
def test_outputs_are_those_of_keras(kind: str, precision: str) -> None:
    outputs = run_tflite(converted(kind, "tflite", precision).data, samples(kind))
    np.testing.assert_allclose(outputs, expected(kind), atol=TOLERANCE[precision])


@pytest.mark.parametrize(("kind", "precision"), CASES)
def test_input_and_output_are_as_described(kind: str, precision: str) -> None:
    file = converted(kind, "tflite", precision)
    with quiet():
        interpreter = Interpreter(model_content=file.data)
    for info, details in zip(
        (*file.inputs, *file.outputs),
        (*interpreter.get_input_details(), *interpreter.get_output_details()),
        strict=True,
    ):
        scale, zero_point = details["quantization"]
        assert info == FileTensor(
            details["name"],
            (None, *map(int, details["shape"][1:])),
            np.dtype(details["dtype"]).name,
            *((scale, zero_point) if scale else (None, None)),
        )
    assert file.inputs[0].name == "image"
    assert file.outputs[0].name == "probabilities"
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["image"], "outputs": ["probabilities"]}
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_signature_runs(kind: str) -> None:
    with quiet():
        interpreter = Interpreter(model_content=converted(kind, "tflite", "float32").data)
    runner = interpreter.get_signature_runner("serving_default")
    outputs = runner(image=samples(kind)[:1].astype(np.float32))
    np.testing.assert_allclose(outputs["probabilities"], expected(kind)[:1], atol=1e-5)


@pytest.mark.parametrize("kind", ["vector", "cnn", "linear", "table"])
def test_a_file_that_would_be_float32_all_through_is_not_called_dynamic(kind: str) -> None:
    with pytest.raises(ConversionError, match="left every operator of the dynamic file in float32"):
        converted(kind, "tflite", "dynamic")


def test_int8_takes_bytes_where_the_sensor_gives_bytes() -> None:
    """The samples stop at 200: a calibrated scale would be 200 / 255."""
    (source,) = converted("mlp", "tflite", "int8").inputs
    assert (source.dtype, source.scale, source.zero_point) == ("uint8", 1.0, 0)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_bytes_go_to_the_first_layer_through_one_operator(kind: str) -> None:
    first, second, *_ = TFLiteFile(converted(kind, "tflite", "int8").data).operators
    assert (first, second) == ("QUANTIZE", {"mlp": "FULLY_CONNECTED", "cnn": "CONV_2D"}[kind])


def test_int8_takes_floats_where_the_sensor_gives_floats() -> None:
    (source,) = converted("vector", "tflite", "int8").inputs
    assert (source.dtype, source.scale) == ("float32", None)


@pytest.mark.parametrize(
    ("kind", "tail"),
    [
        ("mlp", ["FULLY_CONNECTED", "LOGISTIC"]),  # the last layer is small beside the rest
        ("vector", ["SOFTMAX"]),
        ("cnn", ["SOFTMAX"]),
        ("linear", []),
    ],
)
def test_int8_ends_in_float(kind: str, tail: list[str]) -> None:
    operators = TFLiteFile(converted(kind, "tflite", "int8").data).operators
    assert operators[operators.index("DEQUANTIZE") + 1 :] == tail


def test_a_large_last_layer_stays_int8() -> None:
    with quiet():
        import keras

        wide = keras.Sequential([keras.Input((20,)), keras.layers.Dense(600, "softmax")])
    inputs = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    file = convert(wide, VariantSpec("tflite", "int8"), [inputs])
    operators = ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE", "SOFTMAX"]
    assert TFLiteFile(file.data).operators == operators
    assert len(file.data) < 20 * 600 * 2


def test_flattening_for_a_dense_layer_takes_no_operator() -> None:
    assert "RESHAPE" not in TFLiteFile(converted("mlp", "tflite", "float32").data).operators
    assert "RESHAPE" not in TFLiteFile(converted("cnn", "tflite", "float32").data).operators


@pytest.mark.parametrize("kind", KINDS)
def test_one_file_takes_any_batch_by_resizing(kind: str) -> None:
    with quiet():
        interpreter = Interpreter(model_content=converted(kind, "tflite", "float32").data)
    inputs = samples(kind).astype(np.float32)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], inputs.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
    interpreter.invoke()
    outputs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(outputs, expected(kind), atol=1e-5)


class TestForAGpu:
    """LiteRT's GPU needs its RESHAPE; bytes are a quarter of the transfer."""

    @pytest.mark.parametrize("precision", ["float32", "float16"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_outputs_are_those_of_keras_on_a_cpu(self, kind: str, precision: str) -> None:
        file = converted(kind, "tflite", precision, gpu=True)
        outputs = run_tflite(file.data, samples(kind))
        np.testing.assert_allclose(outputs, expected(kind), atol=TOLERANCE[precision])
        assert file.inputs[0].dtype == samples(kind).dtype

    @pytest.mark.parametrize("kind", ["mlp", "cnn"])
    def test_bytes_are_widened_first_and_flattened_by_an_operator(self, kind: str) -> None:
        operators = TFLiteFile(converted(kind, "tflite", "float32", gpu=True).data).operators
        assert operators[0] == "CAST"
        assert operators.count("RESHAPE") == 1

    def test_floats_are_left_as_they_are(self) -> None:
        file = converted("vector", "tflite", "float32", gpu=True)
        assert "CAST" not in TFLiteFile(file.data).operators


@functools.cache
def shaper(kind: str) -> Any:
    """A model with a RESHAPE between its layers, whose constant names the batch."""
    with quiet():
        import keras
    keras.utils.set_random_seed(7)
    layers = keras.layers
    stacks = {
        "reshape": [
            keras.Input((13,)),
            layers.Dense(7 * 7 * 4, "relu"),
            layers.Reshape((7, 7, 4), name="grid"),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.Reshape((14, 14, 1), name="finer"),
            layers.Conv2D(1, 3, padding="same", activation="relu"),
            layers.Reshape((7, 7, 4), name="grid_again"),
            layers.Conv2D(2, 3, activation="relu"),
        ],
        "conv1d": [
            keras.Input((20, 3)),
            layers.Conv1D(4, 3, activation="relu"),
            layers.MaxPooling1D(),
            layers.Conv1D(4, 3, activation="relu"),
        ],
    }
    return keras.Sequential([*stacks[kind], layers.Flatten(), layers.Dense(3, "softmax")])


def series(kind: str, n: int) -> np.ndarray[Any, Any]:
    shape = (n, *shaper(kind).input_shape[1:])
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def reshaped(kind: str, precision: str, *, gpu: bool) -> Converted:
    spec = VariantSpec("tflite", precision, gpu=gpu)
    return convert(shaper(kind), spec, [series(kind, 50)])


class TestAnyBatch:
    """Shapes between the layers must not fix the batch: a GPU's file keeps its RESHAPEs."""

    @pytest.mark.parametrize("precision", ["float32", "float16"])
    @pytest.mark.parametrize("kind", ["reshape", "conv1d"])
    def test_five_at_once_are_five_in_turn(self, kind: str, precision: str) -> None:
        file, inputs = reshaped(kind, precision, gpu=True), series(kind, 5)
        with quiet():
            interpreter = Interpreter(model_content=file.data)
        (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.resize_tensor_input(source["index"], inputs.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], inputs)
        interpreter.invoke()
        outputs = interpreter.get_tensor(result["index"])
        np.testing.assert_allclose(outputs, run_tflite(file.data, inputs), atol=1e-6)
        np.testing.assert_allclose(outputs, shaper(kind)(inputs), atol=TOLERANCE[precision])

    @pytest.mark.parametrize("kind", ["reshape", "conv1d"])
    def test_no_reshape_is_less_or_more_for_it(self, kind: str) -> None:
        operators = TFLiteFile(reshaped(kind, "float32", gpu=True).data).operators
        without = TFLiteFile(reshaped(kind, "float32", gpu=False).data).operators
        assert operators.count("RESHAPE") == without.count("RESHAPE") + 1  # the flattening

    @pytest.mark.parametrize("kind", ["reshape", "conv1d"])
    def test_so_it_is_on_a_software_gpu(self, kind: str, tmp_path: Path) -> None:
        variables, file = gpus.software(), reshaped(kind, "float32", gpu=True)
        (tmp_path / "m.tflite").write_bytes(file.data)
        np.save(tmp_path / "inputs.npy", series(kind, 5))
        script = ON_GPU.format(inputs=file.inputs, outputs=file.outputs)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "runtime" / "src"), **variables}
        run(sys.executable, "-B", "-c", script, env=environment, cwd=tmp_path)
        outputs = np.load(tmp_path / "outputs.npy")
        np.testing.assert_allclose(outputs, shaper(kind)(series(kind, 5)), atol=1e-5)


class TestBatches:
    @pytest.mark.parametrize(("kind", "precision"), CASES)
    def test_a_session_gives_a_batch_what_it_gives_single_samples(
        self, kind: str, precision: str
    ) -> None:
        file, inputs = converted(kind, "tflite", precision), samples(kind)
        many = np.concatenate([inputs] * 3)  # more than run at once
        session = _session(file)
        assert session.batch is None
        outputs = session.run(many)
        np.testing.assert_array_equal(outputs[:100], outputs[200:])
        np.testing.assert_allclose(outputs[:100], run_tflite(file.data, inputs), atol=1e-6)
        one = session.run(inputs[:1])
        np.testing.assert_allclose(one, outputs[:1], atol=1e-6)

    def test_what_is_not_known_to_go_by_rows_is_made_for_one(self) -> None:
        stack = [keras.Input((6, 3)), keras.layers.Cropping1D(1), keras.layers.Flatten()]
        model = keras.Sequential([*stack, keras.layers.Dense(2)])
        inputs = np.random.default_rng(0).normal(size=(40, 6, 3)).astype(np.float32)
        spec = VariantSpec("tflite", "float32")
        file = convert(model, spec, [inputs])
        assert "STRIDED_SLICE" in TFLiteFile(file.data).operators
        assert (file.inputs[0].shape, file.outputs[0].shape) == ((1, 6, 3), (1, 2))
        assert _session(file).batch == 1


def _session(file: Converted) -> Any:
    _, probe = probe_models.model("tflite")
    variant = probe._replace(inputs=file.inputs, outputs=file.outputs)
    return engines.get("litert").open(file.data, variant, device="cpu", threads=1)


ON_GPU = """
import numpy as np
from strop import engines
from strop.bundle.manifest import FileTensor
from strop.diagnostics import probe_models
_, probe = probe_models.model("tflite")
variant = probe._replace(inputs={inputs}, outputs={outputs})
opener = engines.get("litert")
session = opener.open(open("m.tflite", "rb").read(), variant, device="gpu", threads=1)
samples = np.load("inputs.npy")
one, all = session.run(samples[:1]), session.run(samples)
np.testing.assert_allclose(one, all[:1], atol=1e-6)
np.save("outputs.npy", all)
session.close()
"""


@pytest.mark.parametrize("precision", TOLERANCE)
def test_weights_are_aligned_as_the_schema_says(precision: str) -> None:
    """flatbuffers' generated Python ignores force_align: 16."""
    data = converted("mlp", "tflite", precision).data
    file = schema.Model.GetRootAs(data)
    starts = []
    for i in range(file.BuffersLength()):
        buffer = file.Buffers(i)
        if not buffer.DataIsNone():
            field = buffer._tab.Offset(4)
            starts.append(buffer._tab.Vector(field))
    assert len(starts) >= 6
    assert [start % 16 for start in starts] == [0] * len(starts)


def test_one_scale_per_channel_or_one_for_all() -> None:
    def scales(per_channel: bool) -> int:
        file = schema.Model.GetRootAs(converted("mlp", "tflite", "int8", per_channel).data)
        graph = file.Subgraphs(0)
        tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
        (first,) = [t for t in tensors if list(t.ShapeAsNumpy()) == [40, 30]]
        return int(first.Quantization().ScaleLength())

    assert scales(per_channel=True) == 40
    assert scales(per_channel=False) == 1


def test_the_model_is_left_as_it_was() -> None:
    before = [weights.copy() for weights in model("mlp").get_weights()]
    converted("mlp", "tflite", "int8")
    for old, new in zip(before, model("mlp").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
