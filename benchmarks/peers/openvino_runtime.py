"""OpenVINO: one request with its input bound beforehand, for a batch of fixed size.

Tried, in us for one image of float32, where this takes 10 to 11: `compiled(images)` 34,
`request.infer(images, share_inputs=True)` 28, input and output arrays set for each call 25, a batch
of any size 5 more, `start_async` and `wait` 160, threads pinned (the default) 2 more. The wrapper
around `infer` costs 2 alone: the method of its base class is called here. The caller's array as it
is, instead of a copy in the bound one, is 3 slower, and no faster in batches. Without difference:
hints for throughput or accuracy, NUM_STREAMS, hyper-threading, denormals, transposed weights, and
pixels turned into floats by NumPy instead of by the graph. Left alone, OpenVINO computes a float32
file in bfloat16 where the CPU has it: a third faster or more in batches, and off by up to 0.025.

Two changes to the file, of which neither changes what it means, get it better kernels:
- float32: a Relu is fused into the matrix product before it, and products with something fused
  are not left to the faster kernel (MLAS). A Maximum is not fused: 10.3 instead of 12.5 for one
  image, 4 % in batches of 64, no difference at 1,024.
- int8: matrix products stay in floats while weights are uint8; as int8 they run as such: 12
  instead of 17 for one image, and 0.4 instead of 1.2 in batches.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import Call, Loop

ENVIRONMENT = "peers"
ENGINE = ""
INSTALLS = ("openvino",)
LOOPS = (Loop("OpenVINO bound request", "onnx", ("float32", "int8")),)

_MOST = 1024  # images at a time: 4,096 at once take 13 % longer in float32, 5 % in int8
_ONE_THREAD = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",
}


def build(loop: str, precision: str, path: str, folder: str) -> str:
    openvino = _openvino()
    model = openvino.Core().read_model(path)
    _use_better_kernels(model)
    _take_bytes(model)
    built = Path(folder) / "net.xml"
    openvino.save_model(model, built, compress_to_fp16=False)
    return str(built)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
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
    model.reshape([size, 28, 28])
    request = core.compile_model(model, "CPU", _ONE_THREAD).create_infer_request()
    images_in = np.empty((size, 28, 28), np.uint8)
    request.set_input_tensor(openvino.Tensor(images_in, shared_memory=True))
    infer = super(openvino.InferRequest, request).infer
    bound: dict[int, Any] = {}  # no input but the bound one

    def call(images: Any) -> Any:
        images_in[...] = images
        (answers,) = infer(bound, share_outputs=False, decode_strings=False).values()
        return answers

    return call


def _openvino() -> Any:
    """OpenVINO without its converter, which reports over the network that it was imported."""
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _use_better_kernels(model: Any) -> None:
    import numpy as np
    from openvino import Type, opset13

    for node in model.get_ordered_ops():
        kind, better = node.get_type_name(), None
        if kind == "Relu":
            better = opset13.maximum(node.input_value(0), np.float32(0))
        # More than one value: weights, or their zero points, which move along with them.
        elif kind == "Constant" and node.get_element_type() == Type.u8 and node.data.size > 1:
            better = opset13.constant((node.data.astype(np.int16) - 128).astype(np.int8))
        if better is not None:
            for user in node.output(0).get_target_inputs():
                user.replace_source_output(better.output(0))


def _take_bytes(model: Any) -> None:
    from openvino import Type
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(model)
    processor.input().tensor().set_element_type(Type.u8)
    processor.build()
