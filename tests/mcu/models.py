"""Five models of microcontrollers: MNIST's own, LeNet, and three of MLPerf Tiny's four.

The convolutional ones are those of the benchmarks; the layers of the last three are those of MLPerf
Tiny's reference models (github.com/mlcommons/tiny). Their data sets are not here: they learn tasks
of the same form from random numbers, in a few steps, which leaves no layer as it was initialized.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import networks
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


def build(name: str, artifact: Path) -> Path:
    """Train and convert a model, unless the cache has it.

    Args:
        name: one of `MODELS`.
        artifact: that of the MNIST network.

    Returns:
        Its file in the cache, for `read`.
    """
    parts = [
        *(Path(__file__), Path(networks.__file__)),
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
    return kept


@functools.cache
def read(kept: Path) -> Built:
    """Read what `build` wrote."""
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
    """Digits."""
    from tests.models.zoo.training import fit, start

    start()
    images, labels = data.digits(3000)
    images = images[..., None]
    net = _convolutional("lenet", rescaled=True)
    fit(net, images[SAMPLES:], labels[SAMPLES:], epochs=1)
    return _Trained(net, images[-200:], images[:SAMPLES])


def _ds_cnn(_: Path) -> _Trained:
    """Keyword spotting: 12 words from 49 frames of 10 MFCCs."""
    from tests.models.zoo.training import fit, start

    start()
    sounds, labels = data.spectrograms(SAMPLES + 512)
    net = _convolutional("ds-cnn", rescaled=False)
    fit(net, sounds[SAMPLES:], labels[SAMPLES:], epochs=2, batch=16)
    return _Trained(net, sounds[SAMPLES : SAMPLES + 128], sounds[:SAMPLES])


def _resnet8(_: Path) -> _Trained:
    """Image classification: 10 classes of 32 x 32 pictures, as CIFAR-10 has them."""
    from tests.models.zoo.training import fit, start

    start()
    pictures, labels = data.shapes(SAMPLES + 384, 32)
    net = _convolutional("resnet8", rescaled=True)
    fit(net, pictures[SAMPLES:], labels[SAMPLES:], epochs=2, batch=16)
    return _Trained(net, pictures[SAMPLES : SAMPLES + 128], pictures[:SAMPLES])


def _autoencoder(_: Path) -> _Trained:
    """Anomaly detection: 5 frames of 128 bands of a machine's sound."""
    from tests.models.zoo.training import fit, start

    with quiet():
        import keras

    start()
    layers = keras.layers
    random = data.generator(2)
    bands, n = np.arange(128) / 128, SAMPLES + 1000
    turns = random.uniform(0.8, 1.2, (n, 6, 1))
    tones = np.exp(-((bands - np.linspace(0.1, 0.9, 6)[:, None]) ** 2) / 0.003)
    frames = (turns * tones).sum(1)[:, None, :] * random.uniform(0.95, 1.05, (n, 5, 1))
    sounds = (10 * frames - 30 + random.normal(0, 0.5, (n, 5, 128))).reshape(n, 640)
    sounds = sounds.astype(np.float32)
    net = keras.Sequential([keras.Input((640,))])
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.add(layers.Dense(width))
        net.add(layers.BatchNormalization(momentum=0.8))  # its averages adapt within few steps
        net.add(layers.ReLU())
    net.add(layers.Dense(640))
    fit(net, sounds[SAMPLES:], sounds[SAMPLES:], "mse", epochs=2)
    return _Trained(net, sounds[SAMPLES : SAMPLES + 200], sounds[:SAMPLES])


MODELS: Final[dict[str, Callable[[Path], _Trained]]] = {
    "mnist-mlp": _mnist_mlp,
    "lenet": _lenet,
    "ds-cnn": _ds_cnn,
    "resnet8": _resnet8,
    "autoencoder": _autoencoder,
}


def _convolutional(name: str, *, rescaled: bool) -> Any:
    """One of the networks that benchmarks time; `rescaled` if it takes bytes."""
    with quiet():
        import keras
    network = networks.NETWORKS[name]
    inputs = keras.Input(network.shape)
    hidden = keras.layers.Rescaling(1 / 255)(inputs) if rescaled else inputs
    answers = keras.layers.Dense(network.classes, activation="softmax")(network.layers(hidden))
    return keras.Model(inputs, answers)
