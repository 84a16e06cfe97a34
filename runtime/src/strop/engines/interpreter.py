"""The TFLite Interpreter API, which LiteRT and tflite-runtime share."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from strop.engines.batches import LARGEST_BATCH, batch_shape, in_parts, require_same
from strop.errors import BundleError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

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
        (input,), (output,) = variant.inputs, variant.outputs
        interpreter.allocate_tensors()
        self.batch = input.shape[0]
        self._interpreter = interpreter
        self._input = _index(interpreter.get_input_details(), input)
        self._output = _index(interpreter.get_output_details(), output)
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

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Run the interpreter, resized first if the number of samples has changed.

        Args:
            samples: uint8, int8 or float32 (N, ...).

        Returns:
            float32 (N, ...), a new array.
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
        answers: NDArray[Any] = self._get(self._output)
        return answers

    def _resize(self, size: int) -> None:
        self._size = 0  # of no known size until it is done: the next call starts over
        self._unbind()
        self._interpreter.resize_tensor_input(self._input, batch_shape(self._source, size))
        self._interpreter.allocate_tensors()
        (output,) = self._interpreter.get_output_details()
        if output["shape"][0] != size:
            raise ValueError(f"resized to {size} samples, the file answers {output['shape'][0]}")
        self._bind()
        self._size = size

    def is_busy(self) -> bool:
        """Return False: this session is not thread-safe, so a lock tells who is inside."""
        return False

    def close(self) -> None:
        """Let go of the interpreter and its memory."""
        self._unbind()
        del self._interpreter


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
        return InterpreterSession(interpreter, variant)


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
        raise BundleError(f"{file} refused: it is no FlatBuffer", "export the model again")
    if any(model[fields + 4 + 2 * _KNOWN_FIELDS : fields + size]):
        raise BundleError(
            f"{file} refused: its root table has fields unknown to this strop, which may name "
            "other files",
            "export the model with its weights inside",
        )


def _index(details: list[dict[str, Any]], tensor: FileTensor) -> int:
    """Return the interpreter's number for a tensor, which must be what the manifest says it is."""
    (detail,) = (detail for detail in details if detail["name"] == tensor.name)
    require_same(tensor, detail["dtype"].__name__, tuple(detail["shape"]))
    return int(detail["index"])
