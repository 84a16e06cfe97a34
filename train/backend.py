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

    Args:
        seed: 0 to 1,000,000,000.
    """
    # Keras decides on import; a notebook's setting must not swap the engine under a recipe.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Else TensorFlow takes the whole GPU for 42,310 parameters. (Its function for this raises where
    # TensorFlow has started already; the variable is then too late, and harmless.)
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with _chatter_held_back():
        import keras
        import tensorflow as tf

        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        # A GPU's matrix units round float32 to 10 bits unless told not to: Keras's own outputs,
        # which every bundle is proven against, would then be 3e-3 off those of any engine.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.constant(0) + 1  # the first operation starts the devices, which also chatters


def device() -> str:
    """Name what TensorFlow trains on: the first GPU that it sees, or ``CPU``.

    TensorFlow places operations by itself, and sees a GPU only with CUDA's libraries beside it.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    name: str = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    return name


@contextlib.contextmanager
def _chatter_held_back() -> Iterator[None]:
    """Hold back what TensorFlow's C++ writes to the error stream while it is loaded.

    No setting silences it: it is written before TensorFlow reads its settings. If the start fails,
    it is shown after all.
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
