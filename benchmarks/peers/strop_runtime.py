"""Strop itself, as an app uses it: one verified bundle, one call."""

from __future__ import annotations

import os
from functools import partial

from benchmarks.peers import Call, Loop

ENVIRONMENT = "peers"  # each loop uses its engine's environment (benchmarks.cases)
ENGINE = ""  # each loop has its own
INSTALLS = ("strop",)
KERNELS = "STROP_BENCHMARK_KERNELS"  # a variable that holds the native engine to some kernels
_NATIVE = ("int8", "float32")
LOOPS = (
    Loop("Strop native", "bundle", _NATIVE, "native", dense=_NATIVE, avx2=_NATIVE),
    Loop("Strop litert", "bundle", ("int8", "float32", "float16", "dynamic"), "litert"),
    Loop("Strop tflite", "bundle", ("int8", "float32", "float16", "dynamic"), "tflite"),
    Loop("Strop onnx", "bundle", ("float32", "int8"), "onnx"),
    Loop("Strop reference", "bundle", ("float32",), "reference"),
)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Load the bundle on the loop's engine; `benchmarks.peers` describes the arguments.

    Returns:
        `predict` of the model: from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import strop

    engine = loop.removeprefix("Strop ")
    load = partial(strop.load, path, engine=engine, precision=precision, threads=1)
    kernels = os.environ.get(KERNELS)
    if engine != "native" or kernels is None:
        return load().predict
    from unittest.mock import patch

    import strop_native

    # An app has no such choice: it gets the fastest kernels of its CPU.
    with patch.object(strop_native, "Model", partial(strop_native.Model, kernels=kernels)):
        return load().predict
