"""Evaluation on this machine, with a process for each worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as ready

from strop_export.errors import EvaluationError
from strop_export.evaluation.sources.base import Unit
from strop_export.evaluation.work import Job, Outcome, Worker

_AHEAD = 2  # pieces that wait for each worker

_worker: Worker  # of this process


def run(
    job: Job, units: Iterable[tuple[int, Unit]], workers: int
) -> Generator[Outcome, None, None]:
    """Evaluate pieces, and yield each outcome when it is there, in any order.

    When it is closed or interrupted, the workers end at once, in the middle of their pieces.

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
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)  # closed when this process ends, however it does
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(job, reader))
    left = iter(units)
    running: set[Future[Outcome]] = set()
    try:
        while True:
            for number, unit in islice(left, workers * _AHEAD - len(running)):
                with _deaf():
                    running.add(pool.submit(_evaluate, number, unit))
            if not running:
                pool.shutdown()
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
        writer.close()
        pool.shutdown(cancel_futures=True)
        reader.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Start processes that ^C does not reach; one that comes meanwhile is heard afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(job: Job, parent: Connection) -> None:
    """Make the worker of this process, which ends when the parent closes its end of a pipe."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the pool
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _worker = Worker(job)


def _end_with(parent: Connection) -> None:
    """End this process when its parent is stopped or killed: a pool waits for running pieces."""
    ready([parent])
    os._exit(1)


def _evaluate(number: int, unit: Unit) -> Outcome:
    return _worker.evaluate(number, unit)
