"""tflite-runtime 2.14, its last release: the same Interpreter API in a separate environment."""

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
    """Open the file with tflite-runtime's Interpreter; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    from tflite_runtime.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    return interpreter_loop(interpreter, loop.removeprefix("tflite-runtime "), batch)
