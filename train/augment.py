"""Random distortion of whole batches, as a pure function of a seed."""

from typing import Any

import numpy as np
import tensorflow as tf

from train.recipe import Augmentation

_SIDE = 28
_CENTRE = 13.5
_KNOTS = 10  # a row of random values from which displacements are interpolated
_SMOOTH = 3.0  # the standard deviation of the Gaussian around each knot, in pixels
_ELASTIC = 1  # a stream of randomness besides the seed's own


def distort(images: Any, augmentation: Augmentation, seed: Any) -> Any:
    """Distort each image by a separate affine map and displacement.

    Args:
        images: float32 (N, 28, 28), 0..255.
        augmentation: the limits of the distortion.
        seed: int32 (2,); the same seed gives the same maps.

    Returns:
        float32 (N, 28, 28), 0..255; pixels from outside the image are background, 0.
    """
    maps = _maps(augmentation, tf.shape(images)[0], seed)  # (N, 8)
    if augmentation.elastic:
        return _sample(images, *_positions(maps, augmentation.elastic, seed))
    distorted = tf.raw_ops.ImageProjectiveTransformV3(
        images=images[..., tf.newaxis],  # (N, 28, 28, 1)
        transforms=maps,
        output_shape=(28, 28),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return distorted[..., 0]  # (N, 28, 28)


def _maps(augmentation: Augmentation, count: Any, seed: Any) -> Any:
    """Draw random maps from output to input pixels, in the rows that the operation takes.

    Args:
        augmentation: the limits of the distortion.
        count: the number of maps, N.
        seed: int32 (2,).

    Returns:
        float32 (N, 8).
    """
    swing = tf.random.stateless_uniform((5, count), seed, -1.0, 1.0)
    angle = augmentation.rotation * swing[0]
    scale = 1.0 + augmentation.scale * swing[1]
    shear = augmentation.shear * swing[2]
    right, down = augmentation.shift * swing[3], augmentation.shift * swing[4]

    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    xx, xy = cos, shear * cos - sin
    yx, yy = sin, shear * sin + cos
    # About the centre, not the corner, then shifted.
    x0 = _CENTRE - (xx + xy) * _CENTRE + right
    y0 = _CENTRE - (yx + yy) * _CENTRE + down
    none = tf.zeros_like(angle)
    return tf.stack([xx, xy, x0, yx, yy, y0, none, none], axis=1)


def _positions(maps: Any, elastic: float, seed: Any) -> tuple[Any, Any]:
    """Find the place in the input image of each output pixel.

    Args:
        maps: float32 (N, 8).
        elastic: the root mean square of the displacement on each axis, in pixels.
        seed: int32 (2,).

    Returns:
        Column and row, float32 (N, 28, 28) each.
    """
    xx, xy, x0, yx, yy, y0, *_ = tf.unstack(maps[:, :, tf.newaxis, tf.newaxis], axis=1)
    line = tf.range(float(_SIDE))
    x, y = line[tf.newaxis, tf.newaxis, :], line[tf.newaxis, :, tf.newaxis]
    # Each pixel is a weighted sum of random values; unit vectors of weights keep the variance.
    distance = np.arange(_SIDE)[:, np.newaxis] - np.linspace(0, _SIDE - 1, _KNOTS)
    weights = np.exp(-0.5 * np.square(distance / _SMOOTH))  # (28, knots)
    weights = tf.constant(weights / np.linalg.norm(weights, axis=1, keepdims=True), tf.float32)
    shape = (2, tf.shape(maps)[0], _KNOTS, _KNOTS)
    key = tf.random.experimental.stateless_fold_in(seed, _ELASTIC)
    knots = tf.random.stateless_normal(shape, key, stddev=elastic)
    field = tf.matmul(tf.matmul(weights, knots), weights, transpose_b=True)  # (2, N, 28, 28)
    return xx * x + xy * y + x0 + field[0], yx * x + yy * y + y0 + field[1]


def _sample(images: Any, x: Any, y: Any) -> Any:
    """Interpolate images linearly between the four pixels around each position.

    Args:
        images: float32 (N, 28, 28).
        x: columns, float32 (N, 28, 28).
        y: rows, likewise.

    Returns:
        float32 (N, 28, 28).
    """
    width = _SIDE + 3  # one pixel of background before the image, two after it
    padded = tf.pad(images, ((0, 0), (1, 2), (1, 2)))
    flat = tf.reshape(padded, (-1, width * width))
    x, y = (tf.clip_by_value(place, -1.0, float(_SIDE)) + 1.0 for place in (x, y))
    left, top = tf.floor(x), tf.floor(y)
    right, down = x - left, y - top  # the weights of the pixels to the right and below
    first = tf.cast(top * width + left, tf.int32)

    def pixel(offset: int) -> Any:
        return tf.gather(flat, first + offset, batch_dims=1)

    above = pixel(0) * (1.0 - right) + pixel(1) * right
    below = pixel(width) * (1.0 - right) + pixel(width + 1) * right
    return above * (1.0 - down) + below * down
