"""The code that sessions on a GPU share: batches are bound once for each size, and used again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Variant
from strop.engines.batches import batch_shape

Floats = NDArray[np.float32]

# Of one batch's input, widened to float32: half of the buffer that WebGPU grants at least
# (docs/decisions/0015-gpu.md).
LARGEST_BYTES = 2**26
LARGEST_BATCH = 2**14  # what lies between input and output may be wider than both


class Bound(Protocol):
    """Buffers on the device for batches of one size, and the model bound to them."""

    def upload(self, samples: NDArray[Any]) -> None:
        """Write samples into the input.

        Args:
            samples: uint8, int8 or float32 (n, ...), n at most the size of the batch.
        """

    def compute(self) -> None:
        """Run the model; the device may go on after this returns."""

    def download(self) -> Floats:
        """Wait for the outputs of the whole batch, and return them.

        Returns:
            float32 (size, ...); the next run may overwrite it.
        """


class GpuSession:
    """A model on a GPU: one caller at a time, any number of samples.

    Making buffers, and shaders for a new shape, takes longer than running. So a batch is filled up
    to the next power of two, which keeps the shapes few, and a long batch is run in parts.
    """

    thread_safe = False
    batch: int | None = None

    def __init__(self, bind: Callable[[int], Bound], variant: Variant, adapter: str) -> None:
        """Bind and run batches of one and two: some faults of an adapter or file show only then.

        Args:
            bind: makes the buffers for a batch of so many samples, and binds the model to them.
            variant: what the manifest says of the file.
            adapter: the GPU's name.
        """
        (input,), (output,) = variant.inputs, variant.outputs
        self.adapter = adapter
        self.largest = largest_batch(input.shape[1:], output.shape[1:])
        self._bind = bind
        self._bound: dict[int, Bound] = {}
        self._output = output
        for count in (1, 2):
            self.run(np.zeros(batch_shape(input, count), input.dtype))

    def run(self, samples: NDArray[Any]) -> Floats:
        """Upload, compute and download each part of a batch in turn.

        Args:
            samples: uint8, int8 or float32 (N, ...).

        Returns:
            float32 (N, ...), a new array.
        """
        answers = np.empty(batch_shape(self._output, len(samples)), np.float32)
        for start, part, bound in self._parts(samples):
            bound.upload(part)
            bound.compute()
            answers[start : start + len(part)] = bound.download()[: len(part)]
        return answers

    def time_parts_us(self, samples: NDArray[Any]) -> tuple[float, float, float]:
        """Run once as `run` does, and time the parts in microseconds: upload, compute, download.

        Some devices go on after `compute` returns (LiteRT's do): the wait is then in the download.
        Where the outputs are bound on the CPU (ONNX Runtime's WebGPU), `compute` downloads too.

        Args:
            samples: uint8, int8 or float32 (N, ...).
        """
        spent_us = np.zeros(3)
        for _, part, bound in self._parts(samples):
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

    def _parts(self, samples: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any], Bound]]:
        """Yield where each part of a batch starts, its samples (n, ...), and their buffers."""
        for start in range(0, len(samples), self.largest):
            part = samples[start : start + self.largest]
            yield start, part, self.bound(len(part))

    def bound(self, count: int) -> Bound:
        """Return the buffers for a batch, made if they are not there yet.

        Args:
            count: samples in the batch, 1 to `largest`.
        """
        size = 1 << (count - 1).bit_length()
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
        tensors: the shapes of one sample's input and output.
    """
    values = max(math.prod(size or 1 for size in tensor) for tensor in tensors)
    fitting = min(LARGEST_BYTES // (4 * values), LARGEST_BATCH)
    return 1 << max(0, fitting.bit_length() - 1)
