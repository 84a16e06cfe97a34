"""The innermost layers of a model, of Keras 3 or of tf-keras."""

from __future__ import annotations

from typing import Any

_SEPARATOR = "/"  # between the names of a model and of a layer in it


def leaves(model: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """List the innermost layers, each with a name that tells it from the others."""
    found = []
    for layer in model.layers if hasattr(model, "layers") else [model.layer]:
        name = f"{prefix}{layer.name}"
        if hasattr(layer, "layers") or type(layer).__name__ == "TimeDistributed":
            found += leaves(layer, f"{name}{_SEPARATOR}")
        else:
            found.append((name, layer))
    return found
