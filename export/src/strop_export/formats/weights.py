"""Stacks of dense layers as plain arrays, for an engine that needs only NumPy.

The file is an uncompressed .npz, a ZIP of .npy members (numpy.lib.format), without pickles:

- `scale`, `offset`: float32 scalars; the network gets `x * scale + offset`, flattened
- `kernel_0`, `bias_0`, `kernel_1`, ...: float32 (in, out) and (out,)
- `activations`: unicode (layers,), each `linear`, `relu`, `sigmoid` or `softmax`
"""

import io
from typing import Any, Final

import keras
import numpy as np

from strop.bundle.manifest import FileTensor
from strop_export.errors import UnsupportedLayer
from strop_export.formats.base import Converted, Names
from strop_export.formats.graph import is_scalar_rescaling, rebuild

_ACTIVATIONS: Final = {
    keras.activations.linear: "linear",
    keras.activations.relu: "relu",
    keras.activations.sigmoid: "sigmoid",
    keras.activations.softmax: "softmax",
}


def convert_weights(model: keras.Model, names: Names) -> Converted:
    """Write the weights of a stack of dense layers, unchanged; see `strop_export.formats.convert`.

    Such a stack is at most one Rescaling, then a sequence of Dense layers, with any Flatten and
    Dropout. Input and output are float32 (batch, ...).

    Args:
        model: the model.
        names: the names of the file's input and output.

    Raises:
        UnsupportedLayer: the model has any other layer; the message names the first.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedLayer(
            f"a model of {len(model.inputs)} inputs and {len(model.outputs)} outputs cannot be "
            "written as weights, which are a stack of layers",
            "use tflite or onnx for this model",
        )
    stack = _Stack()
    rebuild(model, call_function=stack.call)  # calls each layer, in the order of computation
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **stack.arrays())
    return Converted(
        file.getvalue(),
        (FileTensor(names.inputs[0], (None, *model.inputs[0].shape[1:]), "float32"),),
        (FileTensor(names.outputs[0], (None, *model.outputs[0].shape[1:]), "float32"),),
    )


class _Stack:
    """The layers so far; each must take only the output of the one before it."""

    def __init__(self) -> None:
        self._rescaling: keras.layers.Rescaling | None = None
        self._dense: list[keras.layers.Dense] = []
        self._last: Any = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of the file, by name, as the module's docstring lists them."""
        rescaling = self._rescaling or keras.layers.Rescaling(1.0)
        arrays = {
            "scale": np.asarray(rescaling.scale, np.float32),
            "offset": np.asarray(rescaling.offset, np.float32),
        }
        for i, layer in enumerate(self._dense):
            kernel = np.asarray(layer.kernel)
            arrays[f"kernel_{i}"] = kernel
            arrays[f"bias_{i}"] = (
                np.asarray(layer.bias) if layer.use_bias else np.zeros_like(kernel[0])
            )
        arrays["activations"] = np.array([_ACTIVATIONS[layer.activation] for layer in self._dense])
        return arrays

    def call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        (tensor, *more) = args
        if more or (self._last is not None and tensor is not self._last):
            raise _unsupported(layer, "its input is not only the layer before it")
        if isinstance(layer, keras.layers.Dense):
            if layer.activation not in _ACTIVATIONS:
                raise _unsupported(layer, "its activation is not linear, relu, sigmoid or softmax")
            if len(tensor.shape) != 2:
                raise _unsupported(layer, "its input is not flat; put a Flatten before it")
            self._dense.append(layer)
        elif is_scalar_rescaling(layer):
            if self._rescaling or self._dense:
                raise _unsupported(layer, "only the first layer may rescale")
            self._rescaling = layer
        elif not isinstance(layer, (keras.layers.Flatten, keras.layers.Dropout)):
            raise _unsupported(layer, "the weights format has Dense layers only")
        self._last = layer(*args, **kwargs)
        return self._last


def _unsupported(layer: Any, reason: str) -> UnsupportedLayer:
    return UnsupportedLayer(
        f"layer {layer.name!r} ({type(layer).__name__}) cannot be written as weights: {reason}",
        "use tflite or onnx for this model",
    )
