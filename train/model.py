"""The network, with its preprocessing inside: raw pixels in, probabilities out."""

from typing import Any

import keras

from train import fold
from train.recipe import Network

INPUT = "image"
OUTPUT = "probabilities"
CLASSES = 10


def build(network: Network) -> Any:
    """Build an untrained Keras model.

    Its input ``image`` is float32 (N, 28, 28) holding raw pixels 0..255; its output
    ``probabilities`` is float32 (N, 10). It has plain layers only, so that any Keras loads the file
    with its safe mode on.
    """
    return _stack(network, normalized=False, activation=network.head)


def build_for_training(network: Network, seed: int, *, logits: bool) -> Any:
    """Build an untrained Keras model of the same function, in the form that is trained.

    It normalizes batches if the network asks for it; :func:`finish` makes the plain model of it.

    Args:
        network: the network.
        seed: the seed of the initial weights.
        logits: output logits, not probabilities.
    """
    keras.utils.set_random_seed(seed)
    activation = None if logits else network.head
    return _stack(network, normalized=network.batch_normalization, activation=activation)


def finish(network: Network, trained: Any) -> Any:
    """Make the plain model that computes the same as a trained one.

    Args:
        network: the network.
        trained: a model that :func:`build_for_training` built.

    Returns:
        A model like that of :func:`build`.
    """
    finished = build(network)
    finished.set_weights(fold.weights(trained))
    return finished


def _stack(network: Network, *, normalized: bool, activation: str | None) -> Any:
    layers = keras.layers
    stack: list[Any] = [
        keras.Input(shape=(28, 28), dtype="float32", name=INPUT),
        layers.Rescaling(1 / 255, name="rescale"),  # (N, 28, 28), now 0..1
        layers.Flatten(name="flatten"),  # (N, 784)
    ]
    for number, units in enumerate(network.hidden, start=1):
        name = f"hidden_{number}"
        if normalized:
            stack += [
                layers.Dense(units, use_bias=False, name=name),  # (N, units)
                layers.BatchNormalization(name=f"normalization_{number}"),
                layers.ReLU(name=f"relu_{number}"),
            ]
        else:
            stack.append(layers.Dense(units, activation="relu", name=name))  # (N, units)
    stack.append(layers.Dense(CLASSES, activation=activation, name=OUTPUT))  # (N, 10)
    return keras.Sequential(stack, name="strop_mlp")
