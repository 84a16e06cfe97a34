"""ONNX Runtime (onnxruntime, -gpu or -webgpu): .onnx files on the CPU, and on the GPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

# On import, release 1.31 would write a device id into the user's cache and report to its makers;
# this stops both. To allow them, set the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from strop.engines.batches import LARGEST_BATCH, batch_shape, count, in_parts, require_same
from strop.errors import BundleError

if TYPE_CHECKING:
    from typing import Any

    from strop.bundle.manifest import FileTensor, Variant
    from strop.engines.base import Session

_DTYPES = {"tensor(float)": "float32"} | {
    f"tensor({name})": name for name in ("uint8", "int8", "int32", "int64", "bool")
}
_CPU = "CPUExecutionProvider"
_ERRORS_ONLY = 3  # severities: 0 verbose to 4 fatal
_KEY = b"location"


class OnnxSession:
    """An ONNX Runtime session: any batch, any number of callers at once.

    One sample goes through buffers that are bound once, which ONNX Runtime then neither looks up
    nor makes: docs/decisions/0016-hot-path.md. Each call has its buffers to itself, so there come
    to be as many sets of buffers as there are calls at once. A batch of more samples is run in the
    usual way, whose cost is small beside the batch's own.
    """

    thread_safe = True
    largest = LARGEST_BATCH
    adapter = ""

    def __init__(self, session: Any, variant: Variant) -> None:
        (self._source,), (self._result,) = variant.inputs, variant.outputs
        self.batch = self._source.shape[0]
        # Into buffers of these dtypes and shapes it will write, whatever the file has.
        _require_tensors(session.get_inputs(), variant.inputs)
        _require_tensors(session.get_outputs(), variant.outputs)
        self._session = session
        self._dtype = np.dtype(self._source.dtype)
        # What a call holds while it is inside; taking and giving back are one step each.
        self._bound: list[tuple[Any, ...]] = []
        self._free: list[tuple[Any, ...]] = []

    def run(self, samples: Any) -> Any:
        """Run the session: one sample through bound buffers, more in the usual way.

        Args:
            samples: (N, ...), of the app's dtype.

        Returns:
            (N, ...), a new array.
        """
        if len(samples) > LARGEST_BATCH:
            return in_parts(self.run, samples)
        try:
            bound = self._free.pop()
        except IndexError:
            bound = self._bind()
        try:
            if len(samples) == 1:
                source, run, binding, result = bound
                source[...] = samples
                run(binding)
                return result.copy()
            feed = {self._source.name: samples.astype(self._dtype, copy=False)}
            (answers,) = self._session.run([self._result.name], feed)
            return answers
        finally:
            self._free.append(bound)

    def _bind(self) -> tuple[Any, ...]:
        """Make the buffers for one sample, and bind the session to them.

        Returns:
            The input buffer, (1, ...) of the input's dtype; the call that reads it and fills the
            output buffer; the binding, which is that call's argument; and the output buffer,
            (1, ...) of the output's dtype.
        """
        binding = self._session.io_binding()
        source = np.zeros(batch_shape(self._source, 1), self._dtype)
        result = np.zeros(batch_shape(self._result, 1), self._result.dtype)
        for bind, tensor, buffer in (
            (binding.bind_input, self._source, source),
            (binding.bind_output, self._result, result),
        ):
            bind(tensor.name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        bound = source, self._session.run_with_iobinding, binding, result
        self._bound.append(bound)
        return bound

    def is_busy(self) -> bool:
        """Tell whether a call is inside ONNX Runtime."""
        return len(self._free) < len(self._bound)

    def close(self) -> None:
        """Do nothing: the native session goes with this object, after the last call in flight."""


class SeveralOnnxSession(OnnxSession):
    """An ONNX Runtime session with several inputs or outputs: any batch, any number of callers.

    One sample goes through bound buffers here too; each call has its own.
    """

    def __init__(self, session: Any, variant: Variant) -> None:
        self.batch = variant.inputs[0].shape[0]
        # Into buffers of these dtypes and shapes it will write, whatever the file has.
        _require_tensors(session.get_inputs(), variant.inputs)
        _require_tensors(session.get_outputs(), variant.outputs)
        self._session = session
        self._sources = variant.inputs
        self._results = variant.outputs
        self._bound: list[tuple[Any, ...]] = []
        self._free: list[tuple[Any, ...]] = []

    def run(self, samples: Any) -> Any:
        """Run the session: one sample through bound buffers, more in the usual way.

        Args:
            samples: a tuple of arrays (N, ...), of the app's dtypes; or one, of one input.

        Returns:
            A tuple of new arrays (N, ...); or one, of one output.
        """
        size = count(samples)
        if size > LARGEST_BATCH:
            return in_parts(self.run, samples)
        arrays = samples if isinstance(samples, tuple) else (samples,)
        try:
            bound = self._free.pop()
        except IndexError:
            bound = self._bind()
        try:
            answers = self._run_one(arrays, bound) if size == 1 else self._run_batch(arrays)
        finally:
            self._free.append(bound)
        return answers if len(answers) > 1 else answers[0]

    def _run_one(self, arrays: tuple[Any, ...], bound: tuple[Any, ...]) -> tuple[Any, ...]:
        sources, run, binding, results = bound
        for source, array in zip(sources, arrays, strict=True):
            source[...] = array
        run(binding)
        return tuple(result.copy() for result in results)

    def _run_batch(self, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        feed = {
            source.name: array.astype(source.dtype, copy=False)
            for source, array in zip(self._sources, arrays, strict=True)
        }
        return tuple(self._session.run([result.name for result in self._results], feed))

    def _bind(self) -> tuple[Any, ...]:
        """Make the buffers for one sample, and bind the session to them.

        Returns:
            The input buffers, (1, ...); the call that reads them and fills the output buffers; the
            binding, which is that call's argument; and the output buffers, (1, ...).
        """
        binding = self._session.io_binding()
        sources, results = (
            [np.zeros(batch_shape(tensor, 1), tensor.dtype) for tensor in tensors]
            for tensors in (self._sources, self._results)
        )
        for bind, tensors, buffers in (
            (binding.bind_input, self._sources, sources),
            (binding.bind_output, self._results, results),
        ):
            for tensor, buffer in zip(tensors, buffers, strict=True):
                bind(tensor.name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        bound = sources, self._session.run_with_iobinding, binding, results
        self._bound.append(bound)
        return bound


def _require_tensors(details: list[Any], tensors: tuple[FileTensor, ...]) -> None:
    """Raise ValueError unless a file's inputs, or outputs, are what the manifest says they are.

    Args:
        details: all of them, as ONNX Runtime lists them, in any order.
        tensors: what the manifest says of them.
    """
    named = {detail.name: detail for detail in details}
    if len(details) != len(tensors) or named.keys() != {tensor.name for tensor in tensors}:
        raise ValueError(
            f"{', '.join(named)} in the file, {', '.join(t.name for t in tensors)} in the manifest"
        )
    for tensor in tensors:
        detail = named[tensor.name]
        sample = tuple(size if isinstance(size, int) else None for size in detail.shape[1:])
        require_same(tensor, _DTYPES.get(detail.type, detail.type), (None, *sample))  # any batch


def _require_whole(model: bytes, file: str) -> None:
    """Refuse a file whose tensors lie in other files, or at an address in memory.

    Releases differ in which files they read for such a tensor: 1.18 reads any file, and 1.31 those
    below the working folder. All of them need the key "location" for it. Protobuf writes a string
    as its length and then its bytes, so a search for these finds the key without knowledge of the
    format, and a name that merely ends in the word is not taken for it. A length may be written
    longer than it is, with a zero at its end, so that form is searched for too.

    Raises:
        BundleError: it holds that key.
    """
    if _KEY in model and any(length + _KEY in model for length in (b"\x08", b"\0")):
        raise BundleError(
            f"{file} refused: its tensors lie outside of it (the key 'location')",
            "export the model with its weights inside, and no tensor or node called 'location'",
        )


class OnnxRuntime:
    """ONNX Runtime, on the CPU and on the GPU."""

    def version(self) -> str:
        """Return the version of the package."""
        return str(onnxruntime.__version__)

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        """Open an .onnx file on the CPU or the GPU; refuse one whose tensors lie outside of it."""
        _require_whole(model, variant.file)
        options = onnxruntime.SessionOptions()
        # Or it takes its own format as well, by its first bytes: one that nothing here looks at.
        options.add_session_config_entry("session.load_model_format", "ONNX")
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
        if len(variant.inputs) == len(variant.outputs) == 1:
            return OnnxSession(session, variant)
        return SeveralOnnxSession(session, variant)


ENGINE = OnnxRuntime()
