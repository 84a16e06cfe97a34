"""Peers for tests of the benchmarks: each does one thing right or wrong in a real worker."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import benchmarks
from benchmarks.cases import Case
from benchmarks.crew import Crew
from benchmarks.environments import Environments
from benchmarks.files import Files

IMAGES = 40
ENGINE = "stage"  # the same for all, so that they share a process

_HEAD = """
import os, signal, sys, time
import numpy as np
from benchmarks.peers import Absent
WEIGHTS = np.random.default_rng(1).integers(0, 10, (784, 10)).astype(np.float32)
def right(images):
    return images.reshape(len(images), 784).astype(np.float32) @ WEIGHTS / np.float32(50_000)
def open_loop(loop, precision, path, batch):
"""
ACTS = {
    "right": "return right",
    "held": "assert os.environ['ONEDNN_MAX_CPU_ISA'] == 'AVX2'; return right",
    "talkative": "print('on stdout'); os.write(1, b'and past it\\n'); return right",
    "absent": "raise Absent('no such machine: buy one')",
    "uninstalled": "import a_package_of_no_one",
    "failing": "raise OverflowError('too much')",
    "double": "return lambda images: right(images).astype(np.float64)",
    "dying": "print('last words', file=sys.stderr); os.kill(os.getpid(), signal.SIGILL)",
    "hanging": "time.sleep(60)",
    "dying_later": "return lambda images: os._exit(3) if len(images) == 7 else right(images)",
    "wrong": "return lambda images: right(images)[:, ::-1].copy()",
    "off": "return lambda images: np.nextafter(right(images), np.float32(9))",
    "wrong_alone": "return right if batch > 1 else lambda images: right(images)[:, ::-1].copy()",
}


def case(act: str, module: str | None = None) -> Case:
    """A case that runs an act; given a module's name, it takes that module's place."""
    return Case(module or act, act, "float32", ENGINE, "keras", "peers")


def crew(folder: Path, patch: pytest.MonkeyPatch) -> Crew:
    """A crew whose workers find these peers, and a test set of random images."""
    package = folder / "benchmarks"
    peers = package / "peers"
    peers.mkdir(parents=True)
    ours = Path(benchmarks.__file__).parent
    for name in ("__init__", "worker", "turns", "peers/__init__"):
        (package / f"{name}.py").symlink_to(ours / f"{name}.py")
    for act, code in ACTS.items():
        (peers / f"{act}.py").write_text(f"{_HEAD}    {code}\n", encoding="ascii")
        patch.setitem(sys.modules, f"benchmarks.peers.{act}", ModuleType(act))
    files = Files(folder / "artifact", folder)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES, 28, 28), np.uint8)
    # Integers: their sums are exact in any order of this machine's BLAS.
    weights = np.random.default_rng(1).integers(0, 10, (784, 10)).astype(np.float32)
    answers = images.reshape(IMAGES, 784).astype(np.float32) @ weights / np.float32(50_000)
    np.save(files.images, images)
    np.save(files.dense, images[::-1])
    images[:1].tofile(files.one_image)
    np.save(files.answers, answers)
    np.save(files.labels, answers.argmax(axis=1))
    places = Environments({"peers": Path(sys.executable)}, folder, folder / "private")
    return Crew(places, files)
