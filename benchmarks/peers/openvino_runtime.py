"""OpenVINO: one request with its input bound beforehand, for a batch of fixed size.

Tried, in us for one image of float32, where this takes 10 to 11: `compiled(images)` 34,
`request.infer(images, share_inputs=True)` 28, input and output arrays set for each call 25, a batch
of any size 5 more, `start_async` and `wait` 160, threads pinned (the default) 2 more. The wrapper
around `infer` alone costs 2: the method of its base class is called here. Passing the caller's
array directly, instead of a copy in the bound one, is 3 slower, and no faster in batches. Without
difference: hints for throughput or accuracy, NUM_STREAMS, hyper-threading, denormals, transposed
weights, and pixels turned into floats by NumPy instead of by the graph. By default, OpenVINO
computes a float32 file in bfloat16 where the CPU has it: a third faster or more in batches, and off
by up to 0.025.

Changes to files of dense networks for better kernels (figures are us per image):
- float32: OpenVINO fuses a Relu into the matrix product before it, and does not leave fused
  products to the faster kernel (MLAS). A Maximum, which means the same, is not fused: 10.3 instead
  of 12.5 for one image, 4 % less in batches of 64, no difference at 1,024.
- int8, for one image and in batches of 256: with int8 weights alone, OpenVINO computes in floats,
  11.7 and 0.89. It looks for integers only in a model with a FakeQuantize in it, and the file has
  none. So one that leaves bytes as they are is put after the input: 10.6 and 0.44. It needs int8
  weights as well (0.89 again with uint8). A Relu instead of the Max, as products of integers do
  fuse it: 0.42.
- int8, with other rounding than the file: the layers that the file leaves in floats are quantized
  here too. There are no samples, so the ranges of their inputs are those of random bytes, times
  1.5: 10.3 and 0.38 (0.34 instead of 0.38 at 1,024). 12 of 10,000 images then get another
  class than from Keras instead of 4, and 17 instead of 2 with the notebook's model; with factors of
  0.75 to 2 instead of 1.5: 6 to 17. With bfloat16 in place of those floats: 0.39, but answers then
  depend on the size of the batch (0.02).
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.peers import Call, Loop

ENVIRONMENT = "peers"
ENGINE = ""
INSTALLS = ("openvino",)
_PRECISIONS = ("float32", "int8")
LOOPS = (Loop("OpenVINO bound request", "onnx", _PRECISIONS, dense=_PRECISIONS, avx2=_PRECISIONS),)

_MOST = 1024  # images at a time: 4,096 at once take 13 % longer in float32, 5 % in int8
_ONE_THREAD = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",
}


def build(loop: str, precision: str, path: str, folder: str) -> str:
    """Write the changed file in OpenVINO's format; `benchmarks.peers` describes the arguments."""
    from pathlib import Path

    openvino = _openvino()
    model = openvino.Core().read_model(path)
    if not _nodes(model, "Convolution"):
        if precision == "int8":
            _use_integers(openvino, model)
        else:
            _use_maximum(model)
    _take_bytes(model)
    built = Path(folder) / "net.xml"
    openvino.save_model(model, built, compress_to_fp16=False)
    return str(built)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the changed file with bound inputs; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import numpy as np

    openvino = _openvino()
    core = openvino.Core()
    if batch <= _MOST:
        return _open_size(openvino, core, path, batch)
    parts = [slice(at, min(at + _MOST, batch)) for at in range(0, batch, _MOST)]
    sizes = {part.stop - part.start for part in parts}
    open_ = {size: _open_size(openvino, core, path, size) for size in sizes}
    calls = [(part, open_[part.stop - part.start]) for part in parts]

    def call(images: Any) -> Any:
        answers = np.empty((batch, 10), np.float32)
        for part, run in calls:
            answers[part] = run(images[part])
        return answers

    return call


def _open_size(openvino: Any, core: Any, path: str, size: int) -> Call:
    import numpy as np

    model = core.read_model(path)
    shape = [size, *(length.get_length() for length in list(model.input().partial_shape)[1:])]
    model.reshape(shape)
    request = core.compile_model(model, "CPU", _ONE_THREAD).create_infer_request()
    images_in = np.empty(shape, np.uint8)
    request.set_input_tensor(openvino.Tensor(images_in, shared_memory=True))
    infer = super(openvino.InferRequest, request).infer
    bound: dict[int, Any] = {}  # no input but the bound one

    def call(images: Any) -> Any:
        images_in[...] = images
        (answers,) = infer(bound, share_outputs=False, decode_strings=False).values()
        return answers

    return call


def _openvino() -> Any:
    """Import OpenVINO without its converter, which reports its import over the network."""
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _use_maximum(model: Any) -> None:
    import numpy as np
    from openvino import opset13

    for node in _nodes(model, "Relu"):
        _replace(node, opset13.maximum(node.input_value(0), np.float32(0)))


def _use_integers(openvino: Any, model: Any) -> None:
    import numpy as np
    from openvino import Type, opset13

    for node in _nodes(model, "Constant"):
        # More than one value: weights, or their zero points, which are transformed with them.
        if node.get_element_type() == Type.u8 and node.data.size > 1:
            _replace(node, opset13.constant((node.data.astype(np.int16) - 128).astype(np.int8)))
    for node in _nodes(model, "Maximum"):
        _replace(node, opset13.relu(node.input_value(0)))
    activations = _nodes(model, "Relu")
    for node, top in zip(activations, _tops(openvino, model, activations), strict=True):
        _replace(node, _quantized(node, np.float32(0), top, 256))
    for node in _nodes(model, "MatMul"):
        weights = node.input_value(1).get_node()
        if weights.get_type_name() == "Constant":  # a layer in floats
            # One scale for each column.
            top = np.abs(weights.data).max(axis=0, keepdims=True)
            node.input(1).replace_source_output(_quantized(weights, -top, top, 255).output(0))
    for node in _nodes(model, "Convert"):
        if node.input_value(0).get_node().get_type_name() in ("Parameter", "Reshape"):  # pixels
            _replace(node, _quantized(node, np.float32(0), np.float32(255), 256))


def _tops(openvino: Any, model: Any, nodes: list[Any]) -> list[Any]:
    """Return the largest value to expect from each node, judged by random images, as float32."""
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), np.uint8)
    probe = openvino.Model([node.output(0) for node in nodes], model.get_parameters())
    found = openvino.Core().compile_model(probe, "CPU", _ONE_THREAD)(noise)
    return [np.float32(1.5 * found[i].max()) for i in range(len(nodes))]


def _quantized(node: Any, low: Any, high: Any, levels: int) -> Any:
    from openvino import opset13

    return opset13.fake_quantize(node.output(0), low, high, low, high, levels)


def _nodes(model: Any, kind: str) -> list[Any]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == kind]


def _replace(node: Any, better: Any) -> None:
    """Connect all users of a node's result to `better`'s result, except `better` itself."""
    for user in node.output(0).get_target_inputs():
        if user.get_node() != better:
            user.replace_source_output(better.output(0))


def _take_bytes(model: Any) -> None:
    from openvino import Type
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(model)
    processor.input().tensor().set_element_type(Type.u8)
    processor.build()
