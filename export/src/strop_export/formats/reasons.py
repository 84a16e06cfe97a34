"""The reason why a converter refused a model, in one line that names operators and layers."""

from __future__ import annotations

import re
from typing import Any

# The operators that TensorFlow's converter lists because TFLite has no builtin for them.
_OPERATORS = re.compile(r"\b(?:tf|tfl)\.([A-Z]\w+)")
_MISSING = re.compile(
    r"Op type not registered '(\w+)'|Tensorflow op \[[^]]*: (\w+)\] is not supported"
)
# LiteRT's error for an operator without a kernel for these types.
_NO_KERNEL = re.compile(r"Node number \d+ \((\w+)\) failed to (?:prepare|invoke)")
_MOST = 6  # names in a message


def reason(error: Exception, model: Any) -> str:
    """Say why a conversion failed.

    Args:
        error: the converter's error, with a text of MLIR, protobuf or a stack.
        model: the Keras model, for the kinds of its layers.
    """
    text = "\n".join((str(error), *getattr(error, "__notes__", ())))
    if refused := _NO_KERNEL.search(text):
        return f"LiteRT has no kernel for the operator {refused[1]} with these types"
    found = dict.fromkeys(_OPERATORS.findall(text))
    found |= dict.fromkeys(a or b for a, b in _MISSING.findall(text))
    if found:
        names = list(found)
        more = f" and {len(names) - _MOST} others" if len(names) > _MOST else ""
        return f"the converter does not write the operator {', '.join(names[:_MOST])}{more}"
    layers = dict.fromkeys(type(layer).__name__ for layer in model.layers)
    kinds = [kind for kind in layers if kind != "InputLayer"]
    return (
        f"the converter failed ({type(error).__name__}); the model's layers are "
        f"{', '.join(kinds[:12])}"
    )
