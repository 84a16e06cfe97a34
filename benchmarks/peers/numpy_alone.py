"""NumPy alone: a forward pass written for this model.

The scale is folded into the first kernel, and every buffer is made beforehand. For one image the
biases are a last row of the kernels, which is multiplied by a constant 1 at the end of each buffer.
Tried and left out: `matmul` (slower than `dot` on small arrays), kernels transposed (no
difference), biases in the kernels for batches (slower: rows are no longer contiguous), and a
softmax that does not subtract the largest logit (a tenth faster, and wrong for logits past 88).
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import Absent, Call, Loop

ENVIRONMENT = "peers"
ENGINE = "reference"
INSTALLS = ()
LOOPS = (Loop("NumPy alone", "weights", ("float32",)),)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Read the weights and prepare the buffers; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).

    Raises:
        Absent: the network's activations differ from this code's.
    """
    import numpy as np

    with np.load(path) as weights:
        activations = [str(name) for name in weights["activations"]]
        kernels = [weights[f"kernel_{i}"] for i in range(len(activations))]
        biases = [weights[f"bias_{i}"] for i in range(len(activations))]
        scale, offset = weights["scale"], weights["offset"]
    if activations not in (["relu", "relu", "softmax"], ["relu", "relu", "sigmoid"]):
        raise Absent(f"it is written for two relu layers and a head, not for {activations}")
    biases[0] = biases[0] + np.sum(offset * kernels[0], axis=0)
    kernels[0] = kernels[0] * scale
    softmax = activations[-1] == "softmax"
    return _one(kernels, biases, softmax) if batch == 1 else _many(kernels, biases, softmax, batch)


def _one(kernels: list[Any], biases: list[Any], softmax: bool) -> Call:
    import numpy as np

    dot, maximum, exp = np.dot, np.maximum, np.exp
    largest, total = np.maximum.reduce, np.add.reduce
    first, second, third = (
        np.vstack([kernel, bias]) for kernel, bias in zip(kernels, biases, strict=True)
    )
    pixels, hidden, deeper = (np.ones(len(k), np.float32) for k in (first, second, third))
    image, hidden_units, deeper_units = pixels[:-1].reshape(1, 28, 28), hidden[:-1], deeper[:-1]
    zeros, deeper_zeros = np.zeros_like(hidden_units), np.zeros_like(deeper_units)
    one = np.float32(1)

    def call(images: Any) -> Any:
        image[...] = images
        dot(pixels, first, hidden_units)
        maximum(hidden_units, zeros, out=hidden_units)
        dot(hidden, second, deeper_units)
        maximum(deeper_units, deeper_zeros, out=deeper_units)
        answer = dot(deeper, third)
        if softmax:
            answer -= largest(answer)
            exp(answer, answer)
            answer /= total(answer)
        else:
            answer = one / (one + exp(-answer))
        return answer.reshape(1, -1)

    return call


def _many(kernels: list[Any], biases: list[Any], softmax: bool, batch: int) -> Call:
    import numpy as np

    dot, maximum, exp = np.dot, np.maximum, np.exp
    largest, total = np.maximum.reduce, np.add.reduce
    first, second, third = kernels
    first_bias, second_bias, third_bias = biases
    pixels, hidden, deeper = (np.empty((batch, len(k)), np.float32) for k in kernels)
    planes = pixels.reshape(batch, 28, 28)
    zero, one = np.float32(0), np.float32(1)
    column = np.empty((batch, 1), np.float32)

    def call(images: Any) -> Any:
        planes[...] = images
        dot(pixels, first, hidden)
        layer = hidden
        layer += first_bias
        maximum(layer, zero, out=layer)
        dot(layer, second, deeper)
        layer = deeper
        layer += second_bias
        maximum(layer, zero, out=layer)
        answer = dot(layer, third)
        answer += third_bias
        if softmax:
            answer -= largest(answer, axis=1, out=column, keepdims=True)
            exp(answer, answer)
            answer /= total(answer, axis=1, out=column, keepdims=True)
        else:
            answer = one / (one + exp(-answer))
        return answer

    return call
