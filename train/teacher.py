"""The teacher: a convolutional network that labels the images of a distillation."""

from typing import Any

import keras

from train import fold
from train.model import CLASSES, INPUT
from train.recipe import Teacher

_DROPOUT = 0.3


def build(teacher: Teacher, seed: int) -> Any:
    """Build an untrained teacher.

    Its input ``image`` is float32 (N, 28, 28) holding raw pixels 0..255; its output is float32
    (N, 10), logits.

    Args:
        teacher: the teacher's part of a recipe.
        seed: the seed of the initial weights and the dropout.
    """
    keras.utils.set_random_seed(seed)
    return _stack(teacher, seed, normalized=True)


def finish(teacher: Teacher, trained: Any) -> Any:
    """Make a teacher that computes the same as a trained one, in less time."""
    finished = _stack(teacher, 0, normalized=False)
    finished.set_weights(fold.weights(trained))
    return finished


def _stack(teacher: Teacher, seed: int, *, normalized: bool) -> Any:
    layers = keras.layers
    stack: list[Any] = [
        keras.Input(shape=(28, 28), dtype="float32", name=INPUT),
        layers.Rescaling(1 / 255),
        layers.Reshape((28, 28, 1)),
    ]
    for number, filters in enumerate(teacher.filters, start=1):
        if normalized:
            stack += [
                layers.Conv2D(filters, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
            ]
        else:
            stack.append(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        if number % 2 == 1:
            stack.append(layers.MaxPooling2D(padding="same"))
    stack += [layers.Flatten(), layers.Dropout(_DROPOUT, seed=seed), layers.Dense(CLASSES)]
    return keras.Sequential(stack, name="teacher")
