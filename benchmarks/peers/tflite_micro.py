"""TensorFlow Lite for Microcontrollers, from its own Python package.

It takes the file's shape, one image. It uses the portable reference kernels, even on a PC.
`set_input` and `get_output` both copy, so the result belongs to the caller.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import Absent, Call, Loop

ENVIRONMENT = "peers"
ENGINE = ""
INSTALLS = ("tflite-micro",)
LOOPS = (Loop("TFLite Micro interpreter", "tflite", ("float32", "int8")),)

# The net needs 5 KB. By default the interpreter takes ten times the file's size, and is no faster.
_ARENA = 64 * 1024


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the file; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).

    Raises:
        Absent: tflite-micro is not installed.
    """
    import numpy as np

    try:
        from tflite_micro import runtime
    except ImportError as error:
        raise Absent(
            f"{error}; pip install --pre tflite-micro, on a Python and a system it has wheels for"
        ) from error

    with open(path, "rb") as file:  # noqa: PTH123 pathlib takes milliseconds to import
        interpreter = runtime.Interpreter.from_bytes(file.read(), arena_size=_ARENA)
    set_input, invoke = interpreter.set_input, interpreter.invoke
    get_output, float32 = interpreter.get_output, np.float32
    takes_float = interpreter.get_input_details(0)["dtype"] == float32

    def one(image: Any) -> Any:
        set_input(image, 0)
        invoke()
        return get_output(0)

    def one_float(image: Any) -> Any:
        set_input(image.astype(float32), 0)
        invoke()
        return get_output(0)

    def several(images: Any) -> Any:
        if takes_float:
            images = images.astype(float32)
        out = np.empty((len(images), 10), float32)
        for i in range(len(images)):
            set_input(images[i : i + 1], 0)
            invoke()
            out[i] = get_output(0)
        return out

    if batch > 1:
        return several
    return one_float if takes_float else one
