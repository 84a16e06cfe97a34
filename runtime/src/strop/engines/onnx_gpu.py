"""ONNX Runtime on a GPU: CUDA or WebGPU, the whole graph there, or a refusal."""

from __future__ import annotations

import contextlib
import ctypes
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime import OrtValue
from onnxruntime.capi.onnxruntime_pybind11_state import (
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
)

from strop.bundle.manifest import FileTensor, Variant
from strop.device import adapters, wheels
from strop.device.adapters import Adapter
from strop.engines.batches import batch_shape
from strop.engines.gpu import GpuSession
from strop.errors import DeviceUnavailable, one_line

CPU = "cpu"
CUDA = "CUDAExecutionProvider"
_FATAL_ONLY = 4  # of severities 0 to 4; its exceptions have the same text
_FILE_FAULTS = (InvalidArgument, InvalidGraph, InvalidProtobuf, TypeError, ValueError)
_LOADING = Lock()  # a process has one stdout


class Provider(NamedTuple):
    """A way to a GPU that a build of onnxruntime may have."""

    adapters: Callable[[], tuple[Adapter, ...]]
    buffers: str  # where Python can make them
    options: Mapping[str, str]
    float32: Mapping[str, str]  # options of float32 files


# By name; the first that this build of onnxruntime has is used.
PROVIDERS = {
    # TF32 has ten bits of mantissa: it is not float32.
    CUDA: Provider(adapters.cuda, "cuda", {"device_id": "0"}, {"use_tf32": "0"}),
    "WebGpuExecutionProvider": Provider(
        adapters.vulkan, CPU, {"powerPreference": "high-performance"}, {}
    ),
}


class BoundBatch:
    """A session's binding for one batch size. With CUDA, the buffers on the device are our own."""

    def __init__(self, session: Any, variant: Variant, size: int, place: str) -> None:
        self._size = size
        self._names = [tensor.name for tensor in variant.inputs]
        # For what does not fill the batch; the rest of it is computed, and dropped.
        self._hosts = [np.zeros(batch_shape(t, size), t.dtype) for t in variant.inputs]
        self._binding = session.io_binding()
        self._outputs = [_buffer(tensor, size, place) for tensor in variant.outputs]
        for tensor, buffer in zip(variant.outputs, self._outputs, strict=True):
            self._binding.bind_ortvalue_output(tensor.name, buffer)
        self._inputs = []
        if place != CPU:
            self._inputs = [_buffer(tensor, size, place) for tensor in variant.inputs]
            for name, buffer in zip(self._names, self._inputs, strict=True):
                self._binding.bind_ortvalue_input(name, buffer)
        # Last: Python lets attributes go in this order, and a binding that outlives its session
        # takes the process with it.
        self._session = session

    def upload(self, samples: Sequence[NDArray[Any]]) -> None:
        """Copy samples, (n, ...) for each input, to the device, as a whole batch.

        If there are fewer than the batch takes, the rest of the batch is computed too, and dropped.
        """
        for i, (array, host) in enumerate(zip(samples, self._hosts, strict=True)):
            if len(array) < self._size:
                host[: len(array)] = array
                array = host
            array = np.ascontiguousarray(array, host.dtype)
            if self._inputs:
                self._inputs[i].update_inplace(array)
            else:  # binding is what copies it to the device
                self._binding.bind_cpu_input(self._names[i], array)

    def compute(self) -> None:
        """Run the session on the bound batch."""
        self._session.run_with_iobinding(self._binding)

    def download(self) -> list[NDArray[Any]]:
        """Return the outputs of the whole batch, (size, ...) each."""
        return [output.numpy() for output in self._outputs]


def _buffer(tensor: FileTensor, size: int, place: str) -> OrtValue:
    return OrtValue.ortvalue_from_shape_and_type(
        batch_shape(tensor, size), np.dtype(tensor.dtype), place, 0
    )


