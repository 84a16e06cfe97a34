"""Run .tflite files by tflite-runtime, in its own environment: python tflite_worker.py IN OUT.

IN has, for each case, `N.kernels`, the name of an OpResolverType, `N.file` and `N.inputs`; OUT gets
every tensor, as `N:NAME`. Both are .npz files.
"""

import sys

import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

found = {}
with np.load(sys.argv[1]) as given:
    for name in given.files:
        case, _, part = name.partition(".")
        if part != "inputs":
            continue
        interpreter = Interpreter(
            model_content=given[f"{case}.file"].tobytes(),
            experimental_op_resolver_type=OpResolverType[str(given[f"{case}.kernels"])],
            experimental_preserve_all_tensors=True,
        )
        (source,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(source["index"], given[name].shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], given[name])
        interpreter.invoke()
        for details in interpreter.get_tensor_details():
            if details["name"]:
                found[f"{case}:{details['name']}"] = interpreter.get_tensor(details["index"])
np.savez(sys.argv[2], **found)
