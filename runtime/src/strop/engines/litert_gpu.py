"""LiteRT's CompiledModel on a GPU: the whole graph there, or a refusal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.environment import Environment, EnvironmentOptions
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import GpuOptions, Options
from numpy.typing import NDArray

from strop import adapters
from strop.engines.gpu import Floats, GpuSession
from strop.errors import DeviceUnavailable, one_line
from strop.manifest import Variant

SIGNATURE = 0  # ours have one


class CompiledBatch:
    """A model compiled for one batch size, with its buffers."""

    def __init__(self, compiled: Any, variant: Variant, size: int) -> None:
        (input,), (output,) = variant.inputs, variant.outputs
        # Not strict: the file's batch is a plain 1, which its RESHAPE does not insist on.
        compiled.resize_input_tensor(0, [size, *input.shape[1:]], strict=False)
        self._model = compiled
        self._inputs = compiled.create_input_buffers(SIGNATURE)
        self._outputs = compiled.create_output_buffers(SIGNATURE)
        self._shape = (size, *(axis or 1 for axis in output.shape[1:]))

    def upload(self, samples: NDArray[Any]) -> None:
        self._inputs[0].write(samples)

    def compute(self) -> None:
        self._model.run_by_index(SIGNATURE, self._inputs, self._outputs)

    def download(self) -> Floats:
        flat: Floats = self._outputs[0].read(math.prod(self._shape), np.float32)
        return flat.reshape(self._shape)


def open_on_gpu(model: bytes, variant: Variant) -> GpuSession:
    """Compile a model for the GPU.

    Raises:
        DeviceUnavailable: there is no adapter, or part of the graph did not go to it.
    """
    there = adapters.vulkan()
    if not there:
        raise DeviceUnavailable(
            "litert found no GPU: no Vulkan driver here has an adapter; install the GPU's driver "
            "(strop doctor lists what drivers offer)"
        )
    adapter = str(adapters.preferred(there))
    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU,
        gpu_options=GpuOptions(enforce_f32=variant.precision == "float32"),
    )
    # One for all batch sizes: it keeps the device, and the shaders it has compiled.
    folder = str(Path(ai_edge_litert.__file__).parent)
    environment = Environment.create(options=EnvironmentOptions(runtime_path=folder))

    def bind(size: int) -> CompiledBatch:
        compiled = CompiledModel.from_buffer(model, environment=environment, options=options)
        if not compiled.is_fully_accelerated():
            raise DeviceUnavailable(
                f"litert leaves part of {variant.file} to the CPU on {adapter}: its GPU lacks an "
                "operator of this model; use device='cpu', or engine='onnx'"
            )
        return CompiledBatch(compiled, variant, size)

    try:
        return GpuSession(bind, variant, adapter)
    except DeviceUnavailable:
        raise
    except Exception as error:  # it may raise anything
        raise DeviceUnavailable(
            f"litert cannot run {variant.file} on {adapter}: {one_line(str(error))}; it lacks an "
            "operator of this model there, or the driver is too old: use device='cpu'"
        ) from error
