"""The code that sessions on a GPU share: batches are bound once for each size, and used again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Variant
from strop.engines.batches import batch_shape, count, pick

# Of one batch's input, widened to float32: half of the buffer that WebGPU grants at least
# (docs/decisions/0015-gpu.md).
LARGEST_BYTES = 2**26
LARGEST_BATCH = 2**14  # layers between input and output may be wider than both


class Bound(Protocol):
    """Buffers on the device for batches of one size, and the model bound to them."""

    def upload(self, samples: Sequence[NDArray[Any]]) -> None:
        """Write samples into the inputs.

        Args:
            samples: (n, ...) of the app's dtype for each input, n at most the size of the batch.
        """

    def compute(self) -> None:
        """Run the model; the device may go on after this returns."""

    def download(self) -> Sequence[NDArray[Any]]:
        """Wait for the outputs of the whole batch, and return them.

        Returns:
            (size, ...) of each output; the next run may overwrite them.
        """


class GpuSession:
    """A model on a GPU: one caller at a time, any number of samples.

    Making buffers, and shaders for a new shape, takes longer than running. So a batch is filled up
    to the next power of two, which keeps the shapes few, and a long batch is run in parts.
    """

    thread_safe = False

    def __init__(self, bind: Callable[[int], Bound], variant: Variant, adapter: str) -> None:
        """Bind and run batches of one and two: some faults of an adapter or file show only then.

        Args:
            bind: makes the buffers for a batch of so many samples, and binds the model to them.
            variant: what the manifest says of the file.
            adapter: the GPU's name.
        """
        self.adapter = adapter
        self.batch = variant.inputs[0].shape[0]
        tensors = (*variant.inputs, *variant.outputs)
        self.largest = self.batch or largest_batch(*(tensor.shape[1:] for tensor in tensors))
        self._bind = bind
        self._bound: dict[int, Bound] = {}
        self._outputs = variant.outputs
        for size in (1, 2)[: self.largest]:
            zeros = [np.zeros(batch_shape(tensor, size), tensor.dtype) for tensor in variant.inputs]
            self.run(tuple(zeros))

    def run(self, samples: Any) -> Any:
        """Upload, compute and download each part of a batch in turn.

        Args:
            samples: a tuple of arrays (N, ...), of the app's dtypes; or one, of one input.

        Returns:
            A tuple of new arrays (N, ...); or one, of one output.
        """
        total = count(samples)
        answers = tuple(np.empty(batch_shape(o, total), o.dtype) for o in self._outputs)
        for start, size, part, bound in self._parts(samples):
            bound.upload(part)
            bound.compute()
            for answer, whole in zip(answers, bound.download(), strict=True):
                answer[start : start + size] = whole[:size]
        return answers if len(answers) > 1 else answers[0]

    def time_parts_us(self, samples: Any) -> tuple[float, float, float]:
        """Run once as `run` does, and time the parts in microseconds: upload, compute, download.

        Some devices go on after `compute` returns (LiteRT's do): the wait is then in the download.
        Where the outputs are bound on the CPU (ONNX Runtime's WebGPU), `compute` downloads too.

        Args:
            samples: as `run` takes them.
        """
        spent_us = np.zeros(3)
        for _, _, part, bound in self._parts(samples):
            ticks = [perf_counter_ns()]
            bound.upload(part)
            ticks.append(perf_counter_ns())
            bound.compute()
            ticks.append(perf_counter_ns())
            bound.download()
            ticks.append(perf_counter_ns())
            spent_us += np.diff(ticks) / 1000
        upload, compute, download = spent_us.tolist()
        return upload, compute, download

    def _parts(self, samples: Any) -> Iterator[tuple[int, int, tuple[NDArray[Any], ...], Bound]]:
        """Yield where each part of a batch starts, its size, its samples, and their buffers."""
        arrays = samples if isinstance(samples, tuple) else (samples,)
        for start in range(0, count(arrays), self.largest):
            part = pick(arrays, slice(start, start + self.largest))
            size = count(part)
            yield start, size, part, self.bound(size)

    def bound(self, samples: int) -> Bound:
        """Return the buffers for a batch, made if they are not there yet.

        Args:
            samples: how many there are in the batch, 1 to `largest`.
        """
        size = 1 << (samples - 1).bit_length()
        if size not in self._bound:
            self._bound[size] = self._bind(size)
        return self._bound[size]

    def is_busy(self) -> bool:
        """Return False: this session is not thread-safe, so a lock tells who is inside."""
        return False

    def close(self) -> None:
        """Let go of the buffers and of the model."""
        self._bound.clear()
        del self._bind


def largest_batch(*tensors: tuple[int | None, ...]) -> int:
    """Return how many samples run at once at most, a power of two.

    Args:
        tensors: the shapes of one sample's inputs and outputs.
    """
    values = max(math.prod(size or 1 for size in tensor) for tensor in tensors)
    fitting = min(LARGEST_BYTES // (4 * values), LARGEST_BATCH)
    return 1 << max(0, fitting.bit_length() - 1)
