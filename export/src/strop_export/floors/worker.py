"""Open the files on standard input with one engine, and print the result for each.

This runs in the environment of the measured release, which has no strop. It imports only the
standard library and the engine.

    worker.py ENGINE  <  {NAME: {VERSION: file in base64}}  >  {NAME: {VERSION: error or null}}
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any


def _opener(engine: str) -> Callable[[bytes], Any]:
    if engine == "onnx":
        import onnxruntime

        return lambda file: onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    if engine == "litert":
        from ai_edge_litert.interpreter import Interpreter
    else:
        from tflite_runtime.interpreter import Interpreter
    return lambda file: Interpreter(model_content=file)


def _error(open_file: Callable[[bytes], Any], file: bytes) -> str | None:
    try:
        open_file(file)
    except Exception as error:  # noqa: BLE001 (the caller judges the message)
        return str(error) or type(error).__name__
    return None


def main() -> None:
    """Answer one request: read the files from stdin, write the errors to stdout."""
    open_file = _opener(sys.argv[1])
    files = json.load(sys.stdin)
    answers = {
        name: {version: _error(open_file, base64.b64decode(file)) for version, file in each.items()}
        for name, each in files.items()
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
