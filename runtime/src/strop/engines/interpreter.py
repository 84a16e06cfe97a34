"""The TFLite Interpreter API, which LiteRT and tflite-runtime share."""

from __future__ import annotations

from typing import Any

from strop.engines.base import Arrays, Session
from strop.manifest import FileTensor, Variant


class InterpreterSession:
    """A TFLite interpreter: one caller at a time, and as many samples as the file was made for.

    An interpreter shared by threads does not only fail, it now and then answers wrongly, so
    `thread_safe` is no formality.
    """

    thread_safe = False
    adapter = ""

    def __init__(self, interpreter: Any, variant: Variant) -> None:
        interpreter.allocate_tensors()
        inputs = {detail["name"]: detail for detail in interpreter.get_input_details()}
        outputs = {detail["name"]: detail for detail in interpreter.get_output_details()}
        self.batch = variant.inputs[0].shape[0]
        self._interpreter = interpreter
        self._input = _index(inputs, variant.inputs[0])
        self._output = _index(outputs, variant.outputs[0])

    def run(self, inputs: Arrays) -> Arrays:
        interpreter = self._interpreter
        interpreter.set_tensor(self._input, inputs[0])
        interpreter.invoke()
        return (interpreter.get_tensor(self._output),)

    def close(self) -> None:
        self._interpreter = None


class InterpreterEngine:
    """An engine over one package's Interpreter class, on the CPU."""

    format = "tflite"
    devices: tuple[str, ...] = ("cpu",)
    takes_threads = True

    def __init__(self, name: str, package: Any, interpreter: Any) -> None:
        self.name = name
        self._package = package
        self._interpreter = interpreter

    def version(self) -> str:
        return str(self._package.__version__)

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        interpreter = self._interpreter(model_content=model, num_threads=threads)
        return InterpreterSession(interpreter, variant)


def require_same(tensor: FileTensor, dtype: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a file's tensor is what the manifest says it is."""
    if shape != tensor.shape or dtype != tensor.dtype:
        raise ValueError(
            f"{tensor.name} is {dtype} {shape} in the file, "
            f"{tensor.dtype} {tensor.shape} in the manifest"
        )


def _index(details: dict[str, Any], tensor: FileTensor) -> int:
    """The interpreter's number for a tensor, which must be what the manifest says it is."""
    detail = details[tensor.name]
    require_same(tensor, detail["dtype"].__name__, tuple(detail["shape"]))
    return int(detail["index"])
