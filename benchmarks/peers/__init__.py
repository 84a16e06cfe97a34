"""Strop, and the packages it is compared with: a module for each, with the best known code.

A peer is a module here with these names. It imports its package only inside its functions, so that
every environment can import all of them, and a cold start pays only for its own package:

    ENVIRONMENT   the environment of its package: "peers", "tflite" or "keras"
                  (benchmarks.environments)
    ENGINE        the Strop engine of these raw loops; "" if Strop does not wrap the engine
    INSTALLS      the packages that an app would `pip install` for it, besides NumPy
    LOOPS         the ways to call it, each a `Loop`
    open_loop(loop, precision, path, batch) -> Call
                  open the file at `path`, one thread, for batches of `batch` images
    build(loop, precision, path, folder) -> str      (optional)
                  make the file that `open_loop` opens from the file at `path`, in `folder`; return
                  its path. The time this takes is the peer's time to export

A `Call` takes raw pixels, uint8 (batch, 28, 28), and returns float32 (batch, 10) in the caller's
own array, conversions included: the code that an app would write, without checks. Peers that run
convolutional networks too (benchmarks.convolutions) take the shapes of those. If a package
takes one image at a time, the call is a loop over them. `open_loop` and `build` raise `Absent`,
with the reason and what to do, if this machine cannot run the peer.

Strop's own engine skips groups of pixels that are 0. No peer does, so their times are the same for
all images: only those that come near it (`Loop.dense`) run dense images too.
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
    "vnni_loop",
)


class Loop(NamedTuple):
    """One way to call a peer."""

    name: str  # in results, without the precision: "LiteRT set_tensor"
    file: str  # it opens or builds from: "tflite", "onnx", "weights", "plan", "keras" or "bundle"
    precisions: tuple[str, ...]
    engine: str = ""  # if it differs from the module's ENGINE
    dense: tuple[str, ...] = ()  # the precisions that run images without zeros as well
    avx2: tuple[str, ...] = ()  # the precisions that run held to AVX2 as well


class Absent(Exception):
    """This machine cannot run a peer; the message says why and what to do."""
