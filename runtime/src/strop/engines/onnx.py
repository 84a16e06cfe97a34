"""ONNX Runtime (onnxruntime, -gpu or -webgpu): .onnx files on the CPU, and on the GPU."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

# On import, release 1.31 would write a device id into the user's cache and report to its makers;
# this stops both. Whoever wants it sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from strop.engines.base import LARGEST_BATCH, batch_shape, in_parts

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.engines.base import Session
    from strop.manifest import FileTensor, Variant

_TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)", "int8": "tensor(int8)"}
_CPU = "CPUExecutionProvider"
_ERRORS_ONLY = 3  # severities: 0 verbose to 4 fatal


class OnnxSession:
    """An ONNX Runtime session: any batch, any number of callers at once.

    One sample goes through buffers that are bound once, which ONNX Runtime then neither looks up
    nor makes: docs/decisions/0016-hot-path.md. Each thread has its own. More samples pay for
    themselves.
    """

    thread_safe = True
    batch: int | None = None
    adapter = ""

    def __init__(self, session: Any, variant: Variant) -> None:
        (self._source,), (self._result,) = variant.inputs, variant.outputs
        # Into buffers of these dtypes and shapes it will write, whatever the file has.
        _require_same(session.get_inputs(), self._source)
        _require_same(session.get_outputs(), self._result)
        self._session = session
        self._dtype = np.dtype(self._source.dtype)
        self._bound = threading.local()

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        if len(samples) == 1:
            try:
                source, run, binding, result = self._bound.one
            except AttributeError:  # the first call of this thread
                source, run, binding, result = self._bound.one = self._bind()
            source[...] = samples
            run(binding)
            return result.copy()  # type: ignore[no-any-return]
        if len(samples) > LARGEST_BATCH:
            return in_parts(self.run, samples)
        feed = {self._source.name: samples.astype(self._dtype, copy=False)}
        (answers,) = self._session.run([self._result.name], feed)
        return answers  # type: ignore[no-any-return]

    def _bind(self) -> tuple[Any, ...]:
        """Buffers for one sample, the call that reads and fills them, and its argument."""
        binding = self._session.io_binding()
        source = np.zeros(batch_shape(self._source, 1), self._dtype)
        result = np.zeros(batch_shape(self._result, 1), np.float32)
        for bind, tensor, buffer in (
            (binding.bind_input, self._source, source),
            (binding.bind_output, self._result, result),
        ):
            bind(tensor.name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        return source, self._session.run_with_iobinding, binding, result

    def close(self) -> None:
        """The native session goes with this object, after the last call in flight."""


def _require_same(details: list[Any], tensor: FileTensor) -> None:
    """Raise ValueError unless a file's only input or output is what the manifest says it is."""
    (detail,) = details
    fixed = [None if not isinstance(size, int) else size for size in detail.shape]
    if detail.type != _TYPES[tensor.dtype] or fixed[1:] != list(tensor.shape[1:]):
        raise ValueError(
            f"{tensor.name} is {detail.type} {detail.shape} in the file, "
            f"{tensor.dtype} {tensor.shape} in the manifest"
        )


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
