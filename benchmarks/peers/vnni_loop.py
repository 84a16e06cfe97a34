"""A loop by hand over the int8 weights, in C with AVX-512 VNNI: what the CPU can do for this net.

It runs this one network and no other, checks nothing, and multiplies zeros like any number. It is a
limit for Strop's own engine, not a package that an app could use. The loads of the weights (41 kB,
from the L1 cache) bound its first layer.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from benchmarks.peers import Absent, Call, Loop
from benchmarks.peers.compiled_c import compile_module, open_module, require_compiler

ENVIRONMENT = "peers"
ENGINE = "native"
INSTALLS = ()
LOOPS = (Loop("Dense VNNI loop in C", "plan", ("int8",), dense=("int8",)),)

_STEPS = [1, 3, 3, 2, 3, 8]  # quantize, two layers of int8, dequantize, a layer of float32, softmax
_SHAPES = [(50,), (50,), (50,), (10,), (10,)]  # of the results after the first
_DTYPES = ("float32", "int8", "uint8", "int32")
_NONE = 0xFFFFFFFF
_WIDE = 48  # outputs in whole vectors; the last 2 are padded to 4


class _Tensor(NamedTuple):
    dims: tuple[int, ...]  # of one sample
    scale: float
    zero_point: int
    values: Any  # of a constant, (*dims); else None
    scales: Any  # one for each output, float32; or one for all


def build(loop: str, precision: str, path: str, folder: str) -> str:
    """Compile the loop with a plan's weights; `benchmarks.peers` describes the arguments.

    Raises:
        Absent: there is no C compiler, the CPU has no VNNI, or the plan is of another network.
    """
    require_compiler()
    return compile_module(source(path), folder)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the compiled module; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    return open_module(path)


def source(path: str) -> str:
    """Write the C code: the weights as arrays, and `infer(images, pixels, out)`.

    Args:
        path: a plan.

    Raises:
        Absent: the plan is of another network.
    """
    from pathlib import Path

    import numpy as np

    tensors, steps = _read(Path(path).read_bytes())
    shapes = [tensors[result].dims for _, _, result in steps]
    if [operator for operator, *_ in steps] != _STEPS or shapes[1:] != _SHAPES:
        raise Absent("it is written for 784-50-50-10: two int8 layers, one of float32, a softmax")
    if {tensors[result].zero_point for _, _, result in steps[:3]} != {-128}:
        raise Absent("it is written for layers whose zero is -128, as after a Relu")
    lines = []
    for number, (_, (values, kernel, bias), result) in enumerate(steps[1:3], 1):
        scale = tensors[values].scale * tensors[kernel].scales / tensors[result].scale
        # A stored byte is q + 128, so a zero point of -128 leaves nothing to add to the bias.
        lines += _layer(number, tensors[kernel].values, tensors[bias].values, scale)
    _, (_, kernel, bias), _ = steps[4]
    (_, (codes,), _) = steps[3]
    weights = np.zeros((50, 16), np.float32)
    weights[:, :10] = tensors[kernel].values.T * tensors[codes].scale
    lines += [
        _array("float", "weights_3", weights),
        _array("float", "bias_3", np.pad(tensors[bias].values, (0, 6))),
    ]
    code = Path(__file__).with_suffix(".c").read_text(encoding="ascii")
    return "\n".join(["#include <stdint.h>", *lines, code])


def _layer(number: int, weights: Any, bias: Any, scale: Any) -> list[str]:
    """Write the arrays of an int8 layer.

    Args:
        number: of the layer, in the arrays' names.
        weights: int8 (50, in).
        bias: int32 (50,).
        scale: from a sum to a byte, float32 (50,).
    """
    import numpy as np

    inputs = weights.shape[1]
    padded = np.zeros((52, -(-inputs // 4) * 4), np.int8)
    padded[:50, :inputs] = weights
    groups = padded.reshape(52, -1, 4).transpose(1, 0, 2)  # (in / 4, out, 4)
    return [
        _array("int8_t", f"wide_{number}", groups[:, :_WIDE]),
        _array("int8_t", f"tail_{number}", groups[:, _WIDE:]),
        _array("int32_t", f"bias_{number}", np.pad(bias, (0, 2))),
        _array("float", f"scale_{number}", np.pad(scale, (0, 2))),
    ]


def _array(kind: str, name: str, values: Any) -> str:
    """Write an aligned array in C; floats are hexadecimal, so that none is rounded."""
    flat = values.ravel().tolist()
    written = (f"{value.hex()}f" if kind == "float" else str(value) for value in flat)
    return f"static const {kind} {name}[] __attribute__((aligned(64))) = {{{', '.join(written)}}};"


def _read(plan: bytes) -> tuple[list[_Tensor], list[tuple[int, list[int], int]]]:
    """Read a plan, which docs/plan-format.md describes.

    Returns:
        Its tensors, and its steps: (operator, the tensors it reads, the tensor it writes).
    """
    counts = struct.unpack_from("<9I", plan, 16)
    tensors, steps, _, _, tensors_at, steps_at, _, data_at, _ = counts
    data = plan[data_at:]
    found = []
    for at in range(steps_at, steps_at + 32 * steps, 32):
        operator, *inputs, result = struct.unpack_from("<5I", plan, at)
        found.append((operator, [number for number in inputs if number != _NONE], result))
    return [_tensor(plan[tensors_at + 56 * i :], data) for i in range(tensors)], found


def _tensor(record: bytes, data: bytes) -> _Tensor:
    import numpy as np

    dtype, rank, *axes = struct.unpack_from("<8I", record)
    scale, zero_point, values_at, scales_at = struct.unpack_from("<fiII", record, 32)
    dims = tuple(axes[:rank])
    values = scales = None
    if values_at != _NONE:
        count = int(np.prod(dims))
        values = np.frombuffer(data, _DTYPES[dtype], count, values_at).reshape(dims)
    if scales_at != _NONE:
        scales = np.frombuffer(data, np.float32, dims[0], scales_at)
    return _Tensor(dims, scale, zero_point, values, np.float32(scale) if scales is None else scales)
