"""LiteRT's CompiledModel on a GPU: the whole graph there, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator

from strop import adapters
from strop.engines.base import Arrays
from strop.errors import DeviceUnavailable
from strop.manifest import Variant

SIGNATURE = 0  # ours have one


class CompiledSession:
    """A model compiled for the GPU: one caller at a time, buffers made once for each batch size."""

    thread_safe = False
    batch = None

    def __init__(self, model: Any, variant: Variant, adapter: adapters.Adapter) -> None:
        self.adapter = str(adapter)
        self._model = model
        (input,), (output,) = variant.inputs, variant.outputs
        self._sample, self._answer = input.shape[1:], output.shape[1:]
        self._size = 0  # the batch that the buffers are for

    def run(self, inputs: Arrays) -> Arrays:
        (samples,) = inputs
        if len(samples) != self._size:
            self._resize(len(samples))
        self._inputs[0].write(samples)
        self._model.run_by_index(SIGNATURE, self._inputs, self._outputs)
        shape = (self._size, *self._answer)
        flat = self._outputs[0].read(int(np.prod(shape)), np.float32)
        return (np.asarray(flat, np.float32).reshape(shape),)

    def close(self) -> None:
        self._inputs = self._outputs = self._model = None

    def _resize(self, size: int) -> None:
        # Not strict: the file's batch is a plain 1, which its RESHAPE does not insist on.
        self._model.resize_input_tensor(0, [size, *self._sample], strict=False)
        self._inputs = self._model.create_input_buffers(SIGNATURE)
        self._outputs = self._model.create_output_buffers(SIGNATURE)
        self._size = size


def open_on_gpu(model: bytes, variant: Variant) -> CompiledSession:
    """Compile a model for the GPU.

    Raises:
        DeviceUnavailable: there is no adapter, or part of the graph did not go to it.
    """
    there = adapters.vulkan()
    if not there:
        raise DeviceUnavailable(
            "engine litert found no GPU: no Vulkan driver has an adapter (vulkaninfo --summary "
            "lists what the drivers see)"
        )
    try:
        compiled = CompiledModel.from_buffer(model, hardware_accel=HardwareAccelerator.GPU)
    except RuntimeError as error:
        raise DeviceUnavailable(f"engine litert cannot compile for {there[0]}: {error}") from error
    if not compiled.is_fully_accelerated():
        raise DeviceUnavailable(f"engine litert left part of {variant.file} to the CPU")
    return CompiledSession(compiled, variant, adapters.preferred(there))
