"""Run plans with every set of kernels of this CPU: python3 kernels_worker.py IMAGES PLAN...

Write PLAN-KERNELS.npy beside each plan, and print the sets, the fastest first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import strop_native

images, *plans = sys.argv[1:]
samples = np.load(images)
for plan in plans:
    for kernels in strop_native.kernels():
        model = strop_native.Model(Path(plan).read_bytes(), kernels)
        dtype = model.inputs[0][1]
        [outputs] = model.run((samples.astype(dtype),))
        np.save(f"{plan}-{kernels}.npy", outputs)
sys.stdout.write(" ".join(strop_native.kernels()))
