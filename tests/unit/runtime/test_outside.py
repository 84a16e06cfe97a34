"""Model files that refer to other files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema_fbs
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.environment import Environment
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import Options
from onnx import helper

from strop.bundle.file import parse_bundle
from strop.diagnostics import probe_models
from strop.engines.litert import ENGINE as LITERT
from strop.engines.onnx import ENGINE as ONNX
from strop.errors import BundleError, EngineUnavailable
from strop.model.select import Choice, open_model
from tests import bundles
from tests import probe_models as recipe

SECRET = b"SECRET!!" * 128  # large enough that the optimizer does not read it
FLOAT = onnx.TensorProto.FLOAT


def _open(data: bytes) -> None:
    draft = bundles.image()
    draft.add_variant("onnx", "float32", ["onnx"], data)
    bundle = parse_bundle(draft.pack())
    open_model(bundle, Choice("onnx", bundle.manifest.variants[1])).close()


def _tensor(location: str, offset: int = 0) -> onnx.TensorProto:
    """float32 (4, 64) whose bytes are elsewhere."""
    tensor = onnx.TensorProto(name="kernel", data_type=FLOAT, dims=[4, 64])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", len(SECRET))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return tensor


def _graph(nodes: list[Any], initializers: list[Any]) -> onnx.GraphProto:
    ends = (
        helper.make_tensor_value_info(name, FLOAT, ["batch", 4]) for name in ("input", "output")
    )
    source, result = ends
    return helper.make_graph(nodes, "graph", [source], [result], initializers)


def _file(graph: onnx.GraphProto, *functions: onnx.FunctionProto) -> bytes:
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    file = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions)
    data: bytes = file.SerializeToString()
    return data


MATMUL = helper.make_node("MatMul", ["input", "kernel"], ["output"])


def _as_initializer(tensor: onnx.TensorProto) -> bytes:
    return _file(_graph([MATMUL], [tensor]))


def _as_attribute(tensor: onnx.TensorProto) -> bytes:
    return _file(_graph([helper.make_node("Constant", [], ["kernel"], value=tensor), MATMUL], []))


def _in_a_branch(tensor: onnx.TensorProto) -> bytes:
    output = helper.make_tensor_value_info("output", FLOAT, None)
    branch = helper.make_graph([MATMUL], "branch", [], [output], [tensor])
    choose = helper.make_node("If", ["yes"], ["output"], then_branch=branch, else_branch=branch)
    yes = helper.make_tensor("yes", onnx.TensorProto.BOOL, [], [True])
    return _file(_graph([choose], [yes]))


def _in_a_function(tensor: onnx.TensorProto) -> bytes:
    constant = helper.make_node("Constant", [], ["kernel"], value=tensor)
    opsets = [helper.make_opsetid("", 13)]
    function = helper.make_function("own", "f", ["input"], ["output"], [constant, MATMUL], opsets)
    call = helper.make_node("f", ["input"], ["output"], domain="own")
    return _file(_graph([call], []), function)


def _field(number: int, value: int | str | bytes) -> bytes:
    """A field on protobuf's wire: its number and kind, then a varint, or a length and bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode("ascii") if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])


def _with_long_lengths(tensor: onnx.TensorProto) -> bytes:
    """The key's length in two bytes instead of one, and so every length around it."""
    whole = tensor.SerializeToString()
    for entry in tensor.external_data:
        if entry.key == "location":
            old = entry.SerializeToString()
    new = old.replace(b"\x0a\x08location", b"\x0a\x88\x00location")
    whole = whole.replace(bytes([len(old)]) + old, bytes([len(new)]) + new)
    graph = _graph([MATMUL], []).SerializeToString() + _field(5, whole)
    data = _field(1, 8) + _field(7, graph)
    return data + _field(8, _field(1, "") + _field(2, 13))


PLACES = (_as_initializer, _as_attribute, _in_a_branch, _in_a_function, _with_long_lengths)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "location", ["secret.bin", "../../etc/passwd", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"]
)
def test_a_tensor_in_another_file_is_refused_wherever_it_stands(
    place: Callable[[onnx.TensorProto], bytes], location: str
) -> None:
    data = place(_tensor(location, offset=4096))
    assert onnx.load_from_string(data)  # it is still the same model
    with pytest.raises(BundleError, match=r"^variants/float32\.onnx refused: its tensors lie out"):
        _open(data)


