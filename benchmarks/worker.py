"""`python -m benchmarks.worker IMAGES`: open, ask and time peers on the parent's requests.

A line of JSON in, a line of JSON out, one at a time. It runs in the environment of the peers, so it
imports only NumPy until a peer is named, and is written for Python 3.10. Libraries print to stderr:
the answers have a separate file descriptor.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.peers import Absent, Call
from benchmarks.turns import Pace, turn_ns


class Worker:
    """The cases that are open in this process.

    Args:
        images: path of the test set, uint8 (N, 28, 28).
    """

    def __init__(self, images: str) -> None:
        self._images = np.load(images)
        self._open: dict[str, tuple[Call, Any]] = {}  # by the parent's name for each

    def build(
        self, module: str, loop: str, precision: str, path: str, folder: str
    ) -> dict[str, Any]:
        """Build the file that a peer opens, and time it.

        Args:
            module: the peer, a module of `benchmarks.peers`.
            loop: the name of its loop.
            precision: the file's precision.
            path: the file to build from.
            folder: the folder to build in.

        Returns:
            `path` of the built file, and `seconds`.
        """
        started = perf_counter()
        built = _peer(module).build(loop, precision, path, folder)
        return {"path": str(built), "seconds": perf_counter() - started}

    def open(
        self, key: str, module: str, loop: str, precision: str, path: str, batch: int
    ) -> dict[str, Any]:
        """Open a case and answer once, so that work in the first call is not timed.

        Args:
            key: the parent's name for the open case.
            module: the peer, a module of `benchmarks.peers`.
            loop: the name of its loop.
            precision: the file's precision.
            path: the file to open.
            batch: images per call.

        Returns:
            `classes` of the first `batch` images.

        Raises:
            ValueError: the answer is not float32 (batch, 10).
        """
        call = _peer(module).open_loop(loop, precision, path, batch)
        images = np.ascontiguousarray(self._images[:batch])
        answer = call(images)
        if (answer.shape, answer.dtype) != ((batch, 10), np.float32):
            raise ValueError(f"it answers {batch} images with {answer.dtype} {answer.shape}")
        self._open[key] = call, images
        return {"classes": np.argmax(answer, axis=1).tolist()}

    def close(self, keys: list[str]) -> dict[str, Any]:
        """Close open cases.

        Args:
            keys: the parent's names for them.

        Returns:
            An empty reply.
        """
        for key in keys:
            del self._open[key]
        gc.collect()
        return {}

    def turn(self, key: str, pace: list[float]) -> dict[str, Any]:
        """Time calls without garbage collection, which might collect another call's garbage.

        Args:
            key: the parent's name for the open case.
            pace: the fields of a `Pace`.

        Returns:
            `ns`: the duration of each call in nanoseconds.
        """
        call, images = self._open[key]
        gc.disable()
        try:
            return {"ns": turn_ns(call, images, Pace(*pace))}  # type: ignore[arg-type]
        finally:
            gc.enable()

    def answer(self, key: str, out: str, limit_s: float) -> dict[str, Any]:
        """Answer the images batch by batch, all of them or as many as the time allows.

        Args:
            key: the parent's name for the open case.
            out: the .npy file to write: float32 (images answered, 10).
            limit_s: seconds after which it stops.

        Returns:
            An empty reply.
        """
        call, images = self._open[key]
        batch, started, answers = len(images), perf_counter(), []
        for start in range(0, len(self._images) - batch + 1, batch):
            answers.append(call(self._images[start : start + batch]))
            if perf_counter() - started > limit_s:
                break
        np.save(out, np.concatenate(answers))
        return {}


def _peer(name: str) -> Any:
    return importlib.import_module(f"benchmarks.peers.{name}")


def main() -> None:
    """Serve requests from stdin until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Line by line, so that a peer's output is written before it dies; open while this runs.
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(worker, request.pop("do"))(**request)
        except Absent as error:
            reply = {"absent": str(error)}
        except ModuleNotFoundError as error:
            reply = {"absent": f"there is no package {error.name} in its environment"}
        except Exception as error:  # noqa: BLE001 a peer may raise anything
            reply = {"absent": f"it fails: {type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
