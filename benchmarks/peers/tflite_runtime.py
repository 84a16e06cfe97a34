"""tflite-runtime 2.14, the last: the same Interpreter API in an environment of its own."""

from __future__ import annotations

from benchmarks.peers import Call, Loop
from benchmarks.peers.interpreter import SET_TENSOR, VIEW, interpreter_loop

ENVIRONMENT = "tflite"
ENGINE = "tflite"
INSTALLS = ("tflite-runtime",)
_PRECISIONS = ("int8", "float32", "float16", "dynamic")
LOOPS = (
    Loop(f"tflite-runtime {SET_TENSOR}", "tflite", _PRECISIONS),
    Loop(f"tflite-runtime {VIEW}", "tflite", _PRECISIONS),
)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    from tflite_runtime.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    return interpreter_loop(interpreter, loop.removeprefix("tflite-runtime "), batch)
