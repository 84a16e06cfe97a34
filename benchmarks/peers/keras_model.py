"""Keras on TensorFlow, the source of the model: as in a notebook, and faster ways.

Tried and left out: `predict_on_batch` (between the call and the function in speed), and a
`tf.function` without XLA, or with float32 or NumPy arrays (all slower).
"""

from __future__ import annotations

from benchmarks.peers import Call, Loop

ENVIRONMENT = "keras"
ENGINE = ""
INSTALLS = ("tensorflow", "keras")
_FUNCTION, _CALL, _PREDICT = "Keras tf.function", "Keras call", "Keras predict"
LOOPS = tuple(Loop(name, "keras", ("float32",)) for name in (_FUNCTION, _CALL, _PREDICT))


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Load the model for one of the loops; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import keras
    import numpy as np
    import tensorflow as tf

    model = keras.models.load_model(path, compile=False)
    float32, constant = np.float32, tf.constant
    if loop == _PREDICT:
        predict = model.predict
        return lambda images: predict(images.astype(float32), batch_size=batch, verbose=0)
    if loop == _CALL:
        return lambda images: model(images.astype(float32), training=False).numpy()
    function = tf.function(
        lambda images: model(tf.cast(images, tf.float32), training=False),
        input_signature=[tf.TensorSpec((batch, 28, 28), tf.uint8)],
        jit_compile=True,
    ).get_concrete_function()
    return lambda images: function(constant(images)).numpy()
