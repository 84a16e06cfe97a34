"""The batches of a training, each a pure function of (seed, epoch, step).

Nothing here has state. A training that resumes at epoch 57 asks for epoch 57 and gets the same
batches, bit for bit, as one that was not interrupted.
"""

from typing import Any

import tensorflow as tf

from train.augment import distort
from train.mnist import Samples
from train.recipe import Recipe

_CLASSES = 10
_ORDER, _DISTORTION = 0, 1  # two streams of randomness, which must differ


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
        key = _key(seed, epoch, _ORDER)
        order = tf.random.experimental.stateless_shuffle(tf.range(len(samples)), seed=key)
        rows = tf.reshape(order[: steps * size], (steps, size))
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


def _key(seed: int, number: Any, stream: int) -> Any:
    """Make one key for each seed, stream, and epoch or step: int32 (2,)."""
    return tf.stack([tf.cast(2 * seed + stream, tf.int32), tf.cast(number, tf.int32)])
