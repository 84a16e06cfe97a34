"""The training loop: compile, feed, validate, checkpoint."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from train import evaluate, feed
from train.checkpoints import Checkpoints, History, Progress
from train.mnist import Mnist, Samples
from train.recipe import Optimizer, Recipe
from train.storage import writing

_VALIDATION_PARTS = 10

OnEpoch = Callable[[Progress], None]


@dataclass(frozen=True)
class Task:
    """One network to train.

    Attributes:
        model: the untrained Keras model.
        recipe: the recipe; its schedule, optimizer and loss are used.
        batches: makes the batches from an epoch to the last, given the epoch.
        logits: the outputs of the model are logits, not probabilities.
        temperature: the targets are logits to distill at this temperature, not labels.
    """

    model: Any
    recipe: Recipe
    batches: Callable[[int], Any]
    logits: bool = False
    temperature: float | None = None


def fit(
    task: Task,
    mnist: Mnist,
    checkpoints: Checkpoints,
    *,
    clock: Callable[[], float],
    on_epoch: OnEpoch,
    tensorboard: Path | None = None,
) -> History:
    """Train from the latest checkpoint to the recipe's last epoch.

    The model then has its final (averaged) weights.

    Args:
        task: the network; its initial weights are already set.
        mnist: the data: ``validation`` for validation, ``train`` for its size; ``test`` is unused.
        checkpoints: receives a checkpoint after each epoch.
        clock: returns the seconds spent so far, over all sessions.
        on_epoch: called with the progress after each epoch.
        tensorboard: a folder for TensorBoard's logs.

    Returns:
        ``loss``, ``accuracy`` (on the distorted training images, during the epoch), ``val_loss``
        and ``val_accuracy``, one value per epoch.

    Raises:
        OutputError: if a checkpoint cannot be written.
        UnfinishedRun: if the latest checkpoint cannot be read.
    """
    training, recipe = task.model, task.recipe
    steps = feed.steps_per_epoch(mnist.train, recipe)
    training.compile(
        optimizer=_optimizer(recipe.optimizer, recipe.schedule.epochs, steps),
        loss=_loss(task),
        metrics=["accuracy"],
        # A whole epoch in one call: a step of this network takes less time than its call.
        steps_per_execution=steps,
    )
    done = checkpoints.progress()
    checkpoints.restore(training)
    record = _Record(task, mnist.validation, checkpoints, done, clock, on_epoch)
    callbacks: list[Any] = [record]
    if tensorboard is not None:
        with writing(tensorboard):
            tensorboard.mkdir(parents=True, exist_ok=True)
        callbacks.append(keras.callbacks.TensorBoard(tensorboard, write_graph=False))
    if done.epoch < recipe.schedule.epochs:
        training.fit(
            task.batches(done.epoch),
            initial_epoch=done.epoch,
            epochs=recipe.schedule.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the feed has its own order
            callbacks=callbacks,
            verbose=0,
        )
    training.optimizer.finalize_variable_values(training.trainable_variables)
    return record.progress.history


class _Record(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that validates the averaged weights, checkpoints and reports after each epoch."""

    def __init__(
        self,
        task: Task,
        validation: Samples,
        checkpoints: Checkpoints,
        done: Progress,
        clock: Callable[[], float],
        on_epoch: OnEpoch,
    ) -> None:
        super().__init__()
        self.progress = done
        images = validation.images.astype(np.float32)
        self._parts = np.array_split(images, _VALIDATION_PARTS) if task.logits else [images]
        self._labels = validation.labels
        self._logits = task.logits
        self._loss = keras.losses.SparseCategoricalCrossentropy(from_logits=task.logits)
        self._checkpoints = checkpoints
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
        self._checkpoints.save(self.model, self.progress)
        self._on_epoch(self.progress)

    def _validate(self) -> dict[str, float]:
        with _averaged(self.model):
            # A call, not predict(): Keras's losses find the logits behind a called model's outputs,
            # as in training, so the two curves are comparable. Logits can come in parts.
            parts = [self.model(images, training=False) for images in self._parts]
        outputs = parts[0] if len(parts) == 1 else keras.ops.concatenate(parts)  # (5000, 10)
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
    adamw = keras.optimizers.AdamW(schedule, weight_decay=chosen.weight_decay, **average)
    adamw.exclude_from_weight_decay(var_names=["gamma", "beta"])  # of batch normalization
    return adamw


def _loss(task: Task) -> Any:
    if task.temperature is not None:
        return Distance(task.temperature)
    smoothing = task.recipe.loss.label_smoothing
    if smoothing:
        return keras.losses.CategoricalCrossentropy(task.logits, label_smoothing=smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=task.logits)


class Distance(keras.losses.Loss):  # type: ignore[misc]
    """The Kullback-Leibler divergence from a teacher's answer, both softened by a temperature.

    It is multiplied by the square of the temperature, so that gradients keep their size.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self._temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Compute the distance of each pair of logits, float32 (B, 10): float32 (B,)."""
        wanted = keras.ops.log_softmax(y_true / self._temperature)  # (B, 10)
        given = keras.ops.log_softmax(y_pred / self._temperature)
        divergence = keras.ops.sum(keras.ops.exp(wanted) * (wanted - given), axis=-1)
        return divergence * self._temperature**2
