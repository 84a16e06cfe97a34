"""One training, from the data to the artifact directory.

Requests are refused before TensorFlow is loaded, which takes seconds; hence the imports inside
:func:`_train`. Only the device is checked later, because only TensorFlow knows it.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from train import backend, mnist, target
from train.checkpoints import Progress
from train.display import Display
from train.evaluate import Evaluation
from train.journal import Journal
from train.paths import MNIST_CACHE, shown
from train.recipe import Recipe

_LABELS = tuple("0123456789")


@dataclass(frozen=True)
class Job:
    """A request for one training.

    Attributes:
        recipe: the recipe.
        seed: the seed of everything random, 0 to 1,000,000,000.
        out: the artifact directory to write.
        model_version: the version in ``training.json``, and so in bundles.
        resume: continue an unfinished training, or accept a finished one.
        restart: drop an unfinished one.
        tensorboard: a folder for TensorBoard's logs.
        cache: the file that keeps MNIST.
    """

    recipe: Recipe
    seed: int
    out: Path
    model_version: int = 1
    resume: bool = False
    restart: bool = False
    tensorboard: Path | None = None
    cache: Path = MNIST_CACHE


def run(job: Job, console: Console, started: float) -> None:
    """Train, evaluate, and write the artifact directory.

    Args:
        job: the request.
        console: the console for progress.
        started: ``time.perf_counter()`` when the command started.

    Raises:
        TrainError: the training was refused or failed; see :mod:`train.errors`.
    """
    identity = _identity(job)
    if job.resume and _is_finished(job, identity):
        console.print(f"{shown(job.out)} is finished already: nothing to resume")
        return
    target.check(job.out)
    journal = Journal(job.out, identity)
    try:
        done = journal.open(resume=job.resume, restart=job.restart)
        data = mnist.load(job.cache, say=console.print)

        def clock() -> float:
            return done.seconds + time.perf_counter() - started

        evaluation = _train(job, identity, data, journal, done, console, clock)
        journal.discard()
    finally:
        journal.close()
    console.print(
        f"{_title(job)}: train {evaluation.train:.2%}, validation {evaluation.validation:.2%}, "
        f"test {evaluation.test:.2%}, {clock():.0f} s"
    )
    console.print(f"wrote {shown(job.out)}")


def _train(
    job: Job,
    identity: Mapping[str, Any],
    data: mnist.Mnist,
    journal: Journal,
    done: Progress,
    console: Console,
    clock: Callable[[], float],
) -> Evaluation:
    backend.start(job.seed)
    from train import artifact, distill, feed, model
    from train.fit import Task, fit

    device = backend.device()
    journal.insist_on_device(device)
    recipe, seed, title = job.recipe, job.seed, _title(job)
    epochs = recipe.schedule.epochs
    doing = f"continuing after epoch {done.epoch} of {epochs}" if done.epoch else "training"
    console.print(f"{title}: {doing} on {device}")
    distillation = recipe.distillation
    if distillation is not None:
        session = distill.Session(seed, data, journal, console, title, clock)
        distill.prepare(distillation, recipe, session)

    def batches(first: int) -> Any:
        if distillation is None:
            return feed.batches(data.train, recipe, seed, first)
        folder, copies = journal.copies.folder, distillation.copies
        return feed.distilled_batches(folder, copies, data.train, recipe, seed, first)

    logits = distillation is not None
    training = model.build_for_training(recipe.network, seed, logits=logits)
    temperature = distillation.temperature if distillation else None
    task = Task(training, recipe, batches, logits=logits, temperature=temperature)
    with Display(console, title, epochs, done) as display:
        history = fit(
            task,
            data,
            journal.checkpoints,
            clock=clock,
            on_epoch=display.epoch,
            tensorboard=job.tensorboard,
        )
    facts = _facts(job, identity, device)
    finished = model.finish(recipe.network, training)
    return artifact.write(job.out, finished, data, history, facts, clock)


def _title(job: Job) -> str:
    return f"{job.recipe.name}, seed {job.seed}"


def _identity(job: Job) -> dict[str, Any]:
    """Return the values that a session must share with the one that it continues.

    The device must be the same too: see docs/decisions/0002.
    """
    return {
        "recipe": job.recipe.values(),
        "seed": job.seed,
        "versions": {package: version(package) for package in ("tensorflow", "keras", "numpy")},
    }


def _is_finished(job: Job, identity: Mapping[str, Any]) -> bool:
    record = target.read_record(job.out)
    asked = {**identity, "model_version": job.model_version}
    return all(record.get(key) == value for key, value in asked.items())


def _facts(job: Job, identity: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return the content of ``training.json`` besides the results of training and evaluation."""
    return {
        "name": job.recipe.artifact,
        "model_version": job.model_version,
        **identity,
        "labels": list(_LABELS),
        "image": {"mode": "L", "width": 28, "height": 28, "background": "dark"},
        "data_sha256": dict(mnist.SHA256),
        "platform": {
            "python": platform.python_version(),
            "system": platform.system(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "device": device,
        },
    }
