"""The samples that the zoo trains on: MNIST, and a few tasks from NumPy's random numbers."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train import mnist

Samples = NDArray[Any]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@functools.cache
def digits(n: int = 4000) -> tuple[Samples, Samples]:
    """Return MNIST's first training images: uint8 (n, 28, 28) and int64 (n,)."""
    train = _mnist().train
    return train.images[:n], train.labels[:n]


@functools.cache
def _mnist() -> mnist.Mnist:
    return mnist.load(say=lambda line: None)


def blobs(n: int, features: int, classes: int, seed: int = 0) -> tuple[Samples, Samples]:
    """Make clouds of points around one centre per class, with columns of very different scale.

    Returns:
        float32 (n, features) and int64 (n,).
    """
    random = generator(seed)
    centres = random.normal(0, 2, (classes, features))
    labels = random.integers(0, classes, n)
    points = centres[labels] + random.normal(0, 1, (n, features))
    scale, shift = 10.0 ** np.linspace(-1, 2, features), np.linspace(-50, 50, features)
    return (points * scale + shift).astype(np.float32), labels


def waves(
    n: int, steps: int, channels: int, classes: int, seed: int = 0
) -> tuple[Samples, Samples]:
    """Make noisy sines whose frequency is the class.

    Returns:
        float32 (n, steps, channels) and int64 (n,).
    """
    random = generator(seed)
    labels = random.integers(0, classes, n)
    time = np.arange(steps)[None, :, None]
    phase = random.uniform(0, 2 * np.pi, (n, 1, channels))
    sines = np.sin(time * (0.3 + 0.5 * labels[:, None, None]) + phase)
    return (sines + random.normal(0, 0.2, sines.shape)).astype(np.float32), labels


def spectrograms(n: int, classes: int = 4, seed: int = 0) -> tuple[Samples, Samples]:
    """Make spectrograms of chirps in noise, as for keyword spotting: 49 frames of 10 bands.

    Returns:
        float32 (n, 49, 10, 1) and int64 (n,): the class is where the chirp starts, and whether it
        rises or falls.
    """
    random = generator(seed)
    labels = random.integers(0, classes, n)
    frames, bands = np.arange(49)[None, :, None], np.arange(10)[None, None, :]
    rises = np.where(labels % 2 == 0, 1, -1)[:, None, None]
    start = np.where(labels // 2 == 0, 2, 7)[:, None, None] + random.normal(0, 0.5, (n, 1, 1))
    centre = start + rises * (frames - 24) / 12
    loud = random.uniform(1, 3, (n, 1, 1)) * np.exp(-((bands - centre) ** 2) / 2)
    noisy = loud + random.normal(0, 1.2, (n, 49, 10))
    return noisy[..., None].astype(np.float32), labels


def shapes(n: int, size: int, seed: int = 0) -> tuple[Samples, Samples]:
    """Make coloured pictures of a square or a ring on noise.

    Returns:
        uint8 (n, size, size, 3) and int64 (n,): 0 for a square.
    """
    random = generator(seed)
    labels = random.integers(0, 2, n)
    rows, columns = np.mgrid[:size, :size]
    pictures = random.integers(0, 100, (n, size, size, 3))
    for picture, label in zip(pictures, labels, strict=True):
        half = random.uniform(0.2, 0.32) * size
        y, x = random.uniform(half, size - half, 2)
        down, across = np.abs(rows - y), np.abs(columns - x)
        inside = np.hypot(down, across) < half if label else np.maximum(down, across) < half
        hollow = np.hypot(down, across) < half / 2 if label else np.zeros_like(inside)
        picture[inside & ~hollow] = random.integers(120, 256, 3)
    return pictures.astype(np.uint8), labels
