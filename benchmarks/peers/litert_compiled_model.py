"""LiteRT's newer API, CompiledModel, on the CPU.

Tried and left out: buffers in the app's own memory (`create_from_host_memory`), which `run` of
2.3.0 refuses on the CPU, and YNNPACK, which is not in its wheel.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import Call, Loop

ENVIRONMENT = "peers"
ENGINE = "litert"
INSTALLS = ("ai-edge-litert",)
LOOPS = (Loop("LiteRT CompiledModel", "tflite", ("int8", "float32", "float16", "dynamic")),)


def open_loop(loop: str, precision: str, path: str, batch: int) -> Call:
    """Open the file with CompiledModel; `benchmarks.peers` describes the arguments.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    import numpy as np
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import CpuOptions, Options

    options = Options(
        hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=1)
    )
    model = CompiledModel.from_file(path, options=options)
    (signature,) = model.get_signature_list()
    (source,) = model.get_input_tensor_details(signature).values()
    (result,) = model.get_output_tensor_details(signature).values()
    shape = (batch, *result["shape"][1:])
    if batch != 1:  # not strict: the file's batch is a plain 1
        model.resize_input_tensor(0, [batch, *source["shape"][1:]], strict=False)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    run, write, read = model.run_by_index, inputs[0].write, outputs[0].read
    float32, values = np.float32, int(np.prod(shape))

    def widened(images: Any) -> Any:
        write(images.astype(float32))
        run(0, inputs, outputs)
        return read(values, float32).reshape(shape)

    def as_it_is(images: Any) -> Any:
        write(images)
        run(0, inputs, outputs)
        return read(values, float32).reshape(shape)

    return as_it_is if precision == "int8" else widened
