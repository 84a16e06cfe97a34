"""emx-onnx-cgen: a compiler from ONNX to C, at its best from Python.

Two changes make it fast. First, its matrix products read a column of the weights, in the file's
order, which compilers optimize badly (4.2 us per image with gcc, 24 with clang); in a file with
transposed weights they read a row (1.8). Second, the generated net takes any number of images, so
here each call of it has a number of images that the compiler knows.

With the int8 file, every call of the net converts the weights to float32 again: for one image this
takes longer than the rest; in a block the images share the cost. If the weights were folded into
constants beforehand, they would be float32, and the result as large as the float32 file's, but not
faster.
"""

from __future__ import annotations

from math import prod
from typing import Any

from benchmarks.peers import Absent, Call, Loop
from benchmarks.peers.compiled_c import compile_module, open_module, require_compiler

ENVIRONMENT = "peers"
ENGINE = ""
INSTALLS = ()  # the device needs only the compiled net, not the package
LOOPS = (Loop("emx-onnx-cgen, C from Python", "onnx", ("float32", "int8"), dense=("float32",)),)

_INFER = """
static inline __attribute__((always_inline))
void some(int count, const uint8_t *pixels, float *out) {
#ifdef FLOAT_INPUT
    float in[count * PIXELS];
    for (int i = 0; i < count * PIXELS; i++)
        in[i] = pixels[i];
#else
    const uint8_t *in = pixels;
#endif
    net(count, (const void *)in, (void *)out);
}

__attribute__((flatten)) static void one(const uint8_t *pixels, float *out) {
    some(1, pixels, out);
}

__attribute__((flatten)) static void block(const uint8_t *pixels, float *out) {
    some(BLOCK, pixels, out);
}

static void infer(int images, const uint8_t *pixels, float *out) {
    int i = 0;
    for (; i + BLOCK <= images; i += BLOCK)
        block(pixels + i * PIXELS, out + i * CLASSES);
    for (; i < images; i++)
        one(pixels + i * PIXELS, out + i * CLASSES);
}
"""


def build(loop: str, precision: str, path: str, folder: str) -> str:
    """Compile the network from an .onnx file; `benchmarks.peers` describes the arguments.

    Raises:
        Absent: emx-onnx-cgen or a C compiler is missing, or it cannot turn this file into C.
    """
    import subprocess
    import sys
    from pathlib import Path

    require_compiler()
    model, code = Path(folder) / "net.onnx", Path(folder) / "net.c"
    pixels, classes, block = _transpose_weights(path, str(model))
    # Weights and layer results are in the C code, not in a file or on the heap.
    options = ["--model-name", "net", "--large-weight-threshold", "0"]
    options += ["--large-temp-threshold", "0", "--restrict-arrays"]
    command = [sys.executable, "-m", "emx_onnx_cgen", "compile", *options, str(model), str(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()[-300:]
        raise Absent(f"emx-onnx-cgen cannot turn this file into C: {reason}")
    define = "#define FLOAT_INPUT\n" if precision == "float32" else ""
    sizes = f"enum {{ BLOCK = {block}, PIXELS = {pixels}, CLASSES = {classes} }};\n"
    infer = define + sizes + _INFER
    return compile_module(code.read_text(encoding="utf-8") + infer, folder, classes=classes)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the compiled module; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    return open_module(path)


def _transpose_weights(path: str, to: str) -> tuple[int, int, int]:
    """Transpose the weights of every product to (outputs, inputs); the results are the same.

    Returns:
        The number of values of one sample and of its answer, and of samples at a time: up to 32
        of a dense network, whose values between the layers then stay in the caches; one of a
        convolutional network, whose values of 32 samples do not fit the stack.
    """
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError as error:
        raise Absent(f"{error}; pip install emx-onnx-cgen") from error

    def put(node: Any, name: str, value: int) -> None:
        kept = [attribute for attribute in node.attribute if attribute.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])

    model = onnx.load(path)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    for node in model.graph.node:
        if node.op_type != "Gemm":
            continue
        name = node.input[1]
        if name not in weights:  # dequantized first, with a scale for every output
            put(makers[name], "axis", 0)
            name = makers[name].input[0]
        turned = numpy_helper.to_array(weights[name]).T.copy()
        weights[name].CopyFrom(numpy_helper.from_array(turned, name))
        put(node, "transB", 1)
    onnx.checker.check_model(model)
    onnx.save(model, to)
    ends = model.graph.input[0], model.graph.output[0]
    shapes = ([one.dim_value for one in end.type.tensor_type.shape.dim[1:]] for end in ends)
    pixels, classes = map(prod, shapes)
    is_dense = all(node.op_type != "Conv" for node in model.graph.node)
    return pixels, classes, 32 if is_dense else 1
