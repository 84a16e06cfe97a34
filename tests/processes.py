"""Measurements of a whole process, taken in one that nothing else has used.

What a process holds (objects, references, bytes, descriptors) also changes by the garbage and the
threads that earlier tests left in it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_new_process(measure: Callable[[], T]) -> T:
    """Run a module's function in a process of its own, and return or raise what it does."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure).result()
