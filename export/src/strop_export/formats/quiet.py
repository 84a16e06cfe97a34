"""Silence for the converters, which print a lot, without hiding a failure."""

import contextlib
import io
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator

# The streams are the process's: blocks of two threads would give back each other's.
_one_thread = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence TensorFlow, tf2onnx and onnxruntime; errors are still raised.

    This drops Python's stdout (Keras prints the signature of everything it exports) and warnings.
    C++ writes directly to file descriptor 2, so that is redirected for the whole process: keep the
    block short. A block in another thread waits for its end, which is up to a whole conversion.
    An exception that leaves the block gets that output as a note in its traceback.
    """
    with _one_thread, contextlib.ExitStack() as stack:
        sys.stderr.flush()
        said = stack.enter_context(tempfile.TemporaryFile())
        terminal = os.dup(2)
        stack.callback(os.close, terminal)
        stack.callback(os.dup2, terminal, 2)
        stack.callback(lambda: sys.stderr.flush())
        os.dup2(said.fileno(), 2)
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            said.seek(0)
            error.add_note(said.read().decode(errors="replace"))
            raise
