"""ONNX Runtime: `run`, and IOBinding to arrays made beforehand.

Tried and left out: sessions without the memory arena or its patterns, and `run(None, ..)` for all
outputs (no difference either); buffers of its own (`bind_cpu_input`, `copy_outputs_to_cpu`) and
`run_with_ort_values`, which are slower.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import Call, Loop

ENVIRONMENT = "peers"
ENGINE = "onnx"
INSTALLS = ("onnxruntime",)
_RUN, _BINDING = "ONNX Runtime run", "ONNX Runtime IOBinding"
LOOPS = (
    Loop(_RUN, "onnx", ("float32", "int8")),
    Loop(_BINDING, "onnx", ("float32", "int8")),
)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the file with ONNX Runtime; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (source,), (result,) = session.get_inputs(), session.get_outputs()
    name, names, run, float32 = source.name, [result.name], session.run, np.float32
    takes_bytes = source.type == "tensor(uint8)"
    if loop == _BINDING:
        images_in = np.empty((batch, *source.shape[1:]), np.uint8 if takes_bytes else float32)
        answers = np.empty((batch, *result.shape[1:]), float32)
        binding, run_bound = session.io_binding(), session.run_with_iobinding
        binding.bind_input(name, "cpu", 0, images_in.dtype, images_in.shape, images_in.ctypes.data)
        binding.bind_output(names[0], "cpu", 0, answers.dtype, answers.shape, answers.ctypes.data)

        def bound(images: Any) -> Any:
            images_in[...] = images  # widens as it copies
            run_bound(binding)
            return answers.copy()

        return bound
    if takes_bytes:
        return lambda images: run(names, {name: images})[0]
    return lambda images: run(names, {name: images.astype(float32)})[0]
