"""Run a .tflite file by TensorFlow Lite for Microcontrollers: python tflm_worker.py FILE IN OUT.

IN is an .npy of samples, (N, ...), OUT gets the answers, (N, ...). Its own report of its arena goes
to stderr.
"""

import sys
from pathlib import Path

import numpy as np
from tflite_micro import runtime

ARENA_BYTES = 1 << 20

interpreter = runtime.Interpreter.from_bytes(
    Path(sys.argv[1]).read_bytes(),
    arena_size=ARENA_BYTES,
    intrepreter_config=runtime.InterpreterConfig.kAllocationRecording,
)
interpreter.print_allocations()
answers = []
for sample in np.load(sys.argv[2]):
    interpreter.set_input(sample[None], 0)
    interpreter.invoke()
    answers.append(interpreter.get_output(0)[0])
np.save(sys.argv[3], np.stack(answers))
