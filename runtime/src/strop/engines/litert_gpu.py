"""LiteRT's CompiledModel on a GPU: the whole graph there, or a refusal."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from strop.engines.gpu import GpuSession
from strop.errors import DeviceUnavailable, one_line


class CompiledBatch:
    """A model compiled for one batch size, with its buffers."""

    def __init__(self, compiled: Any, variant: Variant, size: int) -> None:
        ((signature, ends),) = compiled.get_signature_list().items()
        inputs = _places(
            ends["inputs"], compiled.get_input_tensor_details(signature), variant.inputs
        )
        outputs = _places(
            ends["outputs"], compiled.get_output_tensor_details(signature), variant.outputs
        )
        for place, tensor in zip(inputs, variant.inputs, strict=True):
            if tensor.shape[0] is None:
                # Not strict: the file's batch is a plain 1, which its RESHAPE does not insist on.
                compiled.resize_input_tensor(place, [size, *tensor.shape[1:]], strict=False)
        self._model = compiled
        self._inputs = compiled.create_input_buffers(0)
        self._outputs = compiled.create_output_buffers(0)
        self._sources = [
            (place, np.dtype(tensor.dtype))
            for place, tensor in zip(inputs, variant.inputs, strict=True)
        ]
        self._results = [
            (place, batch_shape(tensor, size), np.dtype(tensor.dtype))
            for place, tensor in zip(outputs, variant.outputs, strict=True)
        ]

    def upload(self, samples: Sequence[NDArray[Any]]) -> None:
        """Write samples, (n, ...) for each input, into the inputs, in the file's dtypes."""
        for (place, dtype), array in zip(self._sources, samples, strict=True):
            self._inputs[place].write(array.astype(dtype, copy=False))

    def compute(self) -> None:
        """Start the model; the device goes on after this returns."""
        self._model.run_by_index(0, self._inputs, self._outputs)

    def download(self) -> list[NDArray[Any]]:
        """Wait for the outputs of the whole batch, and return them, (size, ...) each."""
        return [
            self._outputs[place].read(math.prod(shape), dtype).reshape(shape)
            for place, shape, dtype in self._results
        ]


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


def _places(
    order: Sequence[str], details: dict[str, dict[str, Any]], tensors: tuple[FileTensor, ...]
) -> list[int]:
    """Return where the file has its inputs, or its outputs, in the manifest's order.

    Args:
        order: the signature's names, in the file's order.
        details: the file's description of each tensor, its own name included, by these names.
        tensors: what the manifest says of them, by either of the names.

    Raises:
        ValueError: they are not what the manifest says.
    """
    if len(order) != len(tensors):
        raise ValueError(f"{len(order)} tensors in the file, {len(tensors)} in the manifest")
    places = []
    for tensor in tensors:
        named = [i for i, key in enumerate(order) if tensor.name in (key, details[key]["name"])]
        if len(order) > 1 and len(named) != 1:  # a single one is found without its name
            raise ValueError(
                f"{tensor.name} of the manifest is not in the file: {', '.join(order)}"
            )
        place = named[0] if len(order) > 1 else 0
        detail = details[order[place]]
        require_same(tensor, detail["dtype"], tuple(detail["shape"]))
        places.append(place)
    return places
