"""Classes that a model file names and Keras lacks, for `--custom`."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="zoo")
class Scaled(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A learnt factor."""

    def build(self, shape: Any) -> None:
        """Make the one weight."""
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, inputs: Any) -> Any:
        """Multiply by it."""
        return inputs * self.factor


@keras.saving.register_keras_serializable(package="zoo")
class SmallNet(keras.Model):  # type: ignore[misc]
    """A subclassed model of pictures 28 x 28."""

    def __init__(self, filters: int, classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters, self.classes = filters, classes
        layers = keras.layers
        self.scale = layers.Rescaling(1 / 255)
        self.look = layers.Conv2D(filters, 3, strides=2, activation="relu")
        self.pool = layers.MaxPooling2D()
        self.flat = layers.Flatten()
        self.factor = Scaled()
        self.tell = layers.Dense(classes, activation="softmax")

    def call(self, inputs: Any) -> Any:
        """Return the probabilities of the classes."""
        return self.tell(self.factor(self.flat(self.pool(self.look(self.scale(inputs))))))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "classes": self.classes}
