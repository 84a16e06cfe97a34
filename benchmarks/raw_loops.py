"""What an app would call without Strop: each engine's own API, as its documentation shows it.

Every loop goes from one raw uint8 image (1, ...) to float32 probabilities (1, classes), with the
conversion the file needs and with no check at all. This is the yardstick for `predict`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Loop = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def litert(model: bytes) -> Loop:
    from ai_edge_litert.interpreter import Interpreter

    return _interpreter(Interpreter(model_content=model, num_threads=1))


def tflite(model: bytes) -> Loop:
    from tflite_runtime.interpreter import Interpreter

    return _interpreter(Interpreter(model_content=model, num_threads=1))


def onnx(model: bytes) -> Loop:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (input_,), (output,) = session.get_inputs(), session.get_outputs()
    name, names, run = input_.name, [output.name], session.run
    if input_.type == "tensor(uint8)":
        return lambda image: run(names, {name: image})[0]
    return lambda image: run(names, {name: image.astype(np.float32)})[0]


def _interpreter(interpreter: Any) -> Loop:
    interpreter.allocate_tensors()
    (detail,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    source, sink, dtype = detail["index"], output["index"], detail["dtype"]

    def loop(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        interpreter.set_tensor(source, image)
        interpreter.invoke()
        return interpreter.get_tensor(sink)  # type: ignore[no-any-return]

    def loop_float(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return loop(image.astype(np.float32))

    return loop if dtype == np.uint8 else loop_float


LOOPS: dict[str, Callable[[bytes], Loop]] = {"litert": litert, "onnx": onnx, "tflite": tflite}
