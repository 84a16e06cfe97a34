"""The TFLite Interpreter API, which LiteRT and tflite-runtime share."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from strop.engines.batches import LARGEST_BATCH, batch_shape, count, in_parts, require_same
from strop.errors import BundleError

if TYPE_CHECKING:
    from typing import Any

    from strop.bundle.manifest import FileTensor, Variant
    from strop.engines.base import Session


_KNOWN_FIELDS = 8  # of schema.fbs's Model, `version` to `signature_defs`


class InterpreterSession:
    """A TFLite interpreter: one caller at a time.

    An interpreter that threads share not only fails, it sometimes gives wrong answers: so
    `thread_safe` must be False. The interpreter is resized when the number of samples changes,
    which takes less time than running one sample. A file made for one sample is never resized.
    """

    thread_safe = False
    largest = LARGEST_BATCH
    adapter = ""

    def __init__(self, interpreter: Any, variant: Variant) -> None:
        (input,) = variant.inputs
        interpreter.allocate_tensors()
        self.batch = input.shape[0]
        self._interpreter = interpreter
        (self._input,) = _numbers(interpreter.get_input_details(), variant.inputs)
        (self._output,) = _numbers(interpreter.get_output_details(), variant.outputs)
        self._widens = input.dtype == "float32"
        self._source = input
        self._size = 1
        self._bind()

    def _bind(self) -> None:
        """Take the native methods that an interpreter's public methods call.

        The public methods also search for NumPy views into the interpreter's memory, which must not
        outlive a run. None of ours does, so the search is skipped; what that gains is in
        docs/decisions/0016-hot-path.md.
        """
        native: Any = self._interpreter._interpreter
        self._native = native
        self._view: Any = native.tensor  # gives a view of a tensor's memory as it is then
        self._set: Any = native.SetTensor
        self._invoke: Any = native.Invoke
        self._get: Any = native.GetTensor

    def _unbind(self) -> None:
        """Let go of the native methods.

        The public methods that move memory refuse while anyone else holds it.
        """
        self._native = self._view = self._set = self._invoke = self._get = None

    def run(self, samples: Any) -> Any:
        """Run the interpreter, resized first if the number of samples has changed.

        Args:
            samples: (N, ...), of the app's dtype.

        Returns:
            (N, ...), a new array.
        """
        if len(samples) != self._size:
            if len(samples) > LARGEST_BATCH:
                return in_parts(self.run, samples)
            self._resize(len(samples))
        if self._widens:
            # The view goes at once: what it shows may move.
            self._view(self._native, self._input)[...] = samples
        else:
            self._set(self._input, samples)
        self._invoke()
        return self._get(self._output)

    def _resize(self, size: int) -> None:
        self._size = 0  # of no known size until it is done: the next call starts over
        self._unbind()
        self._interpreter.resize_tensor_input(self._input, batch_shape(self._source, size))
        self._interpreter.allocate_tensors()
        (output,) = self._interpreter.get_output_details()
        if output["shape"][0] != size:
            raise ValueError(f"resized to {size} samples, the file gives {output['shape'][0]}")
        self._bind()
        self._size = size

    def is_busy(self) -> bool:
        """Return False: this session is not thread-safe, so a lock tells who is inside."""
        return False

    def close(self) -> None:
        """Let go of the interpreter and its memory."""
        self._unbind()
        del self._interpreter


class SeveralInterpreterSession(InterpreterSession):
    """A TFLite interpreter with several inputs or outputs: one caller at a time.

    A file lists its tensors in an order of its own, so that they are found by name.
    """

    def __init__(self, interpreter: Any, variant: Variant) -> None:
        interpreter.allocate_tensors()
        self.batch = variant.inputs[0].shape[0]
        self._interpreter = interpreter
        self._inputs = _numbers(interpreter.get_input_details(), variant.inputs)
        self._outputs = _numbers(interpreter.get_output_details(), variant.outputs)
        self._sources = variant.inputs
        self._size = 1
        self._bind()

    def run(self, samples: Any) -> Any:
        """Run the interpreter, resized first if the number of samples has changed.

        Args:
            samples: a tuple of arrays (N, ...), of the app's dtypes; or one, of one input.

        Returns:
            A tuple of new arrays (N, ...); or one, of one output.
        """
        size = count(samples)
        if size != self._size:
            if size > LARGEST_BATCH:
                return in_parts(self.run, samples)
            self._resize(size)
        arrays = samples if isinstance(samples, tuple) else (samples,)
        for number, array in zip(self._inputs, arrays, strict=True):
            # The view goes at once: what it shows may move.
            self._view(self._native, number)[...] = array
        self._invoke()
        answers = tuple(map(self._get, self._outputs))
        return answers if len(answers) > 1 else answers[0]

    def _resize(self, size: int) -> None:
        self._size = 0  # of no known size until it is done: the next call starts over
        self._unbind()
        for number, source in zip(self._inputs, self._sources, strict=True):
            self._interpreter.resize_tensor_input(number, batch_shape(source, size))
        self._interpreter.allocate_tensors()
        for output in self._interpreter.get_output_details():
            if output["shape"][0] != size:
                raise ValueError(
                    f"resized to {size} samples, the file gives {output['shape'][0]} of "
                    f"{output['name']}"
                )
        self._bind()
        self._size = size


class InterpreterEngine:
    """An engine over one package's Interpreter class, on the CPU."""

    def __init__(self, package: Any, interpreter: Any) -> None:
        self._package = package
        self._interpreter = interpreter

    def version(self) -> str:
        """Return the version of the package."""
        return str(self._package.__version__)

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        """Open a .tflite file on the CPU, after `require_whole` has accepted it."""
        require_whole(model, variant.file)
        interpreter = self._interpreter(model_content=model, num_threads=threads)
        if len(variant.inputs) == len(variant.outputs) == 1:
            return InterpreterSession(interpreter, variant)
        return SeveralInterpreterSession(interpreter, variant)


