"""LiteRT (package ai-edge-litert): .tflite files on the CPU, through XNNPACK."""

import ai_edge_litert
from ai_edge_litert.interpreter import Interpreter

from strop.engines.interpreter import InterpreterEngine

ENGINE = InterpreterEngine("litert", ai_edge_litert, Interpreter)
