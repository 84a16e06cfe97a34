"""The training loop: compile, feed, validate, checkpoint."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from train import evaluate, feed, model
from train.journal import History, Journal, Progress
from train.mnist import Mnist, Samples
from train.recipe import Loss, Optimizer, Recipe
from train.storage import writing

OnEpoch = Callable[[Progress], None]


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
        model: the Keras model with its final (averaged) weights; not compiled, no optimizer.
        history: ``loss``, ``accuracy`` (on the distorted training images, during the epoch),
            ``val_loss`` and ``val_accuracy``, one value per epoch.
    """

    model: Any
    history: History


def fit(
    recipe: Recipe,
    seed: int,
    mnist: Mnist,
    journal: Journal,
    done: Progress,
    *,
    clock: Callable[[], float],
    on_epoch: OnEpoch,
    tensorboard: Path | None = None,
) -> Fitted:
    """Train from the epoch after ``done`` to the recipe's last epoch.

    Args:
        recipe: the recipe.
        seed: the seed of the data order and the distortions; the initial weights are already set.
        mnist: the data: ``train`` for training, ``validation`` for validation; ``test`` is unused.
        journal: an open journal; receives a checkpoint after each epoch.
        done: the progress of earlier sessions.
        clock: returns the seconds spent so far, over all sessions.
        on_epoch: called with the progress after each epoch.
        tensorboard: a folder for TensorBoard's logs.

    Raises:
        OutputError: if a checkpoint cannot be written.
        UnfinishedRun: if the latest checkpoint cannot be read.
    """
    steps = feed.steps_per_epoch(mnist.train, recipe)
    training = model.build(recipe.network)
    training.compile(
        optimizer=_optimizer(recipe.optimizer, recipe.schedule.epochs, steps),
        loss=_loss(recipe.loss),
        metrics=["accuracy"],
        # A whole epoch in one call: a step of this network takes less time than its call.
        steps_per_execution=steps,
    )
    journal.restore(training)
    record = _Record(mnist.validation, journal, done, clock, on_epoch)
    callbacks: list[Any] = [record]
    if tensorboard is not None:
        with writing(tensorboard):
            tensorboard.mkdir(parents=True, exist_ok=True)
        callbacks.append(keras.callbacks.TensorBoard(tensorboard, write_graph=False))
    if done.epoch < recipe.schedule.epochs:
        training.fit(
            feed.batches(mnist.train, recipe, seed, first_epoch=done.epoch),
            initial_epoch=done.epoch,
            epochs=recipe.schedule.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the feed has its own order
            callbacks=callbacks,
            verbose=0,
        )
    finished = model.build(recipe.network)
    with _averaged(training):
        finished.set_weights(training.get_weights())
    return Fitted(finished, record.progress.history)


class _Record(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that validates the averaged weights, checkpoints and reports after each epoch."""

    def __init__(
        self,
        validation: Samples,
        journal: Journal,
        done: Progress,
        clock: Callable[[], float],
        on_epoch: OnEpoch,
    ) -> None:
        super().__init__()
        self.progress = done
        self._images = validation.images.astype(np.float32)
        self._labels = validation.labels
        self._loss = keras.losses.SparseCategoricalCrossentropy()
        self._journal = journal
        self._clock = clock
        self._on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = {} if logs is None else logs
        figures.update(self._validate())  # in place: the callbacks after this one see it too
        history = {
            key: [*self.progress.history.get(key, []), float(value)]
            for key, value in figures.items()
        }
        self.progress = Progress(epoch + 1, history, self._clock())
        self._journal.save(self.model, self.progress)
        self._on_epoch(self.progress)

    def _validate(self) -> dict[str, float]:
        with _averaged(self.model):
            # A call, not predict(): Keras's losses find the logits behind a called model's outputs,
            # as in training, so the two curves are comparable.
            outputs = self.model(self._images, training=False)  # (5000, 10)
        return {
            "val_loss": float(self._loss(self._labels, outputs)),
            "val_accuracy": evaluate.accuracy(outputs.numpy(), self._labels),
        }


@contextlib.contextmanager
def _averaged(training: Any) -> Iterator[None]:
    """Put the moving average of its weights into the model for the duration of the context.

    Keras has SwapEMAWeights for this. It swaps by addition and subtraction, which round, so
    validation would change the training.
    """
    optimizer = training.optimizer
    if not optimizer.use_ema:
        yield
        return
    variables = training.trainable_variables
    present = [keras.ops.copy(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, present, strict=True):
            variable.assign(value)


def _optimizer(chosen: Optimizer, epochs: int, steps: int) -> Any:
    window = chosen.average_epochs * steps
    average = {"use_ema": True, "ema_momentum": 1 - 1 / window} if window > 1 else {}
    if chosen.name == "adam":
        return keras.optimizers.Adam(chosen.learning_rate, **average)
    warmup = round(min(chosen.warmup_epochs, epochs) * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else chosen.learning_rate,
        warmup_target=chosen.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=max(1, epochs * steps - warmup),
    )
    return keras.optimizers.AdamW(schedule, weight_decay=chosen.weight_decay, **average)


def _loss(chosen: Loss) -> Any:
    if chosen.label_smoothing:
        return keras.losses.CategoricalCrossentropy(label_smoothing=chosen.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy()
