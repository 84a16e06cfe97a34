"""The network, with its preprocessing inside: raw pixels in, probabilities out."""

from typing import Any

import keras

from train.recipe import Network

INPUT = "image"
OUTPUT = "probabilities"
CLASSES = 10


def build(network: Network) -> Any:
    """Build an untrained Keras model.

    Its input ``image`` is float32 (N, 28, 28) holding raw pixels 0..255; its output
    ``probabilities`` is float32 (N, 10). It has plain layers only, so that any Keras loads the file
    with its safe mode on. The weights come from the seed given to :func:`train.backend.start`.
    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28), dtype="float32", name=INPUT),
            layers.Rescaling(1 / 255, name="rescale"),  # (N, 28, 28), now 0..1
            layers.Flatten(name="flatten"),  # (N, 784)
            *(
                layers.Dense(units, activation="relu", name=f"hidden_{number}")  # (N, units)
                for number, units in enumerate(network.hidden, start=1)
            ),
            layers.Dense(CLASSES, activation=network.head, name=OUTPUT),  # (N, 10)
        ],
        name="strop_mlp",
    )
