"""ONNX Runtime (onnxruntime, -gpu or -webgpu): .onnx files on the CPU, and on the GPU."""

from __future__ import annotations

import os
from typing import Any

# On import, release 1.31 would write a device id into the user's cache and report to its makers;
# this stops both. Whoever wants it sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from strop.engines.base import Arrays, Session
from strop.manifest import Variant

_CPU = "CPUExecutionProvider"
_ERRORS_ONLY = 3  # severities: 0 verbose to 4 fatal


class OnnxSession:
    """An ONNX Runtime session: any batch, any number of callers at once."""

    thread_safe = True
    batch: int | None = None
    adapter = ""

    def __init__(self, session: Any, variant: Variant) -> None:
        self._session_run = session.run
        self._input = variant.inputs[0].name
        self._outputs = [variant.outputs[0].name]

    def run(self, inputs: Arrays) -> Arrays:
        return tuple(self._session_run(self._outputs, {self._input: inputs[0]}))

    def close(self) -> None:
        """The native session goes with this object, after the last call in flight."""


class OnnxRuntime:
    name = "onnx"
    format = "onnx"
    devices = ("cpu", "gpu")
    takes_threads = True

    def version(self) -> str:
        return str(onnxruntime.__version__)

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        if device == "gpu":
            from strop.engines.onnx_gpu import open_on_gpu

            return open_on_gpu(model, variant, options)
        session = onnxruntime.InferenceSession(model, options, providers=[_CPU])
        session.disable_fallback()
        if session.get_providers()[0] != _CPU:  # it prints and goes on with another
            raise RuntimeError(f"asked for {_CPU}, got {session.get_providers()}")
        return OnnxSession(session, variant)


ENGINE = OnnxRuntime()
