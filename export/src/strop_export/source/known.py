"""The classes that a model's file may name without trust: those of Keras that only compute.

Loading makes Keras import the module and call the class that a file names. tf-keras imports any
module, and some layers of Keras 2 call a function of TensorFlow by its name, also one that deletes
files. So what is not listed here is refused before Keras or tf-keras is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODELS: Final = ("Functional", "Model", "Sequential")
# The layers that Keras 2 and Keras 3 both have.
LAYERS: Final = _names("""
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
    AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D
    BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose
    Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D
    Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose
    Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot
    Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D
    GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization HashedCrossing
    Hashing Identity InputLayer IntegerLookup LSTM LSTMCell Lambda LayerNormalization LeakyReLU
    Masking MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum
    MultiHeadAttention Multiply Normalization PReLU Permute RNN RandomBrightness RandomContrast
    RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom ReLU RepeatVector Rescaling
    Reshape Resizing SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D
    SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D
    SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization TimeDistributed
    UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
    ZeroPadding3D
    """)
# What their settings may hold, by the module of Keras that has it.
SETTINGS: Final = {
    "initializers": _names("""
        Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform
        Ones Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
        """),
    "regularizers": _names("L1 L1L2 L2 OrthogonalRegularizer"),
    "constraints": _names("MaxNorm MinMaxNorm NonNeg UnitNorm"),
    "mixed_precision": _names("Policy DTypePolicy LossScaleOptimizer"),
    # How a model inside another was compiled.
    "optimizers": _names(
        "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lion Nadam RMSprop SGD"
    ),
    "optimizers.schedules": _names("""
        CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay
        PolynomialDecay
        """),
    "losses": _names("""
        BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy
        CategoricalFocalCrossentropy CategoricalHinge CosineSimilarity Hinge Huber KLDivergence
        LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
        MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy SquaredHinge
        """),
    "metrics": _names("""
        AUC Accuracy BinaryAccuracy CategoricalAccuracy F1Score FalseNegatives FalsePositives
        MeanIoU Precision R2Score Recall RootMeanSquaredError SparseCategoricalAccuracy
        SparseTopKCategoricalAccuracy TopKCategoricalAccuracy TrueNegatives TruePositives
        """),
}
_DATA: Final = frozenset(
    (
        *("__bytes__", "__ellipsis__", "__keras_tensor__", "__lambda__", "__numpy__", "__slice__"),
        *("__tensor__", "__tuple__", "TensorShape"),
    )
)
_CLASSES: Final = LAYERS.union(MODELS, *SETTINGS.values())
_CONSTANT: Final = "_CONSTANT_VALUE"  # in place of a tensor that Keras 2 gives to a layer
_PUBLIC: Final = (
    r"(\.(layers|initializers|regularizers|constraints|losses|metrics|mixed_precision"
    r"|optimizers(\.(legacy|schedules))?|dtype_policies|quantizers|random))?"
)
_MODULES: Final = {
    2: re.compile(rf"(tf_)?keras({_PUBLIC}|(\.src)?\.engine\.(functional|sequential))"),
    3: re.compile(rf"keras({_PUBLIC}|\.src\.ops\.\w+|\.src\.models\.\w+)"),
}
_CLASS: Final = re.compile(r"[A-Z]\w*", re.ASCII)  # a function of Keras may read files


def nodes_of(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every object of a config that names a class."""
    for value in _values(config):
        if isinstance(value, dict) and isinstance(value.get("class_name"), str):
            yield value


def strangers(config: dict[str, Any], version: int) -> list[str]:
    """List the classes and functions that a config names and this version of Keras has not.

    Args:
        config: the config of a model.
        version: of the Keras that wrote it, 2 or 3.
    """
    found = {name for node in nodes_of(config) if (name := _stranger(node, version))}
    if version == 2 and any(isinstance(v, list) and v[:1] == [_CONSTANT] for v in _values(config)):
        found.add("a constant in place of a tensor")
    return sorted(ascii(name)[1:-1] for name in found)


def _stranger(node: dict[str, Any], version: int) -> str:
    kind, own = node["class_name"], node.get("config")
    name = str(own if kind == "function" else kind).rpartition(">")[2]
    module, registered = node.get("module"), node.get("registered_name")
    is_class = kind in _CLASSES if version == 2 else _CLASS.fullmatch(kind) is not None
    is_public = module is None or _MODULES[version].fullmatch(str(module)) is not None
    if (is_class or kind in _DATA) and is_public and registered in (None, kind):
        return ""
    if version == 3:
        return name
    name = name if is_public else f"{module}.{name}"
    title = own.get("name") if isinstance(own, dict) else None
    return f"{name} (layer {title!r})" if isinstance(title, str) else name


def _values(config: dict[str, Any]) -> Iterator[Any]:
    """Yield a config and all objects and lists in it."""
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            yield value
            waiting += value.values() if isinstance(value, dict) else value