def require_whole(model: bytes, file: str) -> None:
    """Refuse a file whose root table has fields that this strop does not know.

    The newest fields, `external_buffer_groups` and `external_buffers`, name other files to take
    weights from, and LiteRT's CompiledModel opens those files, whatever their path. A FlatBuffer
    begins with the offset of its root table, and the table begins with the offset back to its list
    of fields.

    Args:
        model: the bytes of the .tflite file.
        file: its name in the bundle, for messages.

    Raises:
        BundleError: it has such fields, or no root table.
    """
    try:
        (table,) = struct.unpack_from("<I", model)
        (way_back,) = struct.unpack_from("<i", model, table)
        fields = table - way_back
        (size,) = struct.unpack_from("<H", model, max(fields, 0))
    except struct.error:
        fields = -1
    if fields < 0:
        raise BundleError(f"{file} refused: it is not a FlatBuffer", "export the model again")
    if any(model[fields + 4 + 2 * _KNOWN_FIELDS : fields + size]):
        raise BundleError(
            f"{file} refused: its root table has fields unknown to this strop, which may name "
            "other files",
            "export the model with its weights inside",
        )


def _numbers(details: list[dict[str, Any]], tensors: tuple[FileTensor, ...]) -> list[int]:
    """Return the interpreter's numbers for tensors, in the manifest's order, found by name.

    Args:
        details: all inputs, or all outputs, of the file, as the interpreter lists them.
        tensors: what the manifest says of them.

    Raises:
        ValueError: they are not what the manifest says.
    """
    named = {detail["name"]: detail for detail in details}
    if len(details) != len(tensors) or named.keys() != {tensor.name for tensor in tensors}:
        raise ValueError(
            f"{', '.join(named)} in the file, {', '.join(t.name for t in tensors)} in the manifest"
        )
    for tensor in tensors:
        detail = named[tensor.name]
        # NumPy 1 calls its class of booleans bool_.
        require_same(tensor, detail["dtype"].__name__.rstrip("_"), tuple(detail["shape"]))
    return [int(named[tensor.name]["index"]) for tensor in tensors]
