"""The batches of a training, each a pure function of (seed, epoch, step).

Nothing here has state. A training that resumes at epoch 57 asks for epoch 57 and gets the same
batches, bit for bit, as one that was not interrupted.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from train.augment import distort
from train.mnist import Bytes, Samples
from train.recipe import Augmentation, Recipe

_CLASSES = 10
_ORDER, _DISTORTION = 0, 1  # two streams of randomness, which must differ
_PART = 1_000  # images distorted at a time


def steps_per_epoch(samples: Samples, recipe: Recipe) -> int:
    """Count the whole batches in one pass; at least one."""
    return max(1, len(samples) // recipe.schedule.batch_size)


def batches(samples: Samples, recipe: Recipe, seed: int, first_epoch: int = 0) -> Any:
    """Make the batches from ``first_epoch`` to the last.

    Args:
        samples: the training images.
        recipe: the recipe; its schedule, augmentation and loss are used.
        seed: the seed of the order and the distortions.
        first_epoch: counted from 0.

    Returns:
        A ``tf.data.Dataset``. Each batch is (images, labels): images float32 (B, 28, 28), 0..255;
        labels int64 (B,), or float32 (B, 10) if the recipe smooths labels. Every epoch has
        :func:`steps_per_epoch` of them.
    """
    size = min(recipe.schedule.batch_size, len(samples))
    steps = steps_per_epoch(samples, recipe)
    epochs = recipe.schedule.epochs
    images = tf.constant(samples.images)
    labels = tf.constant(samples.labels)
    smooth = recipe.loss.label_smoothing > 0
    augmentation = recipe.augmentation
    augmented = any(
        (augmentation.rotation, augmentation.scale, augmentation.shear, augmentation.shift)
    )

    def epoch_of(epoch: Any) -> Any:
        rows = _rows(len(samples), steps, size, seed, epoch)
        numbers = epoch * steps + tf.range(steps, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices((rows, numbers))

    def batch_of(rows: Any, number: Any) -> tuple[Any, Any]:
        chosen = tf.cast(tf.gather(images, rows), tf.float32)  # (B, 28, 28)
        targets = tf.gather(labels, rows)  # (B,)
        if augmented:
            chosen = distort(chosen, augmentation, _key(seed, number, _DISTORTION))
        return chosen, tf.one_hot(targets, _CLASSES) if smooth else targets

    return (
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(epoch_of)
        .map(batch_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def distilled_batches(
    folder: Path, copies: int, samples: Samples, recipe: Recipe, seed: int, first_epoch: int = 0
) -> Any:
    """Make the batches of a distillation from ``first_epoch`` to the last.

    Args:
        folder: the folder of the copies (:mod:`train.copies`).
        copies: how many there are; each epoch uses the next one, in turn.
        samples: the training images that were copied.
        recipe: the recipe; its schedule is used.
        seed: the seed of the order.
        first_epoch: counted from 0.

    Returns:
        A ``tf.data.Dataset``. Each batch is (images, logits): images float32 (B, 28, 28), 0..255;
        the teacher's logits float32 (B, 10).
    """
    size = min(recipe.schedule.batch_size, len(samples))
    steps = steps_per_epoch(samples, recipe)

    def epoch_of(epoch: Any) -> Any:
        number = tf.strings.as_string(epoch % copies, width=5, fill="0")
        copy = tf.strings.join([str(folder), "/copy-", number])
        rows = _rows(len(samples), steps, size, seed, epoch)

        def part(name: str, kind: Any, shape: tuple[int, ...]) -> Any:
            held = tf.io.decode_raw(tf.io.read_file(copy + f"/{name}"), kind)
            return tf.gather(tf.reshape(held, (len(samples), *shape)), rows)

        images, logits = part("images", tf.uint8, (28, 28)), part("logits", tf.float32, (10,))
        return tf.data.Dataset.from_tensor_slices((images, logits))

    def batch_of(images: Any, logits: Any) -> tuple[Any, Any]:
        return tf.cast(images, tf.float32), logits

    return (
        tf.data.Dataset.range(first_epoch, recipe.schedule.epochs)
        .flat_map(epoch_of)
        .map(batch_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def distorted_copy(samples: Samples, augmentation: Augmentation, seed: int, number: int) -> Bytes:
    """Distort all images.

    Args:
        samples: the images.
        augmentation: the limits of the distortion.
        seed: the seed of the training.
        number: the number of the copy; each has its own distortions.

    Returns:
        uint8 (N, 28, 28).
    """
    key = _key(seed, number, _DISTORTION)

    @tf.function  # type: ignore[untyped-decorator]
    def distorted(images: Any, part: Any) -> Any:
        own = tf.random.experimental.stateless_fold_in(key, part)
        return tf.cast(tf.round(distort(tf.cast(images, tf.float32), augmentation, own)), tf.uint8)

    return np.concatenate(
        [
            distorted(samples.images[start : start + _PART], tf.constant(start))
            for start in range(0, len(samples), _PART)
        ]
    )


def _rows(count: int, steps: int, size: int, seed: int, epoch: Any) -> Any:
    """Choose the images of each batch of an epoch: int32 (steps, size)."""
    key = _key(seed, epoch, _ORDER)
    order = tf.random.experimental.stateless_shuffle(tf.range(count), seed=key)
    return tf.reshape(order[: steps * size], (steps, size))


def _key(seed: int, number: Any, stream: int) -> Any:
    """Make one key for each seed, stream, and epoch or step: int32 (2,)."""
    return tf.stack([tf.cast(2 * seed + stream, tf.int32), tf.cast(number, tf.int32)])
