"""Augmentation and batches: pure functions of (seed, epoch, step)."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train import backend, mnist
from train.copies import Copies
from train.recipe import Augmentation, Loss, Recipe

ALL = Augmentation(rotation=0.2, scale=0.12, shear=0.15, shift=1.5)


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    backend.start(0)


def distorted(images: Any, augmentation: Augmentation, seed: tuple[int, int]) -> Any:
    import tensorflow as tf

    from train.augment import distort

    floats = tf.constant(images.astype(np.float32))
    return distort(floats, augmentation, tf.constant(seed)).numpy()


def batches(few: mnist.Mnist, recipe: Recipe, seed: int, first: int = 0) -> list[Any]:
    from train import feed

    return list(feed.batches(few.train, recipe, seed, first).as_numpy_iterator())


def without_distortion(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, augmentation=Augmentation())


def test_distortion_keeps_shape_type_and_range(few_digits: mnist.Mnist) -> None:
    images = few_digits.train.images[:200]
    result = distorted(images, ALL, (1, 2))
    assert result.shape == images.shape
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 255
    ink = result.sum(axis=(1, 2)) / images.sum(axis=(1, 2))
    assert 0.7 < ink.min() < ink.max() < 1.4  # still the same digits, not empty or doubled


def test_distortion_is_a_function_of_its_seed(few_digits: mnist.Mnist) -> None:
    images = few_digits.train.images[:50]
    assert np.array_equal(distorted(images, ALL, (1, 2)), distorted(images, ALL, (1, 2)))
    for other in ((1, 3), (2, 2)):
        assert not np.array_equal(distorted(images, ALL, (1, 2)), distorted(images, ALL, other))


def test_each_image_of_a_batch_is_distorted_by_a_map_of_its_own(few_digits: mnist.Mnist) -> None:
    same = np.repeat(few_digits.train.images[:1], 8, axis=0)
    results = distorted(same, ALL, (1, 2))
    assert len(np.unique(results.reshape(8, -1), axis=0)) == 8


def test_no_distortion_is_the_image_itself(few_digits: mnist.Mnist) -> None:
    images = few_digits.train.images[:20]
    assert distorted(images, Augmentation(), (1, 2)) == pytest.approx(images, abs=0.02)


def test_a_dot_in_the_middle_moves_no_further_than_the_shift() -> None:
    dot = np.zeros((400, 28, 28), np.uint8)
    dot[:, 13:15, 13:15] = 255  # about 13.5, which rotation and scale keep
    result = distorted(dot, ALL, (3, 4))
    rows, columns = np.mgrid[:28, :28]
    weight = result.sum(axis=(1, 2))
    right = (result * columns).sum(axis=(1, 2)) / weight - 13.5
    down = (result * rows).sum(axis=(1, 2)) / weight - 13.5
    for offsets in (right, down):
        assert 1.2 < np.abs(offsets).max() < 1.5 * 1.3  # scale and shear stretch it a little
        assert abs(offsets.mean()) < 0.15


def test_what_comes_from_outside_is_background() -> None:
    ink = np.full((50, 28, 28), 255, np.uint8)
    result = distorted(ink, Augmentation(shift=6), (1, 1))
    assert result[:, 0, 0].min() == 0


def test_a_tiny_displacement_changes_nothing(few_digits: mnist.Mnist) -> None:
    """Two ways to sample the same affine maps agree."""
    images = few_digits.train.images[:50]
    tiny = dataclasses.replace(ALL, elastic=1e-6)
    assert distorted(images, tiny, (1, 2)) == pytest.approx(
        distorted(images, ALL, (1, 2)), abs=0.02
    )


def test_pixels_move_by_the_displacement_asked_for_and_smoothly() -> None:
    ramp = np.broadcast_to(np.arange(28, dtype=np.float32) * 9, (300, 28, 28))
    moved = distorted(ramp, Augmentation(elastic=0.8), (5, 6)) / 9 - np.arange(28)
    inside = moved[:, 4:24, 4:24]  # a pixel at the edge can come from outside
    assert np.sqrt(np.square(inside).mean()) == pytest.approx(0.8, abs=0.05)
    assert abs(inside.mean()) < 0.05
    steps = np.diff(inside, axis=1)
    assert np.sqrt(np.square(steps).mean()) < 0.25


def test_elastic_distortion_is_a_function_of_its_seed(few_digits: mnist.Mnist) -> None:
    images, elastic = few_digits.train.images[:50], dataclasses.replace(ALL, elastic=0.5)
    result = distorted(images, elastic, (1, 2))
    assert np.array_equal(result, distorted(images, elastic, (1, 2)))
    assert not np.array_equal(result, distorted(images, elastic, (1, 3)))
    assert 0 <= result.min() < result.max() <= 255


def test_each_epoch_of_a_distillation_shuffles_the_next_copy(
    few_digits: mnist.Mnist, distilled: Recipe, tmp_path: Path
) -> None:
    from train import feed

    train, copies = few_digits.train, Copies(tmp_path)
    answers = np.arange(15_000, dtype=np.float32).reshape(1500, 10)
    made = [feed.distorted_copy(train, distilled.augmentation, 5, number) for number in range(2)]
    for number, images in enumerate(made):
        copies.save(number, images, answers + number, 0.0)

    def steps(first: int) -> list[Any]:
        dataset = feed.distilled_batches(tmp_path, 2, train, distilled, 5, first)
        return list(dataset.as_numpy_iterator())

    whole = steps(0)
    assert len(whole) == 6 * 15
    for epoch in range(6):
        batches = whole[15 * epoch : 15 * (epoch + 1)]
        images, logits = (np.concatenate(part) for part in zip(*batches, strict=True))
        rows = ((logits[:, 0] - epoch % 2) / 10).astype(np.int64)
        assert sorted(rows) == list(range(1500))
        assert list(rows) != list(range(1500))
        assert np.array_equal(images, made[epoch % 2][rows])
    for (images, logits), (images_then, logits_then) in zip(steps(4), whole[60:], strict=True):
        assert np.array_equal(images, images_then)
        assert np.array_equal(logits, logits_then)
    assert not np.array_equal(made[0], made[1])
    assert np.array_equal(made[1], feed.distorted_copy(train, distilled.augmentation, 5, 1))
    assert not np.array_equal(made[1], feed.distorted_copy(train, distilled.augmentation, 6, 1))


def test_an_epoch_is_the_same_whether_or_not_the_ones_before_were_asked_for(
    few_digits: mnist.Mnist, small: Recipe
) -> None:
    whole = batches(few_digits, small, seed=5)
    assert len(whole) == 6 * 15
    for first in (1, 4):
        rest = batches(few_digits, small, seed=5, first=first)
        assert len(rest) == len(whole) - first * 15
        for (images, labels), (images_then, labels_then) in zip(
            rest, whole[first * 15 :], strict=True
        ):
            assert np.array_equal(images, images_then)
            assert np.array_equal(labels, labels_then)


def test_an_epoch_visits_each_image_once_in_an_order_of_its_own(
    few_digits: mnist.Mnist, small: Recipe
) -> None:
    plain = without_distortion(small)
    steps = batches(few_digits, plain, seed=5)
    epochs = [
        np.concatenate([images for images, _ in steps[start : start + 15]])
        for start in range(0, len(steps), 15)
    ]
    for images in epochs:
        seen = {image.astype(np.uint8).tobytes() for image in images}
        assert seen == {image.tobytes() for image in few_digits.train.images}
    assert not np.array_equal(epochs[0], epochs[1])
    other = batches(few_digits, plain, seed=6)
    assert not np.array_equal(other[0][0], epochs[0][:100])


def test_labels_stay_with_their_images(few_digits: mnist.Mnist, small: Recipe) -> None:
    known = {
        image.tobytes(): label
        for image, label in zip(few_digits.train.images, few_digits.train.labels, strict=True)
    }
    for images, labels in batches(few_digits, without_distortion(small), seed=1)[:5]:
        assert [known[image.astype(np.uint8).tobytes()] for image in images] == labels.tolist()


def test_smoothed_labels_come_as_ten_shares(few_digits: mnist.Mnist, small: Recipe) -> None:
    smoothing = dataclasses.replace(small, loss=Loss(label_smoothing=0.1))
    plain, shares = (batches(few_digits, recipe, seed=1)[0][1] for recipe in (small, smoothing))
    assert plain.dtype == np.int64
    assert shares.shape == (100, 10)
    assert np.array_equal(shares.argmax(axis=1), plain)
