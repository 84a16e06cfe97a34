"""The extreme values of each layer for each sample, as Keras computes them.

A quantizer takes a tensor's range from these values. All of them would not fit into memory, and
only the outermost count, so the smallest and the largest few of each sample are kept.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop_export.formats import quiet

if TYPE_CHECKING:
    import keras

INNER = 0.9999  # the share of values in the inner range
_FEWEST_KEPT = 16  # at each end of a sample's values
_MOST_VALUES = 2**28  # of all layers and samples; a larger model is measured on fewer samples
_MOST_AT_ONCE = 2**24  # of one layer, in one batch
_LARGEST_BATCH = 250


@dataclass
class Layer:
    """The extreme values of one layer's output, sample by sample.

    Attributes:
        name: the layer's name; numbered if an earlier one has the same.
        size: how many values it gives for a sample.
        low: (N, kept), the smallest values of each sample, sorted.
        high: (N, kept), the largest, sorted.
    """

    name: str
    size: int = 0
    low: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    high: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    @property
    def is_finite(self) -> bool:
        """Whether no value is NaN or infinity."""
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    def same_as(self, other: Layer) -> bool:
        """Tell whether a layer has the values of another, which it only moves."""
        return np.array_equal(self.low[:, 0], other.low[:, 0]) and np.array_equal(
            self.high[:, -1], other.high[:, -1]
        )


def measure(
    model: keras.Model,
    names: Sequence[str],
    samples: Sequence[NDArray[Any]],
    *,
    inner: bool = True,
) -> tuple[Layer, ...]:
    """Measure each layer's values, in the order in which Keras computes them.

    Layers that only move values, such as Flatten, are left out, and so are those that give
    integers.

    Args:
        model: a model that takes and returns lists.
        names: the names of its inputs; those of floats count as layers.
        samples: (N, ...) for each input.
        inner: keep what the inner ranges need; else only the extremes, which is much faster.

    Returns:
        The layers. They hold fewer than N samples, evenly spaced, if the model is too large.
    """
    found: dict[int, Layer] = {}

    def size_up(key: int, name: str, values: NDArray[np.float32]) -> None:
        if key not in found:
            times = sum(layer.name.partition(" ")[0] == name for layer in found.values())
            found[key] = Layer(f"{name} ({times + 1})" if times else name)
        found[key].size += values.shape[1]

    # With one sample, a table of positions (1, ...) would pass for its values.
    _run(model, names, [array[:2] for array in samples], size_up)
    sizes = [layer.size for layer in found.values()]
    count = len(samples[0])
    fitting = max(1, min(count, _MOST_VALUES // max(sum(sizes), 1)))
    chosen = np.linspace(0, count - 1, fitting).round().astype(np.int64)
    batch = max(1, min(_LARGEST_BATCH, _MOST_AT_ONCE // max((1, *sizes))))
    kept = {key: _kept(layer.size) if inner else 1 for key, layer in found.items()}
    parts: dict[int, list[tuple[NDArray[np.float32], ...]]] = {key: [] for key in found}
    for start in range(0, fitting, batch):
        rows = chosen[start : start + batch]
        seen: dict[int, list[NDArray[np.float32]]] = {key: [] for key in found}

        def keep(
            key: int, name: str, values: NDArray[np.float32], seen: dict[int, Any] = seen
        ) -> None:
            if key in seen:
                seen[key].append(_ends(values, kept[key]))

        _run(model, names, [array[rows] for array in samples], keep)
        for key, ends in ((key, ends) for key, ends in seen.items() if ends):
            both = _ends(np.concatenate(ends, axis=1), kept[key])
            parts[key].append((both[:, : kept[key]], both[:, -kept[key] :]))
    layers: list[Layer] = []
    for key, layer in found.items():
        if sum(len(low) for low, _ in parts[key]) < fitting:  # it does not depend on the sample
            continue
        layer.low, layer.high = map(np.concatenate, zip(*parts[key], strict=True))
        if not any(map(layer.same_as, layers)):
            layers.append(layer)
    return tuple(layers)


def _kept(size: int) -> int:
    """Return how many values of a sample to keep at each end: four times those outside `INNER`.

    Args:
        size: how many values a sample has.
    """
    return min(size, _FEWEST_KEPT + math.ceil(4 * size * (1 - INNER) / 2))


def _ends(values: NDArray[np.float32], kept: int) -> NDArray[np.float32]:
    """Return the smallest and the largest values of each row, sorted; all if those are not fewer.

    Args:
        values: (N, M).
        kept: how many at each end.
    """
    size = values.shape[1]
    if kept == 1:
        return np.stack([values.min(axis=1), values.max(axis=1)], axis=1)
    if size > 2 * kept:
        values = np.partition(values, (kept - 1, size - kept), axis=1)
        values = np.concatenate([values[:, :kept], values[:, -kept:]], axis=1)
    return np.sort(values, axis=1)


def _run(
    model: keras.Model,
    names: Sequence[str],
    samples: Sequence[NDArray[Any]],
    see: Callable[[int, str, NDArray[np.float32]], None],
) -> None:
    """Run a model, and show each layer's values: a key, its name, and float32 (N, values)."""
    count = len(samples[0])

    def show(key: int, name: str, tensor: Any) -> None:
        if tensor.shape and tensor.shape[0] == count and "float" in str(tensor.dtype):
            see(key, name, np.asarray(tensor, np.float32).reshape(count, -1))

    feed = [array.astype(tensor.dtype) for array, tensor in zip(samples, model.inputs, strict=True)]
    for i, (name, array) in enumerate(zip(names, samples, strict=True)):
        show(i, name, array)  # the dtype that the app gives: the range of bytes is known
    with quiet(), _watched(model, show):
        model(feed, training=False)


@contextlib.contextmanager
def _watched(model: keras.Model, show: Callable[[int, str, Any], None]) -> Iterator[None]:
    """Show each tensor that an operation of Keras gives in the block, those of inner models too."""
    import keras
    import tensorflow as tf

    original = keras.Operation.__call__
    layers = list(model._flatten_layers())
    own = {id(o) for layer in layers for o in (layer, *getattr(layer, "operations", ()))}
    own.remove(id(model))  # its outputs are those of its layers

    def call(operation: Any, *args: Any, **options: Any) -> Any:
        answer = original(operation, *args, **options)
        if id(operation) in own:  # not those that a layer makes for one call
            for tensor in keras.tree.flatten(answer):
                if tf.is_tensor(tensor) and not tf.is_symbolic_tensor(tensor):
                    show(id(operation), operation.name, tensor)
        return answer

    keras.Operation.__call__ = call
    try:
        yield
    finally:
        keras.Operation.__call__ = original