@pytest.mark.parametrize("place", [_as_initializer, _with_long_lengths])
def test_the_native_parser_would_have_read_it(
    place: Callable[[onnx.TensorProto], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.bin").write_bytes(SECRET)
    session = onnxruntime.InferenceSession(
        place(_tensor("secret.bin")), providers=["CPUExecutionProvider"]
    )
    (read,) = session.run(None, {"input": np.eye(1, 4, dtype=np.float32)})
    assert read.tobytes() == SECRET[: read.nbytes]


@pytest.mark.parametrize("name", ["allocation", "locations", "relocation of it"])
def test_a_name_with_that_word_in_it_is_none_of_this(name: str) -> None:
    _, variant = probe_models.model("onnx")
    graph = _graph([helper.make_node("Neg", ["input"], ["output"], name=name)], [])
    variant = variant._replace(
        inputs=(variant.inputs[0]._replace(shape=(1, 4)),),
        outputs=(variant.outputs[0]._replace(shape=(1, 4)),),
    )
    session = ONNX.open(_file(graph), variant, device="cpu", threads=1)
    assert session.run(np.ones((1, 4), np.float32)).tolist() == [[-1] * 4]


def test_a_model_compiled_into_another_file_is_refused() -> None:
    """Such a node names a file for a provider; the CPU's provider has none."""
    node = helper.make_node(
        *("EPContext", ["input"], ["output"]),
        domain="com.microsoft",
        ep_cache_context="/etc/passwd",
        embed_mode=0,
    )
    with pytest.raises(EngineUnavailable, match="EPContext"):
        _open(_file(_graph([node], [])))


def test_the_engine_s_own_format_is_refused(tmp_path: Path) -> None:
    data, variant = probe_models.model("onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    own = (tmp_path / "model.ort").read_bytes()
    onnxruntime.InferenceSession(own, providers=["CPUExecutionProvider"])  # the control
    with pytest.raises(Exception, match="protobuf parsing failed"):
        ONNX.open(own, variant, device="cpu", threads=1)


def _tflite_with_kernel_in(file: str) -> bytes:
    """The probe's model, with its kernel in another file."""
    content = schema_fbs.ModelT.InitFromPackedBuf(bytearray(probe_models.model("tflite")[0]), 0)
    kernel = content.subgraphs[0].tensors[1]
    kernel.buffer, kernel.externalBuffer = 0, 1
    group, buffer = schema_fbs.ExternalBufferGroupT(), schema_fbs.ExternalBufferT()
    group.name = file
    buffer.id, buffer.length = 1, recipe.KERNEL.nbytes
    content.externalBufferGroups, content.externalBuffers = [group], [buffer]
    builder = flatbuffers.Builder()
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_tflite_file_with_weights_in_another_file_is_refused(device: str) -> None:
    _, variant = probe_models.model("tflite")
    with pytest.raises(BundleError, match="which may name other files; export the model with"):
        LITERT.open(_tflite_with_kernel_in("/etc/passwd"), variant, device=device, threads=1)


def test_litert_would_have_read_it(tmp_path: Path) -> None:
    path = tmp_path / "kernel.bin"
    kernel = np.arange(recipe.KERNEL.size, dtype=np.float32)
    path.write_bytes(kernel.tobytes())
    options = Options(hardware_accelerators=HardwareAccelerator.CPU)
    compiled = CompiledModel.from_buffer(
        _tflite_with_kernel_in(str(path)), environment=Environment.create(), options=options
    )
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    inputs[0].write(probe_models.SAMPLE)
    compiled.run_by_index(0, inputs, outputs)
    read = outputs[0].read(recipe.OUTPUTS, np.float32)
    expected = kernel.reshape(recipe.OUTPUTS, -1) @ probe_models.SAMPLE[0] + recipe.BIAS
    assert np.array_equal(read, expected)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\0" * 3, b"\xff" * 40, b"\0\0\0\x7f" * 10),
        b"\x04\0\0\0" + b"\xff\xff\xff\x7f",  # the fields before the start
        b"\x04\0\0\0" + b"\0\0\0\x80",  # and after the end
    ],
)
def test_what_is_no_flatbuffer_is_refused(data: bytes) -> None:
    _, variant = probe_models.model("tflite")
    with pytest.raises(BundleError, match="it is not a FlatBuffer; export the model again"):
        LITERT.open(data, variant, device="cpu", threads=1)
