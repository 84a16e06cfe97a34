"""Batch normalization folded into the layer before it."""

from typing import Any

import keras
import numpy as np


def weights(trained: Any) -> list[Any]:
    """List the weights of the model without batch normalization that computes the same.

    A normalized layer computes ``gamma * (x @ kernel - mean) / deviation + beta``, which is
    ``x @ (kernel * scale) + (beta - mean * scale)`` with ``scale = gamma / deviation``.

    Args:
        trained: a Keras model in which each normalization follows a layer without a bias.

    Returns:
        Kernel and bias of each dense and convolutional layer, in order.
    """
    folded: list[Any] = []
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            scale = gamma / np.sqrt(variance + layer.epsilon)
            folded[-1] = folded[-1] * scale  # the last axis of a kernel is its output
            folded.append(beta - mean * scale)
        elif isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D)):
            folded += layer.get_weights()
    return folded
