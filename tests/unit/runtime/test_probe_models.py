"""The known model: each file read by the libraries its format belongs to, run by each engine."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop import engines
from strop.diagnostics import probe_models
from strop.diagnostics.probe_models import ANSWER, BIAS, KERNEL, SAMPLE
from tests.environments import ROOT, run
from tests.unit.runtime import gpus


def test_the_answer_is_that_of_the_dense_layer() -> None:
    np.testing.assert_array_equal(SAMPLE @ KERNEL + BIAS, ANSWER)


def test_no_order_of_adding_up_could_round() -> None:
    for dtype in (np.float16, np.float32):
        most = np.abs(SAMPLE) @ np.abs(KERNEL) + np.abs(BIAS)
        assert (most < 2 ** np.finfo(dtype).nmant).all()


def test_a_mix_up_of_rows_and_columns_would_show() -> None:
    """Every output has another column, and the kernel read across is another kernel."""
    assert len(np.unique(KERNEL, axis=1).T) == KERNEL.shape[1]
    across = KERNEL.reshape(KERNEL.T.shape).T
    assert not np.array_equal(SAMPLE @ across + BIAS, ANSWER)


@pytest.mark.parametrize("engine", ["litert", "onnx", "reference"])
def test_each_engine_of_this_environment_gives_the_answer(engine: str) -> None:
    opener = engines.get(engine)
    data, variant = probe_models.model(opener.format or "")
    session = opener.open(data, variant, device="cpu", threads=1)
    output = session.run(SAMPLE)
    np.testing.assert_array_equal(output, ANSWER)
    assert output.dtype == np.float32


def test_tflite_runtime_gives_the_answer(tflite_python: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'runtime' / 'src')!r})\n"
        "from strop import engines\n"
        "from strop.diagnostics import probe_models as p\n"
        "data, variant = p.model('tflite')\n"
        "session = engines.get('tflite').open(data, variant, device='cpu', threads=1)\n"
        "output = session.run(p.SAMPLE)\n"
        "assert (output == p.ANSWER).all(), output\n"
    )
    run(tflite_python, "-c", code)


GPU = """
import numpy as np
from strop import engines, probe_models as p
opener = engines.get({engine!r})
data, variant = p.model(opener.format)
session = opener.open(data, variant, device="gpu", threads=1)
output = session.run(p.SAMPLE)
assert np.array_equal(output, p.ANSWER), output
assert output.dtype == np.float32
session.close()
print(session.adapter)
"""


@pytest.mark.parametrize("engine", ["litert", "onnx"])
def test_each_engine_gives_the_answer_on_a_software_gpu(engine: str) -> None:
    variables = gpus.software()
    python = gpus.webgpu_python() if engine == "onnx" else sys.executable
    source = str(ROOT / "runtime" / "src")
    environment = {**os.environ, "PYTHONPATH": source, **variables}
    done = run(python, "-B", "-c", GPU.format(engine=engine), env=environment)
    assert done.stdout.endswith(", software\n")


def test_onnx_s_own_checker_finds_nothing_wrong() -> None:
    import onnx

    model = onnx.load_model_from_string(probe_models.onnx())
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 7
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)]
    (node,) = model.graph.node
    assert (node.op_type, list(node.input)) == ("Gemm", ["input", "kernel", "bias"])
    kernel, bias = map(onnx.numpy_helper.to_array, model.graph.initializer)
    np.testing.assert_array_equal(kernel, KERNEL)
    np.testing.assert_array_equal(bias, BIAS)


def test_protobuf_writes_the_same_message_again() -> None:
    """No field is unknown to it, none stands where it would not have put it."""
    import onnx

    model = onnx.load_model_from_string(probe_models.onnx())
    again = onnx.load_model_from_string(model.SerializeToString(deterministic=True))
    assert again == model
    assert len(model.SerializeToString()) <= len(probe_models.onnx())


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**62])
def test_varints_are_protobuf_s(value: int) -> None:
    import onnx

    data = probe_models._field(1, value)  # its first field is the IR version, a varint
    model = onnx.load_model_from_string(data)
    assert model.ir_version == value
    assert model.SerializeToString() == data


class TestTflite:
    @pytest.fixture
    def model(self) -> Any:
        from ai_edge_litert import schema_py_generated as schema

        return schema.ModelT.InitFromPackedBuf(probe_models.tflite(), 0)

    def test_the_schema_reads_what_was_written(self, model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        (code,), (graph,) = model.operatorCodes, model.subgraphs
        assert model.version == 3
        fully_connected = schema.BuiltinOperator.FULLY_CONNECTED
        assert (code.deprecatedBuiltinCode, code.builtinCode) == (fully_connected,) * 2
        assert code.version == 1
        (operator,) = graph.operators
        assert operator.builtinOptionsType == schema.BuiltinOptions.FullyConnectedOptions
        options, activations = operator.builtinOptions, schema.ActivationFunctionType
        assert options.fusedActivationFunction == activations.NONE
        assert [list(operator.inputs), list(operator.outputs)] == [[0, 1, 2], [3]]
        assert [list(graph.inputs), list(graph.outputs)] == [[0], [3]]
        assert {tensor.type for tensor in graph.tensors} == {schema.TensorType.FLOAT32}
        assert [(tensor.name, tuple(tensor.shape)) for tensor in graph.tensors] == [
            (b"input", (1, 16)),
            (b"kernel", (8, 16)),
            (b"bias", (8,)),
            (b"output", (1, 8)),
        ]

    def test_the_buffers_hold_the_weights_and_the_first_nothing(self, model: Any) -> None:
        empty, kernel, bias = model.buffers
        assert empty.data is None
        np.testing.assert_array_equal(kernel.data.view("<f4").reshape(8, 16), KERNEL.T)
        np.testing.assert_array_equal(bias.data.view("<f4"), BIAS)

    def test_what_is_aligned_is_what_the_schema_wants_aligned(self) -> None:
        data = probe_models.tflite()
        assert data[4:8] == b"TFL3"
        (root,) = struct.unpack_from("<I", data)
        assert root % 4 == 0
        for weights in (KERNEL.T, BIAS):
            place = data.index(weights.astype("<f4").tobytes())
            assert place % 16 == 0
            assert struct.unpack_from("<I", data, place - 4) == (weights.nbytes,)


def test_the_files_are_the_same_bytes_each_time() -> None:
    for format in ("tflite", "onnx", "weights"):
        assert probe_models.model(format)[0] == probe_models.model(format)[0]


def test_they_are_small() -> None:
    assert len(probe_models.onnx()) < 1000
    assert len(probe_models.tflite()) < 1500
