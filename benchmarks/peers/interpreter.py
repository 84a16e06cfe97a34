"""The Interpreter API that LiteRT and tflite-runtime share: the two ways to feed it.

Tried and left out, for one image and for batches: widening into a kept buffer instead of `astype`
(no difference), `numpy.copyto` instead of an assignment (0.1 us slower), and reading the answer
through a view and `copy()` instead of `get_tensor` (0.3 us slower).
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import Call

SET_TENSOR = "set_tensor"
VIEW = "tensor() view"


def interpreter_loop(interpreter: Any, loop: str, batch: int) -> Call:
    """Make a loop over a tf.lite Interpreter, of either package.

    Args:
        interpreter: the interpreter, which is resized if needed.
        loop: `SET_TENSOR` or `VIEW`.
        batch: images per call.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import numpy as np

    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    if batch != 1:  # the files are made for one
        interpreter.resize_tensor_input(source["index"], [batch, *source["shape"][1:]])
    interpreter.allocate_tensors()
    put, answer = source["index"], result["index"]
    set_tensor, invoke, get_tensor = (
        interpreter.set_tensor,
        interpreter.invoke,
        interpreter.get_tensor,
    )
    if loop == VIEW:
        view = interpreter.tensor(put)

        def through_view(images: Any) -> Any:
            view()[...] = images  # widens while copying; no view may be kept during invoke
            invoke()
            return get_tensor(answer)

        return through_view
    if source["dtype"] == np.uint8:

        def as_it_is(images: Any) -> Any:
            set_tensor(put, images)
            invoke()
            return get_tensor(answer)

        return as_it_is

    float32 = np.float32

    def widened(images: Any) -> Any:
        set_tensor(put, images.astype(float32))
        invoke()
        return get_tensor(answer)

    return widened
