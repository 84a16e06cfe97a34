"""Strop's own engine: plans of dense and convolutional nets, in C; any CPU has the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import strop_native

from strop.bundle.manifest import ROUNDINGS
from strop.engines.batches import LARGEST_BATCH, count, in_parts, require_same

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import FileTensor, Variant

_ROUNDING_AT = 12  # in the header: the place in ROUNDINGS


class NativeSession:
    """A prepared plan: any number of callers at once.

    Attributes:
        checked: runs a valid array, or returns None for `Model` to say what is wrong with it; its
            checks are those of `Model`, in C.
    """

    thread_safe = True
    batch: int | None = None
    largest = LARGEST_BATCH
    adapter = ""

    def __init__(self, plan: bytes, variant: Variant) -> None:
        model = strop_native.Model(plan)
        _require_same_borders("inputs", variant.inputs, model.inputs)
        _require_same_borders("outputs", variant.outputs, model.outputs)
        rounding = ROUNDINGS[plan[_ROUNDING_AT]]
        if rounding != (variant.rounding or ROUNDINGS[0]):
            raise ValueError(f"it rounds as {rounding}, in the manifest as {variant.rounding}")
        self.checked: Callable[[Any], NDArray[Any] | None] = model.predict
        self._model = model
        self._dtypes = tuple(np.dtype(tensor.dtype) for tensor in variant.inputs)

    def run(self, samples: Any) -> Any:
        """Run an array (N, ...), or a tuple of them, of any layout in memory and any real dtype.

        Returns:
            (N, ...), a new array, or a tuple of them.
        """
        if count(samples) > LARGEST_BATCH:  # a copy of all might not fit into memory
            return in_parts(self.run, samples)
        arrays = samples if isinstance(samples, tuple) else (samples,)
        pairs = zip(arrays, self._dtypes, strict=True)
        # The view gives an array NumPy's own dtype object: one that was unpickled only equals it.
        ready = tuple(np.require(array, dtype, ["C", "A"]).view(dtype) for array, dtype in pairs)
        results = self._model.run(ready)
        return results if len(results) > 1 else results[0]

    def is_busy(self) -> bool:
        """Tell whether a thread is inside a large batch."""
        return self._model.is_busy()

    def close(self) -> None:
        """Let go of the prepared plan."""
        del self.checked, self._model


def _require_same_borders(
    kind: str, listed: tuple[FileTensor, ...], found: tuple[tuple[str, Any, Any], ...]
) -> None:
    """Check that a plan's inputs, or its outputs, are those of the manifest."""
    if len(found) != len(listed):
        raise ValueError(f"it has {len(found)} {kind}, {len(listed)} in the manifest")
    for tensor, (name, dtype, shape) in zip(listed, found, strict=True):
        if name != tensor.name:
            raise ValueError(f"{tensor.name} is called {name} in the file")
        require_same(tensor, dtype.name, (None, *shape))


class NativeEngine:
    """Strop's own engine."""

    def version(self) -> str:
        """Return the version of strop-native."""
        return strop_native.__version__

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> NativeSession:
        """Check and prepare a plan.

        Raises:
            ValueError: it is no plan, or not the one that the manifest describes.
        """
        return NativeSession(model, variant)


ENGINE = NativeEngine()
