"""The process that converts: it reads requests from stdin, and answers them on stdout."""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO, Any

from strop.bundle.manifest import plain
from strop_export import source
from strop_export.conversion import CALIBRATION, HELD_OUT, REQUEST, load, save
from strop_export.errors import ConversionError
from strop_export.formats import Conversions, Names, Quantization, VariantSpec, quiet
from strop_export.layer_errors.of_model import layer_errors
from strop_export.source import header, keras_model


def _serve(folder: Path) -> None:
    """Read a request from each line of stdin, and answer it on stdout."""
    answers = _keep_stdout()
    lines = _lines()
    with quiet(), contextlib.suppress(ImportError):  # the request that needs it says so
        importlib.import_module("strop_export.formats.tflite")  # takes seconds
    conversions = None
    for number in itertools.count():
        line = lines.get()
        try:
            conversions = conversions or _open(folder)
            answer = _answer(conversions, json.loads(line), folder / f"{number}-{os.getpid()}")
        except ConversionError as error:
            answer = {"error": error.kind, "problem": error.problem, "mend": error.mend}
        answers.write(json.dumps(answer).encode("ascii") + b"\n")
        answers.flush()


def _open(folder: Path) -> Conversions:
    request = json.loads((folder / REQUEST).read_text(encoding="ascii"))
    loading = source.Loading(
        Path(request["path"]),
        request["trust"],
        Path(request["custom"]) if request["custom"] else None,
        {name: tuple(shape) for name, shape in request["shapes"].items()},
    )
    calibration = load(folder / CALIBRATION)
    names = Names(tuple(request["inputs"]), tuple(request["outputs"]))
    samples = dict(zip(names.inputs, calibration, strict=True))
    model = keras_model.load(loading, header.check(loading), samples).model
    return Conversions(model, calibration, names, load(folder / HELD_OUT), request["unseen"])


def _answer(conversions: Conversions, request: dict[str, Any], file: Path) -> dict[str, Any]:
    """Answer a request; bytes and arrays go to `file`."""
    spec = _read_spec(request["spec"])
    if request["verb"] == "ranking":
        return {"layers": conversions.ranking(spec)}
    if request["verb"] == "layer_errors":
        return {"errors": plain(layer_errors(conversions, spec))}
    if request["verb"] == "answers":
        file = file.with_suffix(".npz")
        save(file, conversions.answers(spec))
        return {"file": file.name}
    if request["verb"] != "convert":
        raise ConversionError(f"the converter has no verb {request['verb']!r}")
    converted = conversions.convert(spec)
    file.write_bytes(converted.data)
    return {
        "file": file.name,
        "inputs": plain(converted.inputs),
        "outputs": plain(converted.outputs),
        "requires": dict(converted.requires),
        "float_layers": converted.float_layers,
        "integer_share": converted.integer_share,
        "equalized": converted.equalized,
        "rounding": converted.rounding,
        "step_layers": converted.step_layers,
    }


def _read_spec(said: dict[str, Any]) -> VariantSpec:
    """Make a spec from the plain JSON values of one."""
    own = said["quantization"]
    quantization = Quantization(**{**own, "float_layers": tuple(own["float_layers"])})
    return VariantSpec(**{**said, "quantization": quantization})


def _lines() -> queue.Queue[bytes]:
    """Read stdin in a thread, which ends this process when the export has ended, however it did."""
    lines = queue.Queue[bytes]()

    def read() -> None:
        for line in io.FileIO(0):  # sys.stdin has a lock, which an exit of this process would want
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _keep_stdout() -> IO[bytes]:
    """Keep stdout for the answers, and send what libraries print to stderr."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return open(ours, "wb")  # noqa: PTH123  a descriptor, kept open


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _serve(Path(sys.argv[1]))
