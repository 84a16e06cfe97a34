"""LiteRT's Interpreter, as its documentation shows it, and through a view that saves a copy."""

from __future__ import annotations

from benchmarks.peers import Call, Loop
from benchmarks.peers.interpreter import SET_TENSOR, VIEW, interpreter_loop

ENVIRONMENT = "peers"
ENGINE = "litert"
INSTALLS = ("ai-edge-litert",)
_PRECISIONS = ("int8", "float32", "float16", "dynamic")
LOOPS = (
    Loop(f"LiteRT {SET_TENSOR}", "tflite", _PRECISIONS, dense=("int8",)),
    Loop(f"LiteRT {VIEW}", "tflite", _PRECISIONS, dense=("int8", "dynamic")),
)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the file with LiteRT's Interpreter; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    return interpreter_loop(interpreter, loop.removeprefix("LiteRT "), batch)
