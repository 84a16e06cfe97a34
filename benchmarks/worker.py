"""`python -m benchmarks.worker`: open, ask and time peers on the parent's requests.

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
from functools import cache
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers import Absent, Call
from benchmarks.turns import Pace, turn_ns


class Open(NamedTuple):
    """An open case."""

    call: Call
    first: Any  # its batch that is timed, uint8 (batch, ...)
    images: Any  # uint8 (N, ...)


class Worker:
    """The cases that are open in this process."""

    def __init__(self) -> None:
        self._open: dict[str, Open] = {}  # by the parent's name for each

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
        self,
        key: str,
        module: str,
        loop: str,
        precision: str,
        path: str,
        batch: int,
        images: str,
        classes: int,
    ) -> dict[str, Any]:
        """Open a case and answer once, so that work in the first call is not timed.

        Args:
            key: the parent's name for the open case.
            module: the peer, a module of `benchmarks.peers`.
            loop: the name of its loop.
            precision: the file's precision.
            path: the file to open.
            batch: images per call.
            images: path of the images, uint8 (N, ...).
            classes: the number of classes.

        Returns:
            `classes` of the first `batch` images.

        Raises:
            ValueError: the answer is not float32 (batch, classes).
        """
        call = _peer(module).open_loop(loop, precision, path, batch)
        everything = _images(images)
        first = np.ascontiguousarray(everything[:batch])
        answer = call(first)
        if (answer.shape, answer.dtype) != ((batch, classes), np.float32):
            raise ValueError(f"it answers {batch} images with {answer.dtype} {answer.shape}")
        self._open[key] = Open(call, first, everything)
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
        case = self._open[key]
        gc.disable()
        try:
            return {"ns": turn_ns(case.call, case.first, Pace(*pace))}  # type: ignore[arg-type]
        finally:
            gc.enable()

    def answer(self, key: str, out: str, limit_s: float) -> dict[str, Any]:
        """Answer the images batch by batch, all of them or as many as the time allows.

        Args:
            key: the parent's name for the open case.
            out: the .npy file to write: float32 (images answered, classes).
            limit_s: seconds after which it stops.

        Returns:
            An empty reply.
        """
        call, first, images = self._open[key]
        batch, started, answers = len(first), perf_counter(), []
        for start in range(0, len(images) - batch + 1, batch):
            answers.append(call(images[start : start + batch]))
            if perf_counter() - started > limit_s:
                break
        np.save(out, np.concatenate(answers))
        return {}


@cache
def _images(path: str) -> Any:
    return np.load(path)


def _peer(name: str) -> Any:
    return importlib.import_module(f"benchmarks.peers.{name}")


def main() -> None:
    """Serve requests from stdin until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Line by line, so that a peer's output is written before it dies; open while this runs.
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    worker = Worker()
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
