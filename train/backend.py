"""The start of TensorFlow: quiet, and deterministic for a seed."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def start(seed: int) -> None:
    """Import TensorFlow and Keras, and make them deterministic.

    Call it before anything else imports them. Initial weights come from ``seed``; everything random
    later is stateless (:mod:`train.feed`), so nothing depends on earlier code.

    Args:
        seed: 0 to 1,000,000,000.
    """
    # Keras chooses on import; a notebook's setting must not change the backend of a recipe.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Otherwise TensorFlow takes the whole GPU for 42,310 parameters. (Its function for this raises
    # if TensorFlow has already started; the variable is then too late, and harmless.)
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with _chatter_held_back():
        import keras
        import tensorflow as tf

        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        # By default a GPU's matrix units round float32 to 10 bits. Keras's outputs, which every
        # bundle is proven against, would then differ by 3e-3 from those of any engine.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.constant(0) + 1  # the first operation starts the devices, which prints too


def device() -> str:
    """Name the device that TensorFlow trains on: the first GPU that it sees, or ``CPU``.

    TensorFlow places operations by itself, and sees a GPU only if CUDA's libraries are installed.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    name: str = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    return name


@contextlib.contextmanager
def _chatter_held_back() -> Iterator[None]:
    """Hold back the output of TensorFlow's C++ on the error stream while it is loaded.

    No setting silences it: it is written before TensorFlow reads its settings. If the start fails,
    the output is shown.
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
