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

from strop.bundle.manifest import FileTensor, Variant
from strop.device import adapters
from strop.engines.batches import batch_shape, require_same
from strop.engines.gpu import Floats, GpuSession
from strop.errors import DeviceUnavailable, one_line


class CompiledBatch:
    """A model compiled for one batch size, with its buffers."""

    def __init__(self, compiled: Any, variant: Variant, size: int) -> None:
        (input,), (output,) = variant.inputs, variant.outputs
        (signature,) = compiled.get_signature_list()
        _require(compiled.get_input_tensor_details(signature), input)
        _require(compiled.get_output_tensor_details(signature), output)
        # Not strict: the file's batch is a plain 1, which its RESHAPE does not insist on.
        compiled.resize_input_tensor(0, [size, *input.shape[1:]], strict=False)
        self._model = compiled
        self._inputs = compiled.create_input_buffers(0)
        self._outputs = compiled.create_output_buffers(0)
        self._dtype = np.dtype(input.dtype)
        self._shape = batch_shape(output, size)

    def upload(self, samples: NDArray[Any]) -> None:
        """Write samples, uint8, int8 or float32 (n, ...), into the input, in the file's dtype."""
        self._inputs[0].write(samples.astype(self._dtype, copy=False))

    def compute(self) -> None:
        """Start the model; the device goes on after this returns."""
        self._model.run_by_index(0, self._inputs, self._outputs)

    def download(self) -> Floats:
        """Wait for the outputs of the whole batch, and return them as float32 (size, ...)."""
        flat: Floats = self._outputs[0].read(math.prod(self._shape), np.float32)
        return flat.reshape(self._shape)


def open_on_gpu(model: bytes, variant: Variant) -> GpuSession:
    """Compile a model for the GPU.

    Args:
        model: the bytes of the .tflite file.
        variant: what the manifest says of that file.

    Raises:
        DeviceUnavailable: there is no adapter, or part of the graph did not go to it.
        ValueError: the file is not what the manifest says.
    """
    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU,
        gpu_options=GpuOptions(enforce_f32=variant.precision == "float32"),
    )
    with adapters.taken(adapters.vulkan) as adapter:
        if adapter is None:
            raise DeviceUnavailable(
                "litert found no GPU: no Vulkan driver here has an adapter",
                "install the GPU's driver (strop doctor lists what drivers offer)",
            )
        # One for all batch sizes: it keeps the device, and the shaders it has compiled.
        folder = str(Path(ai_edge_litert.__file__).parent)
        environment = Environment.create(options=EnvironmentOptions(runtime_path=folder))

        def bind(size: int) -> CompiledBatch:
            compiled = CompiledModel.from_buffer(model, environment=environment, options=options)
            if not compiled.is_fully_accelerated():
                raise RuntimeError("it left part of the model to the CPU")
            return CompiledBatch(compiled, variant, size)

        try:
            return GpuSession(bind, variant, str(adapter))
        except RuntimeError as error:  # all that LiteRT's native half raises
            raise DeviceUnavailable(
                f"litert cannot run {variant.file} on {adapter}: {one_line(str(error))}; it lacks "
                "an operator of this model there, or the driver is too old",
                "use device='cpu'",
            ) from error


def _require(details: dict[str, Any], tensor: FileTensor) -> None:
    """Raise ValueError unless the file's only input or output is what the manifest says it is."""
    (detail,) = details.values()
    require_same(tensor, detail["dtype"], tuple(detail["shape"]))
