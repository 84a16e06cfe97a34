"""The preparation of a distillation: a teacher, and its logits for copies of the training images.

Both are in the journal: a training that resumes uses the finished parts and makes the others.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from rich.console import Console

from train import feed, teacher
from train.checkpoints import Progress
from train.display import Display
from train.evaluate import predict
from train.fit import Task, fit
from train.journal import Journal
from train.mnist import Mnist
from train.recipe import Distillation, Recipe


@dataclasses.dataclass(frozen=True)
class Session:
    """The state that the parts of one training share.

    Attributes:
        seed: the seed of everything random.
        mnist: the data; ``test`` is unused.
        journal: the open journal.
        console: the console for progress.
        title: the name of the training, for people.
        clock: returns the seconds spent so far, over all sessions.
    """

    seed: int
    mnist: Mnist
    journal: Journal
    console: Console
    title: str
    clock: Callable[[], float]


def prepare(distillation: Distillation, recipe: Recipe, session: Session) -> None:
    """Make the copies that are missing, with a teacher that is trained first if need be.

    Raises:
        OutputError: if a part cannot be written.
        UnfinishedRun: if a part cannot be read.
    """
    copies, count = session.journal.copies, distillation.copies
    missing = copies.missing(count)
    if not missing:
        return
    network = _teacher(distillation, recipe, session)
    train = session.mnist.train
    done = Progress(count - len(missing))
    title = f"{session.title}, copies"
    with Display(session.console, title, count, done, unit="copy") as display:
        for made, number in enumerate(missing, start=done.epoch + 1):
            images = feed.distorted_copy(train, recipe.augmentation, session.seed, number)
            logits = predict(network, images)
            copies.save(number, images, logits, session.clock())
            display.epoch(Progress(made, seconds=session.clock()))


def _teacher(distillation: Distillation, recipe: Recipe, session: Session) -> Any:
    """Train the teacher from its latest checkpoint on."""
    chosen = distillation.teacher
    lesson = dataclasses.replace(
        recipe,
        schedule=chosen.schedule,
        optimizer=chosen.optimizer,
        augmentation=chosen.augmentation,
        distillation=None,
    )
    network = teacher.build(chosen, session.seed)
    train, checkpoints = session.mnist.train, session.journal.teacher

    def batches(first: int) -> Any:
        return feed.batches(train, lesson, session.seed, first)

    task = Task(network, lesson, batches, logits=True)
    title = f"{session.title}, teacher"
    done = checkpoints.progress()
    with Display(session.console, title, chosen.schedule.epochs, done) as display:
        fit(task, session.mnist, checkpoints, clock=session.clock, on_epoch=display.epoch)
    return teacher.finish(chosen, network)
