"""emlearn: dense networks as C for microcontrollers, at its best from Python.

`emlearn.convert` takes a scikit-learn or a Keras model, and also builds two test programs in the
working directory. Its generator, `emlearn.net`, takes plain weights, gives the same C and needs
neither package. It writes weights with six decimals, which is enough here.

Its `eml_net_predict_proba` knows each layer's size only at run time, so no compiler can vectorize
it (24 us per image), and it refuses outputs that do not add up to one, such as a sigmoid's. Its
`inline` method would write the layers out, but fails on every net in 0.23.2. So this module calls
its kernel, `eml_net_forward`, layer by layer, as that method should (4 us).
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import Absent, Call, Loop
from benchmarks.peers.compiled_c import compile_module, open_module, require_compiler

ENVIRONMENT = "peers"
ENGINE = ""
INSTALLS = ()  # the device needs only the compiled net, not the package
LOOPS = (Loop("emlearn, C from Python", "weights", ("float32",)),)

_NAMES = {"linear": "identity", "sigmoid": "logistic"}  # Keras's name -> emlearn's


def build(loop: str, precision: str, path: str, folder: str) -> str:
    """Compile the network from its weights; `benchmarks.peers` describes the arguments.

    Raises:
        Absent: emlearn or a C compiler is missing.
    """
    import numpy as np

    require_compiler()
    try:
        with np.errstate():  # on import it turns NumPy's warnings into errors for the whole process
            import emlearn
            from emlearn import net
    except ImportError as error:  # it needs distutils, which Python 3.12 does not have
        raise Absent(f"{error}; pip install emlearn setuptools") from error

    with np.load(path) as weights:
        layers = range(len(weights["activations"]))
        activations = [_NAMES.get(str(name), str(name)) for name in weights["activations"]]
        kernels = [weights[f"kernel_{layer}"] for layer in layers]
        biases = [weights[f"bias_{layer}"] for layer in layers]
        scale, offset = (float(weights[name]).hex() for name in ("scale", "offset"))
    source = net.c_generate_net_loadable(activations, kernels, biases, "net")
    shapes = [kernel.shape for kernel in kernels]
    functions = [net.c_activation_function(name) for name in activations]
    source += _infer(shapes, functions, scale, offset)
    return compile_module(source, folder, (emlearn.includedir,))


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the compiled module; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    return open_module(path)


def _infer(shapes: list[Any], functions: list[str], scale: str, offset: str) -> str:
    """Write C that runs the layers, with all sizes as constants.

    Args:
        shapes: (in, out) of each layer's kernel.
        functions: emlearn's name of each layer's activation.
        scale: the scale of the pixels, as a hexadecimal float.
        offset: the offset of the pixels, as a hexadecimal float.
    """
    pixels, classes, last = shapes[0][0], shapes[-1][1], len(shapes) - 1
    arrays, calls, source = [], [], "in"
    for layer, ((inputs, outputs), function) in enumerate(zip(shapes, functions, strict=True)):
        target = "out" if layer == last else f"layer_{layer}"
        if layer != last:
            arrays.append(f"float {target}[{outputs}];")
        data = f"net_layer_{layer}_weights, net_layer_{layer}_biases"
        calls.append(
            f"eml_net_forward({source}, {inputs}, {data}, {function}, {target}, {outputs});"
        )
        source = target
    between = "\n        "
    return f"""
__attribute__((flatten)) static void infer(int images, const uint8_t *pixels, float *out) {{
    for (int i = 0; i < images; i++, pixels += {pixels}, out += {classes}) {{
        float in[{pixels}];
        for (int pixel = 0; pixel < {pixels}; pixel++)
            in[pixel] = pixels[pixel] * {scale}f + {offset}f;
        {between.join([*arrays, *calls])}
    }}
}}
"""
