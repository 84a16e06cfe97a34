"""Run .onnx files on samples: haswell_worker.py INPUTS.npy MODEL.onnx...; writes MODEL.npy each.

A Python under emulation runs it, so it imports only what it needs.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main(inputs: str, *models: str) -> None:
    samples = np.load(inputs)
    for model in models:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        (source,) = session.get_inputs()
        dtype = np.uint8 if source.type == "tensor(uint8)" else np.float32
        outputs = [
            session.run(None, {source.name: samples[i : i + 500].astype(dtype)})[0]
            for i in range(0, len(samples), 500)
        ]
        np.save(Path(model).with_suffix(".npy"), np.concatenate(outputs))


if __name__ == "__main__":
    main(*sys.argv[1:])
