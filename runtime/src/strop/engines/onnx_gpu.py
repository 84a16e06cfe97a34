"""ONNX Runtime on a GPU: CUDA or WebGPU, the whole graph there, or a refusal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime

from strop import adapters
from strop.adapters import Adapter
from strop.errors import DeviceUnavailable

# provider -> what its adapters are listed by; the first that this build of onnxruntime has is used
_PROVIDERS: dict[str, Callable[[], tuple[Adapter, ...]]] = {
    "CUDAExecutionProvider": adapters.cuda,
    "WebGpuExecutionProvider": adapters.vulkan,
}


def open_on_gpu(
    model: bytes, options: onnxruntime.SessionOptions
) -> tuple[onnxruntime.InferenceSession, Adapter]:
    """Open a model on the GPU; gives the session, which has run once, and the adapter.

    Raises:
        DeviceUnavailable: this onnxruntime has no GPU provider, the provider found no adapter, or
            part of the graph cannot go to it; the message says which.
    """
    built_with = onnxruntime.get_available_providers()
    provider = next((name for name in _PROVIDERS if name in built_with), None)
    if provider is None:
        raise DeviceUnavailable(
            f"this onnxruntime runs on {', '.join(built_with)} alone: in an environment of its own "
            "install strop's extra onnx-gpu (NVIDIA's CUDA) or onnx-webgpu (any Vulkan GPU)"
        )
    there = _PROVIDERS[provider]()
    if not there:
        raise DeviceUnavailable(f"{provider} found no GPU: no driver here has an adapter")
    adapter = adapters.preferred(there)
    # Both are needed: one keeps ONNX Runtime from putting nodes on the CPU, the other its Python
    # from making a new session there when the provider fails.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(
            model, options, providers=[provider], enable_fallback=0
        )
        (source,) = session.get_inputs()
        # Some lacks of an adapter (shader-f16) show only when a shader is made.
        dtype = np.uint8 if source.type == "tensor(uint8)" else np.float32
        session.run(None, {source.name: np.zeros((1, *source.shape[1:]), dtype)})
    except Exception as error:
        raise DeviceUnavailable(f"{provider} on {adapter}: {error}") from error
    if session.get_providers()[0] != provider:
        raise DeviceUnavailable(f"asked for {provider}, got {session.get_providers()}")
    return session, adapter
