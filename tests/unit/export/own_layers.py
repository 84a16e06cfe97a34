"""Custom classes, as a user gives them with --custom."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("own")
class Scaled(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, by: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        self.by = by

    def call(self, x: Any) -> Any:
        return self.by * x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "by": self.by}


@keras.saving.register_keras_serializable("own")
class Tower(keras.Model):  # type: ignore[misc]
    """A subclass, which has inputs only after a call."""

    def __init__(self, units: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.hidden = keras.layers.Dense(8, "relu")
        self.head = keras.layers.Dense(units, "softmax")

    def call(self, x: Any) -> Any:
        return self.head(self.hidden(x))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("own")
class Learned(keras.layers.Layer):  # type: ignore[misc]
    """A layer whose state is no weight."""

    by = 1.0

    def build(self, shape: Any) -> None:
        """Need nothing."""

    def call(self, x: Any) -> Any:
        return self.by * x

    def save_own_variables(self, store: Any) -> None:
        store["by"] = self.by

    def load_own_variables(self, store: Any) -> None:
        self.by = float(store["by"][()])


@keras.saving.register_keras_serializable("own")
class Fickle(keras.layers.Layer):  # type: ignore[misc]
    """A layer that computes otherwise in another dtype."""

    def call(self, x: Any) -> Any:
        return x * (2.0 if self.compute_dtype == "float16" else 1.0)
