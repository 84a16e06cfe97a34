"""Five models of microcontrollers: MNIST's own, LeNet, and three of MLPerf Tiny's four.

The layers of the last three are exactly those of MLPerf Tiny's reference models
(github.com/mlcommons/tiny). Their data sets are not here: they learn tasks of the same form from
random numbers, in a few steps, which leaves no layer as it was initialized.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.formats import Conversions, VariantSpec, quiet
from tests.environments import CACHE, ROOT
from tests.models.zoo import data

Array = NDArray[Any]
SAMPLES: Final = 1000


class Built(NamedTuple):
    """A model's files, and samples that it did not learn from.

    Attributes:
        tflite: the int8 file.
        plan: the same as a plan, with the rounding `reference`.
        samples: (1000, ...), as the sensor gives them.
    """

    tflite: bytes
    plan: bytes
    samples: Array


class _Trained(NamedTuple):
    net: Any
    calibration: Array
    samples: Array


def built(name: str, artifact: Path) -> Built:
    """Train and convert a model, or take it from the cache.

    Args:
        name: one of `MODELS`.
        artifact: that of the MNIST network.
    """
    parts = [
        Path(__file__),
        *sorted((ROOT / "export" / "src" / "strop_export" / "formats").iterdir()),
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in parts if path.suffix == ".py"))
    digest.update((artifact / "model.keras").read_bytes())
    kept = CACHE / "mcu" / f"{name}-{digest.hexdigest()[:16]}.npz"
    if not kept.is_file():
        trained = MODELS[name](artifact)
        conversions = Conversions(trained.net, [trained.calibration])
        specs = (VariantSpec("tflite", "int8"), VariantSpec("plan", "int8", rounding="reference"))
        tflite, plan = (np.frombuffer(conversions.convert(spec).data, np.uint8) for spec in specs)
        kept.parent.mkdir(parents=True, exist_ok=True)
        for old in kept.parent.glob(f"{name}-*.npz"):
            old.unlink()
        np.savez(kept, tflite=tflite, plan=plan, samples=trained.samples)
    with np.load(kept) as content:
        return Built(content["tflite"].tobytes(), content["plan"].tobytes(), content["samples"])


def _mnist_mlp(artifact: Path) -> _Trained:
    """The network of `make train`."""
    with quiet():
        import keras
    with np.load(artifact / "calibration.npz") as calibration:
        given = calibration["inputs"]
    with np.load(artifact / "evaluation.npz") as evaluation:
        samples = evaluation["inputs"][:SAMPLES]
    return _Trained(keras.models.load_model(artifact / "model.keras"), given, samples)


def _lenet(_: Path) -> _Trained:
    """LeNet-5 (LeCun et al., 1998), with the ReLU and max pooling that it is built with today."""
    from tests.models.zoo.training import fit, start

    start()
    layers = _layers()
    images, labels = data.digits(3000)
    images = images[..., None]
    net = _sequential(
        (28, 28, 1),
        layers.Rescaling(1 / 255),
        layers.Conv2D(6, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(16, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(120, activation="relu"),
        layers.Dense(84, activation="relu"),
        layers.Dense(10, activation="softmax"),
    )
    fit(net, images[SAMPLES:], labels[SAMPLES:], epochs=1)
    return _Trained(net, images[-200:], images[:SAMPLES])


def _ds_cnn(_: Path) -> _Trained:
    """Keyword spotting: 12 words from 49 frames of 10 MFCCs."""
    from tests.models.zoo.training import fit, start

    start()
    layers = _layers()
    sounds, labels = data.spectrograms(SAMPLES + 512)
    stack = [*_normed(layers.Conv2D(64, (10, 4), 2, "same")), layers.Dropout(0.2)]
    for _block in range(4):
        stack += _normed(layers.DepthwiseConv2D(3, padding="same"))
        stack += _normed(layers.Conv2D(64, 1, padding="same"))
    stack += [layers.Dropout(0.4), layers.AveragePooling2D((25, 5)), layers.Flatten()]
    net = _sequential((49, 10, 1), *stack, layers.Dense(12, activation="softmax"))
    fit(net, sounds[SAMPLES:], labels[SAMPLES:], epochs=1)
    return _Trained(net, sounds[SAMPLES : SAMPLES + 128], sounds[:SAMPLES])


def _resnet8(_: Path) -> _Trained:
    """Image classification: 10 classes of 32 x 32 pictures, as CIFAR-10 has them."""
    from tests.models.zoo.training import fit, start

    with quiet():
        import keras

    start()
    layers = keras.layers
    pictures, labels = data.shapes(SAMPLES + 384, 32)
    inputs = keras.Input((32, 32, 3))
    hidden = _through(layers.Rescaling(1 / 255)(inputs), _normed(layers.Conv2D(16, 3, 1, "same")))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        branch = _through(hidden, _normed(layers.Conv2D(filters, 3, strides, "same")))
        branch = layers.Conv2D(filters, 3, padding="same")(branch)
        branch = layers.BatchNormalization(momentum=0.8)(branch)
        if strides > 1:
            hidden = layers.Conv2D(filters, 1, strides, "same")(hidden)
        hidden = layers.ReLU()(layers.Add()([hidden, branch]))
    hidden = layers.Flatten()(layers.AveragePooling2D(8)(hidden))
    net = keras.Model(inputs, layers.Dense(10, activation="softmax")(hidden))
    fit(net, pictures[SAMPLES:], labels[SAMPLES:], epochs=1, batch=32)
    return _Trained(net, pictures[SAMPLES : SAMPLES + 128], pictures[:SAMPLES])


def _autoencoder(_: Path) -> _Trained:
    """Anomaly detection: 5 frames of 128 bands of a machine's sound."""
    from tests.models.zoo.training import fit, start

    start()
    layers = _layers()
    random = data.generator(2)
    bands, n = np.arange(128) / 128, SAMPLES + 1000
    turns = random.uniform(0.8, 1.2, (n, 6, 1))
    tones = np.exp(-((bands - np.linspace(0.1, 0.9, 6)[:, None]) ** 2) / 0.003)
    frames = (turns * tones).sum(1)[:, None, :] * random.uniform(0.95, 1.05, (n, 5, 1))
    sounds = (10 * frames - 30 + random.normal(0, 0.5, (n, 5, 128))).reshape(n, 640)
    sounds = sounds.astype(np.float32)
    widths = (128, 128, 128, 128, 8, 128, 128, 128, 128)
    stack = [layer for width in widths for layer in _normed(layers.Dense(width))]
    net = _sequential((640,), *stack, layers.Dense(640))
    fit(net, sounds[SAMPLES:], sounds[SAMPLES:], "mse", epochs=2)
    return _Trained(net, sounds[SAMPLES : SAMPLES + 200], sounds[:SAMPLES])


MODELS: Final[dict[str, Callable[[Path], _Trained]]] = {
    "mnist-mlp": _mnist_mlp,
    "lenet": _lenet,
    "ds-cnn": _ds_cnn,
    "resnet8": _resnet8,
    "autoencoder": _autoencoder,
}


def _layers() -> Any:
    with quiet():
        import keras
    return keras.layers


def _sequential(shape: tuple[int, ...], *stack: Any) -> Any:
    with quiet():
        import keras
    return keras.Sequential([keras.Input(shape), *stack])


def _normed(layer: Any) -> list[Any]:
    """A layer, its BatchNormalization, which adapts within few steps, and a ReLU."""
    layers = _layers()
    return [layer, layers.BatchNormalization(momentum=0.8), layers.ReLU()]


def _through(hidden: Any, stack: list[Any]) -> Any:
    for layer in stack:
        hidden = layer(hidden)
    return hidden
