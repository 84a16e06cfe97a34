"""`python -m strop` runs the same command as `strop`."""

import contextlib
import os
import sys

# Python looks for modules in the current folder first, which may be anybody's: an `onnxruntime`
# there would be taken for the engine. `strop` does not look there, nor does `python -P` (3.11 on),
# where the first folder is one that PYTHONPATH names.
if not getattr(sys.flags, "safe_path", False):
    with contextlib.suppress(OSError):  # the folder is gone
        if sys.path[0] == os.getcwd():  # noqa: PTH109  slow to import
            del sys.path[0]

from strop.cli import main

sys.exit(main())
