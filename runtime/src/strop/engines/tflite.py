"""tflite-runtime 2.14, the last one: .tflite files on the CPU, 32-bit Raspberry Pi OS included."""

import tflite_runtime
from tflite_runtime.interpreter import Interpreter

from strop.engines.interpreter import InterpreterEngine

ENGINE = InterpreterEngine(tflite_runtime, Interpreter)
