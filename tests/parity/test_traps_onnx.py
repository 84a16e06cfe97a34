"""Each known trap between Keras and .onnx, tested on our own converter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime import quantization

from strop_export.formats import quiet
from tests.parity.haswell import run_on_haswell
from tests.parity.traps import Outputs, calibration, converted, disagreements, evaluation, ties

PRECISIONS = ["float32", "float16", "int8"]
BOUNDS = {"mnist-mlp": (12, 0.0005), "mnist-mlp-notebook": (25, 0.002)}  # flips, accuracy lost


@pytest.fixture(params=["edge_artifact", "notebook_artifact"])
def artifact(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def run_onnx(data: bytes, inputs: NDArray[np.uint8]) -> Outputs:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    dtype = np.uint8 if source.type == "tensor(uint8)" else np.float32
    outputs: Outputs = session.run(None, {source.name: inputs.astype(dtype)})[0]
    return outputs


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(data).graph.node]


def with_signed_weights(artifact: Path, folder: Path) -> bytes:
    """Quantize our float file with the defaults of quantize_static."""

    class Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
        feeds = iter([{"image": calibration(artifact).astype(np.float32)}])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self.feeds, None)

    with quiet():
        quantization.quantize_static(
            onnx.load_from_string(converted(artifact, "onnx", "float32").data),
            folder / "signed.onnx",
            Samples(),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8,
        )
    return (folder / "signed.onnx").read_bytes()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_keras_3_model_converts_under_our_names(artifact: Path, precision: str) -> None:
    """from_keras fails with KeyError: 'keras_tensor_..', from_function calls outputs Identity:0."""
    file = converted(artifact, "onnx", precision)
    graph = onnx.load_from_string(file.data).graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["image", "probabilities"]
    for leftover in (b"keras_tensor", b"Identity", b"sequential", b"tf2onnx"):
        assert leftover not in file.data


@pytest.mark.parametrize("precision", PRECISIONS)
def test_any_batch_is_taken(artifact: Path, precision: str) -> None:
    file = converted(artifact, "onnx", precision)
    assert file.inputs[0].shape == (None, 28, 28)
    images = evaluation(artifact)["inputs"]
    for batch in (1, 7):
        assert run_onnx(file.data, images[:batch]).shape == (batch, 10)


def test_int8_runs_in_integer_kernels(artifact: Path, tmp_path: Path) -> None:
    """from_tflite gives a QDQ graph that onnxruntime cannot fuse: 10 times slower than float."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    data = converted(artifact, "onnx", "int8").data
    with quiet():
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    fused = operators((tmp_path / "fused.onnx").read_bytes())
    assert fused[:4] == ["Reshape", "QGemm", "Max", "FusedGemm"]
    widening = {"Cast", "Mul", "QuantizeLinear", "DequantizeLinear"}
    assert not widening & set(fused)  # bytes in, floats out of the integer layer


def test_int8_ends_in_float_and_does_not_tie(artifact: Path) -> None:
    file = converted(artifact, "onnx", "int8")
    assert operators(file.data)[-2:] in (["Gemm", "Softmax"], ["Gemm", "Sigmoid"])
    outputs = run_onnx(file.data, evaluation(artifact)["inputs"])
    assert ties(outputs) <= ties(evaluation(artifact)["outputs"]) + 2


def test_int8_weights_are_unsigned(artifact: Path) -> None:
    graph = onnx.load_from_string(converted(artifact, "onnx", "int8").data).graph
    kinds = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) == 2}
    assert kinds == {onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT}  # float: the last layer


def test_int8_is_the_same_model_on_a_cpu_without_vnni(artifact: Path, tmp_path: Path) -> None:
    """Signed weights saturate there: 73 disagreements where a CPU with VNNI has 4."""
    images, labels, keras = (evaluation(artifact)[key] for key in ("inputs", "labels", "outputs"))
    files = {
        "ours": converted(artifact, "onnx", "int8").data,
        "trap": with_signed_weights(artifact, tmp_path),
    }
    there = run_on_haswell(files, images, tmp_path)
    here = run_onnx(files["ours"], images)

    allowed, loss = BOUNDS[artifact.name]
    for outputs in (here, there["ours"]):
        assert disagreements(outputs, artifact) <= allowed
        accuracy, expected = ((answer.argmax(1) == labels).mean() for answer in (outputs, keras))
        assert accuracy >= expected - loss
    assert (here.argmax(1) != there["ours"].argmax(1)).sum() <= 2
    # The emulated CPU does saturate, or this test would prove nothing.
    assert np.abs(there["trap"] - keras).max() > 2 * np.abs(there["ours"] - keras).max()
