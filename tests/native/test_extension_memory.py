"""The extension's runs take little memory, whatever a plan asks for."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from strop_export.formats.plan import Plan, Step, Tensor
from tests import environments
from tests.needs import strop_native

SCRIPT = """
import resource, sys
import numpy as np
import strop_native

model = strop_native.Model(open(sys.argv[1], "rb").read())
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 2**25
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(model.predict(np.ones((64, 512), np.float32)).sum())
"""


def test_a_batch_of_large_rows_takes_no_more_than_it_needs(tmp_path: Path) -> None:
    """A plan of 5 kB whose rows need 1 MiB of scratch each runs within 32 MiB."""
    strop_native()
    size = 512
    tensors = [
        Tensor("float32", (size,), name="x"),
        Tensor("float32", (size, 1), values=np.ones((size, 1), np.float32)),
        Tensor("float32", (size, size)),
        Tensor("float32", (1, size), values=np.ones((1, size), np.float32)),
        Tensor("float32", (size,), name="y"),
    ]
    steps = [Step("fully_connected", (0, 1), 2), Step("fully_connected", (2, 3), 4)]
    plan = tmp_path / "large.plan"
    plan.write_bytes(Plan(tensors, steps, [0], [4]).to_bytes())
    done = environments.run(sys.executable, "-c", SCRIPT, plan)
    assert float(done.stdout) == 64 * size * size
