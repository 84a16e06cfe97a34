"""Apache TVM: the whole net as one kernel, in its tensor expressions, with our own schedule.

TVM's own compilation of the ONNX file (`from_onnx`, `tvm.compile`) takes 49 us for one image,
because none of its loops is vectorized; this kernel takes 2.5. Tried: two and four rows at a time
instead of three (5 and 8 % slower, and twice as slow from six: the sums no longer fit the
registers), layers of 64 in vectors of 16 floats (10 % slower: 56 in vectors of 8 waste less), the C
library's `exp` instead of TVM's `fast_exp` (3 to 8 % slower, same answers), each weight array as a
separate argument, and conversion of pixels to floats by NumPy.

The kernel needs only TVM's function calls, which are a separate package: an app needs neither the
compiler nor the large runtime. int8 is left out: the importer keeps the file's QDQ nodes, so
products stay in floats, and TVM does not schedule CPU code by itself.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.peers import Absent, Call, Loop

if TYPE_CHECKING:  # a cold start only opens the network
    from pathlib import Path

ENVIRONMENT = "peers"
ENGINE = ""
INSTALLS = ("apache-tvm-ffi",)
LOOPS = (Loop("TVM, our schedule", "weights", ("float32",), dense=("float32",)),)

_WIDTHS = (784, 56, 56, 16)  # of the layers: the model's, rounded up to whole vectors
_VECTORS = (8, 8, 16)  # floats
_PIXELS_AT_A_TIME = 8
_ROWS = 3
_ALIGNMENT = 64  # bytes; TVM takes no array without it


def build(loop: str, precision: str, path: str, folder: str) -> str:
    """Compile the network and write its weights; `benchmarks.peers` describes the arguments.

    Raises:
        Absent: there is no C compiler here, or the network's layers differ from the kernel's.
    """
    from pathlib import Path

    import tvm
    from tvm.support.cc import get_cc

    if get_cc() is None:
        raise Absent("TVM has no linker of its own and finds no C compiler; install g++ or set CXX")
    kernels = {name: _kernel(rows)["main"] for name, rows in (("one", 1), ("some", _ROWS))}
    named = {name: kernel.with_attr("global_symbol", name) for name, kernel in kernels.items()}
    target = {"kind": "llvm", "mcpu": tvm.target.codegen.llvm_get_system_cpu()}
    library = Path(folder) / "net.so"
    tvm.compile(tvm.IRModule(named), tvm.target.Target(target)).export_library(str(library))
    _write_weights(path, library.with_suffix(".npy"))
    return str(library)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the compiled network; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import numpy as np
    import tvm_ffi

    rows = 1 if batch == 1 else _ROWS
    blocks = -(-batch // rows)  # the last one may have unused rows
    weights = np.load(path.removesuffix("so") + "npy")
    arrays = (
        _aligned((blocks, rows, 784), np.uint8),
        _aligned(weights.shape, np.float32),
        _aligned((blocks, rows, 10), np.float32),
    )
    arrays[1][...] = weights
    pixels, held, out = map(tvm_ffi.from_dlpack, arrays)
    images_in = arrays[0].reshape(-1, 28, 28)[:batch]
    answers = arrays[2].reshape(-1, 10)[:batch]
    run = tvm_ffi.load_module(path).get_function("one" if rows == 1 else "some")

    def call(images: Any) -> Any:
        images_in[...] = images
        run(pixels, held, out)
        return answers.copy()

    return call


def _aligned(shape: tuple[int, ...], dtype: Any) -> Any:
    import numpy as np

    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def _write_weights(path: str, to: Path) -> None:
    """Write all layers in a row as float32, each padded to its width: its kernel, then its bias."""
    import numpy as np

    with np.load(path) as file:
        parts = dict(file)
    if [str(name) for name in parts["activations"]] != ["relu", "relu", "softmax"]:
        raise Absent("the kernel is written for two relu layers and a softmax")
    parts["bias_0"] = parts["bias_0"] + np.sum(parts["offset"] * parts["kernel_0"], axis=0)
    parts["kernel_0"] = parts["kernel_0"] * parts["scale"]
    flat = []
    for i, (depth, width) in enumerate(pairwise(_WIDTHS)):
        kernel, bias = parts[f"kernel_{i}"], parts[f"bias_{i}"]
        if kernel.shape[0] > depth or kernel.shape[1] > width:
            raise Absent(f"the kernel has room for layers of {_WIDTHS}, not of {kernel.shape}")
        padded = np.zeros((depth + 1, width), np.float32)
        # A padding class has no probability.
        padded[depth] = -1e30 if i == 2 else 0
        padded[: kernel.shape[0], : kernel.shape[1]] = kernel
        padded[depth, : len(bias)] = bias
        flat.append(padded.ravel())
    np.save(to, np.concatenate(flat))


def _kernel(rows: int) -> Any:
    """Build the scheduled net for any number of blocks of `rows` images."""
    import tvm
    from tvm import te, topi
    from tvm.s_tir import Schedule

    n, classes = te.var("n"), _WIDTHS[-1]
    size = sum((depth + 1) * width for depth, width in pairwise(_WIDTHS))
    pixels = te.placeholder((n, rows, _WIDTHS[0]), "uint8", name="pixels")
    weights = te.placeholder((size,), "float32", name="weights")
    values = te.compute(
        pixels.shape, lambda b, i, k: pixels[b, i, k].astype("float32"), name="values"
    )
    start = 0
    for layer, (depth, width) in enumerate(pairwise(_WIDTHS)):
        values = _dense(values, weights, start, (n, rows, depth, width), layer)
        start += (depth + 1) * width
    k = te.reduce_axis((0, classes), name="k")
    largest = te.compute((n, rows), lambda b, i: te.max(values[b, i, k], axis=k), name="largest")
    below = te.compute(
        (n, rows, classes), lambda b, i, j: values[b, i, j] - largest[b, i], name="below"
    )
    power = topi.fast_exp(below)
    powers = te.compute((n, rows, classes), lambda b, i, j: power[b, i, j], name="powers")
    c = te.reduce_axis((0, classes), name="c")
    total = te.compute((n, rows), lambda b, i: te.sum(powers[b, i, c], axis=c), name="total")
    out = te.compute((n, rows, 10), lambda b, i, j: powers[b, i, j] / total[b, i], name="out")

    function = te.create_prim_func([pixels, weights, out])
    schedule = Schedule(tvm.IRModule({"main": function}))
    for name in ("below", power.op.name):
        schedule.compute_inline(schedule.get_sblock(name))
    block_loop = schedule.get_loops(schedule.get_sblock("out"))[0]
    for name in ("total", "powers", "largest"):
        schedule.compute_at(schedule.get_sblock(name), block_loop, preserve_unit_loops=True)
    schedule.vectorize(schedule.get_loops(schedule.get_sblock("powers"))[-1])
    for layer in (2, 1, 0):
        _schedule_dense(schedule, layer, block_loop)
    return schedule.mod


def _dense(values: Any, weights: Any, start: int, shape: tuple[Any, ...], layer: int) -> Any:
    from tvm import te, tirx

    n, rows, depth, width = shape
    k = te.reduce_axis((0, depth), name=f"k{layer}")
    sums = te.compute(
        (n, rows, width),
        lambda b, i, j: te.sum(values[b, i, k] * weights[start + k * width + j], axis=k),
        name=f"sums{layer}",
    )
    bias = start + depth * width

    def finish(b: Any, i: Any, j: Any) -> Any:
        value = sums[b, i, j] + weights[bias + j]
        return value if layer == 2 else tirx.max(value, tirx.const(0, "float32"))

    return te.compute((n, rows, width), finish, name=f"layer{layer}")


def _schedule_dense(schedule: Any, layer: int, block_loop: Any) -> None:
    """Keep the sums of all rows in registers; unroll all loops around them except over inputs."""
    done, sums = schedule.get_sblock(f"layer{layer}"), schedule.get_sblock(f"sums{layer}")
    for block in (done, sums):
        schedule.compute_at(block, block_loop, preserve_unit_loops=True)
    row, column, k = schedule.get_loops(sums)[-3:]
    vectors, lanes = schedule.split(column, [None, _VECTORS[layer]])
    outer, inner = schedule.split(k, [None, _PIXELS_AT_A_TIME if layer == 0 else 4])
    schedule.reorder(outer, inner, row, vectors, lanes)
    if layer == 0:
        values = schedule.get_sblock("values")
        schedule.compute_at(values, outer, preserve_unit_loops=True)
        value_row, value_lanes = schedule.get_loops(values)[-2:]
        schedule.vectorize(value_lanes)
        schedule.unroll(value_row)
    schedule.vectorize(lanes)
    for unrolled in (vectors, row, inner):
        schedule.unroll(unrolled)
    schedule.decompose_reduction(sums, outer)  # last: it splits the blocks
    done_row, done_column = schedule.get_loops(done)[-2:]
    done_vectors, done_lanes = schedule.split(done_column, [None, _VECTORS[layer]])
    schedule.vectorize(done_lanes)
    for unrolled in (done_vectors, done_row):
        schedule.unroll(unrolled)