def open_on_gpu(model: bytes, variant: Variant, options: onnxruntime.SessionOptions) -> GpuSession:
    """Open a model on the GPU; an error that is the file's fault is raised as it comes.

    Args:
        model: the bytes of the .onnx file.
        variant: what the manifest says of that file.
        options: the session's options, to which this adds those for the GPU.

    Raises:
        DeviceUnavailable: this onnxruntime has no GPU provider, the provider found no adapter or
            failed, or part of the graph cannot go to it; the message says which.
    """
    name = _provider()
    provider = PROVIDERS[name]
    # Both are needed: one keeps ONNX Runtime from putting nodes on the CPU, the other its Python
    # from making a new session there when the provider fails.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # Or it moves a Reshape to before DequantizeLinear, onto bytes, which WebGPU cannot reshape.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = _FATAL_ONLY
    settings = {**provider.options, **(provider.float32 if variant.precision == "float32" else {})}
    with adapters.taken(provider.adapters) as adapter:
        if adapter is None:
            raise _no_adapter(name)
        if name == CUDA:
            _load_cuda()
        try:
            session = onnxruntime.InferenceSession(
                model, options, providers=[(name, settings)], enable_fallback=0
            )
            if session.get_providers()[:1] != [name]:
                raise RuntimeError(f"it fell back to {', '.join(session.get_providers())}")
            return GpuSession(
                lambda size: BoundBatch(session, variant, size, provider.buffers),
                variant,
                str(adapter),
            )
        except _FILE_FAULTS:
            raise
        except Exception as error:  # it may raise anything
            said = one_line(str(error))
            meaning, mend = _explain(said)
            raise DeviceUnavailable(
                f"onnx cannot run {variant.file} by {name} on {adapter}: {said}{meaning}", mend
            ) from error


def _provider() -> str:
    built_with = onnxruntime.get_available_providers()
    for name in PROVIDERS:
        if name in built_with:
            return name
    raise _another_build(
        f"this onnxruntime, {onnxruntime.__version__}, was built without a GPU "
        f"({', '.join(built_with)})",
        has_cuda=bool(adapters.cuda()),
    )


def _no_adapter(name: str) -> DeviceUnavailable:
    """Make the error for a provider that no driver has an adapter for; another build may do."""
    others = adapters.vulkan() if name == CUDA else adapters.cuda()
    found = f"onnx found no GPU for {name}"
    if others:
        return _another_build(f"{found}: there is {others[0]}", has_cuda=name != CUDA)
    return DeviceUnavailable(
        f"{found}: no driver here has an adapter for it",
        "install the GPU's driver (strop doctor lists what drivers offer)",
    )


def _another_build(problem: str, *, has_cuda: bool) -> DeviceUnavailable:
    """Return the error to raise if another build of onnxruntime could use a GPU of this machine."""
    why_none, mend = wheels.remedy_gpu_here(has_cuda)
    return DeviceUnavailable(f"{problem}; {why_none}" if why_none else problem, mend)


def _load_cuda() -> None:
    """Load CUDA and cuDNN, from NVIDIA's Python packages where they came with the extra.

    ONNX Runtime would print what it does not find, and go on without CUDA.

    Raises:
        DeviceUnavailable: a library that CUDA needs is not there.
    """
    if hasattr(onnxruntime, "preload_dlls"):  # builds for Jetson may be older
        with _LOADING, contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    library = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as missing:
        if "cannot open shared object" in str(missing):
            raise _another_build(f"onnx found no CUDA: {missing}", has_cuda=True) from None


def _explain(said: str) -> tuple[str, str]:
    """Explain ONNX Runtime's message about a model that it does not run, and return the mend."""
    if "requires f16" in said:
        return "; this adapter has no shader-f16", "use precision='float32'"
    if "fallback to CPU EP" in said:
        return (
            "; the provider did not start, or it lacks an operator of this model",
            "use engine='litert' or device='cpu'",
        )
    return "", "update the GPU's driver, or use device='cpu'"
