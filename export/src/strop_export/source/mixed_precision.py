"""Models of mixed precision, in float32: their casts are for the training machine, not the device.

This serves Keras 3 and tf-keras, and loads neither.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import SourceError

_CONFIG = "config.json"
_STEPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # between numbers, of their size
_TINY = 1e-30
_MOST_STEPS = 32  # that rounding in many layers adds up to


def computes_in(model: Any) -> str:
    """Return the least precise dtype that a layer of a model computes in."""
    layers = [model, *model._flatten_layers(include_self=False)]
    dtypes = {str(getattr(layer, "compute_dtype", "")) for layer in layers}
    return next((name for name in ("bfloat16", "float16") if name in dtypes), "float32")


def in_float32(model: Any, keras: Any, **options: Any) -> Any:
    """Build a model with the same state that computes in float32.

    Keras itself writes and reads the state: a layer may keep some of it outside its weights.

    Args:
        model: of Keras 3 or tf-keras.
        keras: the module that made it.
        options: for `load_model`.
    """
    with tempfile.TemporaryDirectory(prefix="strop-float32-") as folder:
        mixed, plain = Path(folder, "mixed.keras"), Path(folder, "plain.keras")
        model.save(mixed)
        with zipfile.ZipFile(mixed) as before, zipfile.ZipFile(plain, "w") as after:
            for member in before.infolist():
                content = before.read(member)
                if member.filename == _CONFIG:
                    content = json.dumps(_without_policies(json.loads(content))).encode()
                after.writestr(member, content)
        return keras.models.load_model(plain, compile=False, **options)


def _without_policies(value: Any) -> Any:
    if isinstance(value, dict):
        plain = {key: _without_policies(each) for key, each in value.items()}
        if "float16" in json.dumps(value.get("dtype")):
            plain["dtype"] = "float32"
        return plain
    return [_without_policies(each) for each in value] if isinstance(value, list) else value


def check(mixed: Sequence[NDArray[Any]], plain: Sequence[NDArray[Any]], dtype: str) -> None:
    """Check that a model in float32 answers like the model of mixed precision.

    Args:
        mixed: the answers of the one of mixed precision, (N, ...) for each output.
        plain: those in float32.
        dtype: from `computes_in`.

    Raises:
        SourceError: they differ by more than rounding explains.
    """
    for before, after in zip(mixed, plain, strict=True):
        if after.dtype.kind != "f":  # rounding may change a class
            continue
        exact = before.astype(np.float64)
        apart = _size(exact - after) / max(_size(exact), _TINY)
        if not apart <= _MOST_STEPS * _STEPS[dtype]:
            raise SourceError(
                f"the model computes in {dtype}, and answers otherwise in float32 (by {apart:.3g} "
                "of the answers' size, more than rounding)",
                "save it with a float32 policy",
            )


def _size(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.square(values).mean()))
