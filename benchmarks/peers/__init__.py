"""Strop, and the packages it is measured against: one module each, with the best code known for it.

A peer is a module here with these names. It imports its package only inside its functions, so that
every environment can read all of them, and a cold start pays for its own package alone:

    ENVIRONMENT   where its package lives: "peers", "tflite" or "keras" (benchmarks.environments)
    ENGINE        the Strop engine whose raw loops these are; "" where Strop wraps no such engine
    INSTALLS      what an app would `pip install` for it, NumPy apart
    LOOPS         the ways to call it, each a `Loop`
    open_loop(loop, precision, path, batch) -> Call
                  open the file at `path`, one thread, for batches of `batch` images
    build(loop, precision, path, folder) -> str      (optional)
                  make what `open_loop` opens from the file at `path`, in `folder`; return its path.
                  The time this takes is the peer's time to export

A `Call` goes from raw pixels, uint8 (batch, 28, 28), to float32 (batch, 10) in an array of the
caller's own, conversions included: it is what an app would write, without any check. Where a
package takes one image at a time, the call is a loop over them. `open_loop` and `build` raise
`Absent`, with the reason and what would help, where this machine cannot have it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Call = Callable[[Any], Any]

# Modules of this package, in the order in which results are shown.
NAMES = (
    "strop_runtime",
    "litert_interpreter",
    "litert_compiled_model",
    "tflite_runtime",
    "onnx_runtime",
    "numpy_alone",
    "keras_model",
    "openvino_runtime",
    "emx_onnx_cgen",
    "emlearn_c",
    "tflite_micro",
    "iree_runtime",
    "tvm_runtime",
)


class Loop(NamedTuple):
    """One way to call a peer."""

    name: str  # as results show it, without the precision: "LiteRT set_tensor"
    file: str  # what it opens or builds from: "tflite", "onnx", "weights", "keras" or "bundle"
    precisions: tuple[str, ...]
    engine: str = ""  # where it differs from the module's ENGINE


class Absent(Exception):
    """A peer that this machine cannot have; the message says why and what would help."""
