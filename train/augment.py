"""Random affine distortion of whole batches, as a pure function of a seed."""

from typing import Any

import tensorflow as tf

from train.recipe import Augmentation

_CENTRE = 13.5  # of 28 pixels


def distort(images: Any, augmentation: Augmentation, seed: Any) -> Any:
    """Distort each image by a separate affine map.

    Args:
        images: float32 (N, 28, 28), 0..255.
        augmentation: the limits of the distortion.
        seed: int32 (2,); the same seed gives the same maps.

    Returns:
        float32 (N, 28, 28), 0..255; pixels from outside the image are background, 0.
    """
    maps = _maps(augmentation, tf.shape(images)[0], seed)  # (N, 8)
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
