"""Conversions in a process of their own, which is started again after it dies.

A converter is a large native library: TensorFlow's int8 conversion of a recurrent layer ends its
process by SIGSEGV (tensorflow#41305), and would take the export along.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from strop.bundle.manifest import FileTensor, plain
from strop.bundle.records import decode, read
from strop.errors import BundleError
from strop_export import source
from strop_export.errors import CalibrationError, ConversionError, UnsupportedLayer
from strop_export.formats import Converted, VariantSpec, convert

_LIMIT_S = 1800  # of one conversion
_ERRORS = {kind.__name__: kind for kind in (ConversionError, CalibrationError, UnsupportedLayer)}
_MOST_BYTES = 2**22  # of an answer, which says where the file is


class Converter:
    """Converts one model, in another process; leave its `with` to end that process."""

    def __init__(self, model: source.Source, folder: Path) -> None:
        """Prepare to convert; the process starts with the first conversion.

        Args:
            model: what to convert, and the samples that calibrate it.
            folder: an empty folder for what passes between the two processes.
        """
        self._folder = folder
        calibration = folder / "calibration.npy"
        np.save(calibration, model.calibration)
        options = ["--allow-lambda"] if model.allow_lambda else []
        self._command = [
            *(sys.executable, "-m", "strop_export.conversion"),
            *(str(model.path.resolve()), str(calibration), str(folder), *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def convert(self, spec: VariantSpec) -> Converted:
        """Convert the model to one format and precision.

        Raises:
            ConversionError: the model cannot be written so, or the converter died or hung.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        process = self._process
        assert process.stdin  # noqa: S101  both are pipes
        assert process.stdout  # noqa: S101
        timer = threading.Timer(_LIMIT_S, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(asdict(spec)).encode("ascii") + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline(_MOST_BYTES)
        except BrokenPipeError:  # it died before it read
            answer = b""
        finally:
            timer.cancel()
        if not answer.endswith(b"\n"):
            self._process = None
            raise _death(process, spec)
        return _read_answer(answer, spec, self._folder)

    def __enter__(self) -> Converter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _death(process: subprocess.Popen[bytes], spec: VariantSpec) -> ConversionError:
    """Give the error to raise for a converter that ended, or hung, without an answer."""
    process.communicate()
    status = process.returncode
    how = f"ended with exit {status}"
    if status < 0:
        with contextlib.suppress(ValueError):
            how = f"died of {signal.Signals(-status).name}"
    return ConversionError(
        f"the converter {how} as it wrote this variant: replace the layers that it cannot write"
    )


def _read_answer(answer: bytes, spec: VariantSpec, folder: Path) -> Converted:
    try:
        said = decode(answer, "its answer")
        if "error" in said:
            raise _ERRORS[said["error"]](said["message"])
        tensors = tuple[FileTensor, ...]
        return Converted(
            (folder / Path(said["file"]).name).read_bytes(),
            read(tensors, said["inputs"], "inputs"),
            read(tensors, said["outputs"], "outputs"),
            said["requires"],
        )
    except (BundleError, LookupError, TypeError, OSError) as error:
        raise ConversionError(
            f"the converter of {spec.format} {spec.precision} gave no sound answer: {error}"
        ) from None


def _serve(model_path: Path, calibration_path: Path, folder: Path, *, allow_lambda: bool) -> None:
    """Convert what is asked for on stdin, a spec a line; answer on stdout."""
    answers = _keep_stdout()
    model = source.load_model(model_path, allow_lambda=allow_lambda)
    calibration = np.load(calibration_path, allow_pickle=False)
    for number, line in enumerate(sys.stdin):
        try:
            converted = convert(model, VariantSpec(**json.loads(line)), calibration)
        except ConversionError as error:
            answer: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
        else:
            file = folder / f"converted-{number}-{os.getpid()}"
            file.write_bytes(converted.data)
            answer = {
                "file": file.name,
                "inputs": plain(converted.inputs),
                "outputs": plain(converted.outputs),
                "requires": dict(converted.requires),
            }
        answers.write(json.dumps(answer).encode("ascii") + b"\n")
        answers.flush()


def _keep_stdout() -> IO[bytes]:
    """Take stdout for the answers; what libraries print goes to stderr."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return open(ours, "wb")  # noqa: PTH123  a descriptor, kept open


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    places = [Path(argument) for argument in sys.argv[1:4]]
    _serve(*places, allow_lambda="--allow-lambda" in sys.argv[4:])
