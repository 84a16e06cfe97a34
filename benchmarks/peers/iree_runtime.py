"""IREE: the net compiled for this CPU, called through its virtual machine without the wrappers.

The net is written here in MLIR, with layers padded to 64 columns: in batches this is a tenth to a
fifth faster than the ONNX importer's 50, and does not need that importer. For one image it makes no
difference, because most of the time is IREE's overhead: 11 us for the call below, 21 for
`module.f(images).to_host()`. Compiled for any batch size it is slower (38 us for one image in the
same call, 2.7 instead of 1.9 in batches of 64). So there are functions for a few sizes, and a batch
is split into those; for 1,024 images, one call of 1,024 is 1 % faster than four calls of 256.

Tried and left out: data tiling, alone or with micro-kernels (three to four times slower in
batches), and `inline-dynamic` execution (the Python runtime has no module for it). `-O3`, vector
widths, distribution, memoization, the system's linker, and conversion of pixels by the kernel make
no difference. The int8 file, through the importer, is slower than the float32 one: 17 us for one
image, 2.9 in batches of 64, and no better with micro-kernels.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.peers import Absent, Call, Loop

ENVIRONMENT = "peers"
ENGINE = ""
INSTALLS = ("iree-base-runtime",)
LOOPS = (Loop("IREE bound input", "weights", ("float32",)),)

_SIZES = (256, 64, 16, 4, 1)
_WIDTHS = (784, 64, 64, 10)
_OPTIONS = ["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O2"]


def build(loop: str, precision: str, path: str, folder: str) -> str:
    """Compile the network from its weights; `benchmarks.peers` describes the arguments.

    Raises:
        Absent: the network's layers or activations differ from the program's.
    """
    from pathlib import Path

    from iree.compiler.tools import compile_str

    layers = _layers(path)
    source = "\n".join([*_globals(layers), *(line for size in _SIZES for line in _function(size))])
    built = Path(folder) / "net.vmfb"
    built.write_bytes(compile_str(source, target_backends=["llvm-cpu"], extra_args=_OPTIONS))
    return str(built)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the compiled network; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import iree.runtime as iree
    import numpy as np

    config = iree.Config("local-sync")
    module = iree.VmModule.mmap(config.vm_instance, path)
    hal = iree.create_hal_module(config.vm_instance, config.device)
    context = iree.SystemContext(vm_modules=[hal, module], config=config)
    steps = _steps(batch)
    open_ = {
        (size, count): _open_size(iree, config, context.vm_context.invoke, module, size, count)
        for size, count in {(size, some.stop - some.start) for some, size in steps}
    }
    calls = [(some, open_[size, some.stop - some.start]) for some, size in steps]
    if len(calls) == 1:
        return calls[0][1]

    def call(images: Any) -> Any:
        answers = np.empty((batch, 10), np.float32)
        for some, run in calls:
            answers[some] = run(images[some])
        return answers

    return call


def _open_size(iree: Any, config: Any, invoke: Any, module: Any, size: int, count: int) -> Call:
    import numpy as np

    function = module.lookup_function(f"infer{size}")
    view = config.device.allocator.allocate_buffer_copy(
        memory_type=iree.MemoryType.DEVICE_LOCAL | iree.MemoryType.HOST_VISIBLE,
        allowed_usage=iree.BufferUsage.DEFAULT | iree.BufferUsage.MAPPING,
        device=config.device,
        buffer=np.zeros((size, _WIDTHS[0]), np.float32),
        element_type=iree.HalElementType.FLOAT_32,
    )
    images_in = view.map().asarray([size, 28, 28], np.dtype(np.float32))[:count]
    arguments = iree.VmVariantList(1)
    arguments.push_ref(view)
    results_list, buffer_view = iree.VmVariantList, iree.HalBufferView
    shape, float32 = [size, 10], np.dtype(np.float32)

    def call(images: Any) -> Any:
        images_in[...] = images  # widens as it copies
        results = results_list(1)
        invoke(function, arguments, results)
        answers = results.get_as_object(0, buffer_view).map().asarray(shape, float32)
        return answers[:count].copy()

    return call


def _steps(batch: int) -> list[tuple[slice, int]]:
    """Split a batch into parts, with the compiled size for each.

    Up to half of the last part may be unused: a call of a larger size costs little more than one of
    a smaller size, and less than two.
    """
    steps, start = [], 0
    while start < batch:
        left = batch - start
        fitting = [size for size in _SIZES if size / 2 < left <= size]
        size = fitting[0] if fitting else max(size for size in _SIZES if size <= left)
        steps.append((slice(start, min(start + size, batch)), size))
        start += size
    return steps


def _layers(path: str) -> list[tuple[Any, Any]]:
    """Return kernel and bias of each layer, padded, with the scale of the pixels in the first.

    Returns:
        float32 (in, out) and (out,) for each layer, of the sizes in `_WIDTHS`.
    """
    import numpy as np

    with np.load(path) as file:
        parts = dict(file)
    if [str(name) for name in parts["activations"]] != ["relu", "relu", "softmax"]:
        raise Absent("the program is written for two relu layers and a softmax")
    parts["bias_0"] = parts["bias_0"] + np.sum(parts["offset"] * parts["kernel_0"], axis=0)
    parts["kernel_0"] = parts["kernel_0"] * parts["scale"]
    layers = []
    for i, shape in enumerate(pairwise(_WIDTHS)):
        kernel, bias = parts[f"kernel_{i}"], parts[f"bias_{i}"]
        if kernel.shape[0] > shape[0] or kernel.shape[1] > shape[1]:
            raise Absent(f"the program has room for layers of {_WIDTHS}, not of {kernel.shape}")
        padding = [(0, to - size) for to, size in zip(shape, kernel.shape, strict=True)]
        layers.append((np.pad(kernel, padding), np.pad(bias, padding[1])))
    return layers


def _globals(layers: list[tuple[Any, Any]]) -> list[str]:
    """Write the weights as MLIR globals, once for all functions."""
    lines = []
    for i, layer in enumerate(layers):
        for name, array in zip(("kernel", "bias"), layer, strict=True):
            data = array.astype("<f4").tobytes().hex().upper()
            type_ = _tensor(*array.shape)
            lines.append(f'util.global private @{name}{i} = dense<"0x{data}"> : {type_}')
    return lines


def _function(size: int) -> list[str]:
    result = _tensor(size, _WIDTHS[-1])
    lines = [
        f"func.func @infer{size}(%in: {_tensor(size, _WIDTHS[0])}) -> {result} {{",
        "%zero = arith.constant 0.0 : f32",
    ]
    source = "%in"
    for i, (depth, width) in enumerate(pairwise(_WIDTHS)):
        lines += _dense(i, source, size, depth, width)
        source = f"%layer{i}"
    lines += [
        f"%out = linalg.softmax dimension(1) ins({source} : {result}) outs(%empty2 : {result})"
        f" -> {result}",
        f"return %out : {result}",
        "}",
    ]
    return lines


def _dense(i: int, source: str, size: int, depth: int, width: int) -> list[str]:
    kernel, bias, out = _tensor(depth, width), _tensor(width), _tensor(size, width)
    activation = [] if i == 2 else ["%active = arith.maximumf %value, %zero : f32"]
    return [
        f"%kernel{i} = util.global.load @kernel{i} : {kernel}",
        f"%bias{i} = util.global.load @bias{i} : {bias}",
        f"%empty{i} = tensor.empty() : {out}",
        f"%zeros{i} = linalg.fill ins(%zero : f32) outs(%empty{i} : {out}) -> {out}",
        f"%sums{i} = linalg.matmul ins({source}, %kernel{i} : {_tensor(size, depth)}, {kernel})"
        f" outs(%zeros{i} : {out}) -> {out}",
        f"%layer{i} = linalg.generic {{indexing_maps = [affine_map<(r, c) -> (r, c)>,"
        " affine_map<(r, c) -> (c)>, affine_map<(r, c) -> (r, c)>],"
        ' iterator_types = ["parallel", "parallel"]}'
        f" ins(%sums{i}, %bias{i} : {out}, {bias}) outs(%empty{i} : {out}) {{",
        "^bb0(%sum: f32, %shift: f32, %unused: f32):",
        "%value = arith.addf %sum, %shift : f32",
        *activation,
        f"linalg.yield {'%active' if activation else '%value'} : f32",
        f"}} -> {out}",
    ]


def _tensor(*shape: int) -> str:
    return f"tensor<{'x'.join(map(str, shape))}xf32>"
