"""Runs of converted files on the workstation's own engines, to compare ways to quantize a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import ConversionError
from strop_export.formats.base import Converted

_CHUNK: Final = 64  # samples in one run of onnxruntime

Arrays = Sequence[NDArray[Any]]


def run(file: Converted, format: str, samples: Arrays) -> tuple[NDArray[Any], ...]:
    """Run a file over samples, in one thread.

    Args:
        file: the file.
        format: "tflite" or "onnx".
        samples: (N, *input) for each input.

    Returns:
        For each output, (N, *output).

    Raises:
        ConversionError: no engine here runs files of this format.
    """
    if format not in ("tflite", "onnx"):
        raise ConversionError(f"a {format} file is not run at export", "choose tflite or onnx")
    runs = _run_tflite(file, samples) if format == "tflite" else _run_onnx(file, samples)
    return tuple(np.concatenate(column) for column in zip(*runs, strict=True))


def _run_tflite(file: Converted, samples: Arrays) -> Iterator[list[NDArray[Any]]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file.data, num_threads=1)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    for sample in zip(*samples, strict=True):
        for value, details in zip(sample, inputs, strict=True):
            interpreter.set_tensor(
                details["index"], np.asarray(value, details["dtype"])[np.newaxis]
            )
        interpreter.invoke()
        yield [interpreter.get_tensor(details["index"]) for details in outputs]


def _run_onnx(file: Converted, samples: Arrays) -> Iterator[list[NDArray[Any]]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.data, options, providers=["CPUExecutionProvider"])
    for start in range(0, len(samples[0]), _CHUNK):
        feeds = {
            tensor.name: np.asarray(array[start : start + _CHUNK], tensor.dtype)
            for tensor, array in zip(file.inputs, samples, strict=True)
        }
        yield session.run(None, feeds)
