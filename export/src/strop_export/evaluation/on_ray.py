"""Evaluation on a Ray cluster, or on a Ray that is started on this machine for it.

Ray Data spreads the pieces over a pool of actors. Each actor reads its pieces itself: no sample
passes through Ray's object store, and no task that reads needs a CPU beside the actors, so they can
take all CPUs. Ray starts dead actors again, elsewhere if need be, and repeats their pieces.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from strop_export.errors import EvaluationError, install_line, reason
from strop_export.evaluation.sources.base import Unit
from strop_export.evaluation.work import Job, Outcome, Worker

if TYPE_CHECKING:
    from numpy.typing import NDArray


@contextmanager
def started() -> Iterator[int]:
    """Connect to the cluster that RAY_ADDRESS names, or that runs on this machine, or start one.

    What is started here is stopped at the end.

    Yields:
        The number of CPUs that the cluster has now.

    Raises:
        EvaluationError: Ray is absent, cannot be started, or gave up.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EvaluationError(f"--on ray needs Ray: {reason(error)}", install_line("ray")) from None
    ours = not ray.is_initialized()
    try:
        if ours:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise EvaluationError(
            f"Ray failed: {reason(error)}", "run the same command again, which goes on"
        ) from error
    finally:
        if ours:
            ray.shutdown()


def run(
    job: Job, units: Iterable[tuple[int, Unit]], workers: int, *, gpu: bool
) -> Generator[Outcome, None, None]:
    """Evaluate pieces, and yield each outcome when it is there, in any order.

    Args:
        job: what the workers need to know.
        units: the pieces, numbered.
        workers: actors, of one CPU each; a cluster that scales grows up to that number.
        gpu: whether each actor takes a GPU too.
    """
    import ray

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    pieces = [{"number": number, "unit": pickle.dumps(unit)} for number, unit in units]
    if not pieces:
        return
    outcomes = ray.data.from_items(pieces, override_num_blocks=len(pieces)).map_batches(
        _Actor,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(pieces))),
        num_cpus=1,
        num_gpus=1 if gpu else None,
        fn_constructor_args=(job,),
    )
    for row in outcomes.iter_rows():
        yield pickle.loads(row["outcome"])  # noqa: S301  our own


class _Actor:
    """A worker as Ray Data calls it."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)

    def __call__(self, pieces: dict[str, NDArray[Any]]) -> dict[str, list[bytes]]:
        """Evaluate a batch of pieces: arrays `number` and `unit`, to `outcome`, pickled."""
        return {
            "outcome": [
                pickle.dumps(self._worker.evaluate(int(number), pickle.loads(unit)))  # noqa: S301
                for number, unit in zip(pieces["number"], pieces["unit"], strict=True)
            ]
        }
