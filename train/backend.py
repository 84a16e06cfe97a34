"""Starting TensorFlow: quietly, and so that the same seed gives the same weights."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def start(seed: int) -> None:
    """Import TensorFlow and Keras, and make them deterministic.

    Call it before anything else that imports them. Initial weights come from ``seed``; everything
    random later is stateless (:mod:`train.feed`), so nothing depends on what ran before.
    """
    # Keras decides on import; a notebook's setting must not swap the engine under a recipe.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _chatter_held_back():
        import keras
        import tensorflow as tf

        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        tf.constant(0) + 1  # the first operation starts the devices, which also chatters


def devices() -> list[str]:
    """What TensorFlow computes on: ``CPU``, and ``GPU`` once for each it sees."""
    import tensorflow as tf

    return [device.device_type for device in tf.config.list_logical_devices()]


@contextlib.contextmanager
def _chatter_held_back() -> Iterator[None]:
    """Hold back what TensorFlow's C++ writes to the error stream while it is loaded.

    No setting silences it: it is written before TensorFlow reads its own. It is shown after all if
    the start fails.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stream = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stream, held.read())
            raise
        finally:
            os.dup2(stream, 2)
            os.close(stream)
