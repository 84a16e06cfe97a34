"""Evaluation on this machine, with a process for each worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from strop_export.errors import EvaluationError
from strop_export.evaluation.sources.base import Unit
from strop_export.evaluation.work import Job, Outcome, Worker

_AHEAD = 2  # pieces that wait for each worker

_worker: Worker  # of this process


def run(job: Job, units: Iterable[tuple[int, Unit]], workers: int) -> Iterator[Outcome]:
    """Evaluate pieces, and yield each outcome when it is there, in any order.

    Args:
        job: what the workers need to know.
        units: the pieces, numbered.
        workers: processes; 1 works in this one.

    Raises:
        EvaluationError: a worker's process died.
    """
    if workers == 1:
        worker = Worker(job)
        for number, unit in units:
            yield worker.evaluate(number, unit)
        return
    # Spawned: a fork would copy the locks of threads that engines have started here.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(job,)
    )
    left = iter(units)
    running: set[Future[Outcome]] = set()
    try:
        while True:
            for number, unit in islice(left, workers * _AHEAD - len(running)):
                running.add(pool.submit(_evaluate, number, unit))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise EvaluationError(
            "a worker process died: it was killed, or there was no memory for it",
            "run the same command again, which goes on; with fewer --workers or a smaller --batch "
            "each needs less memory. A script that calls strop_export.evaluate needs "
            'if __name__ == "__main__":',
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(job: Job) -> None:
    """Make the worker of this process, which ends with its parent."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = Worker(job)


def _end_with_parent() -> None:
    """End this process when its parent ends: a killed parent cannot stop its pool."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _evaluate(number: int, unit: Unit) -> Outcome:
    return _worker.evaluate(number, unit)
