"""The inputs of a .keras file, and the code that it brings, read without Keras.

A .keras file is a ZIP with config.json, which names every class that loading makes.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strop_export.errors import SourceError
from strop_export.source.files import Loading

_MOST_BYTES = 64 * 2**20
_OWN_MODULES = ("keras", "builtins", "numpy", "tensorflow")
# Things that are code, or read code from elsewhere, by class name.
_CODE = {
    "Lambda": "a Lambda layer",
    "__lambda__": "a lambda function",
    "TFSMLayer": "a TFSMLayer",
    "TorchModuleWrapper": "a TorchModuleWrapper",
}
_WRITE = "write one with model.save('name.keras')"
_SUFFIX = ".keras"  # Keras reads other files by other rules


@dataclass(frozen=True)
class Input:
    """An input of the model, as its file describes it."""

    name: str
    shape: tuple[int | None, ...]  # of one sample; None: any size
    dtype: str


def check(loading: Loading) -> tuple[Input, ...]:
    """Check that a file may be loaded, before anything in it runs.

    Args:
        loading: the file, and what is allowed.

    Returns:
        The inputs that it names; none if the model makes them only when it is called.

    Raises:
        SourceError: it is not a .keras file, or brings code that was not allowed.
    """
    config = _config(loading.path)
    # Loading ignores how the model was compiled, so a custom loss is allowed.
    nodes = list(_nodes({key: config[key] for key in config if key != "compile_config"}))
    code = sorted({name for node in nodes if (name := _class(node)) in _CODE})
    if code and not loading.trust:
        raise SourceError(
            f"{loading.path} holds {_CODE[code[0]]}, which is Python code that loading would run",
            "if you trust the file, say so with --trust",
        )
    own = sorted({ascii(name)[1:-1] for node in nodes if (name := _own_name(node))})
    if own and loading.custom is None:
        raise SourceError(
            f"{loading.path} needs {', '.join(own)}, which Keras does not have",
            "give the Python file that defines it with --custom FILE.py --trust",
        )
    if loading.custom is not None and not loading.trust:
        raise SourceError(
            f"--custom {loading.custom} is Python code that export would run",
            "if you trust the file, say so with --trust",
        )
    return tuple(_inputs(config))


def _class(node: dict[str, Any]) -> str:
    return str(node["class_name"]).rpartition(".")[2]


def _config(path: Path) -> dict[str, Any]:
    if path.suffix != _SUFFIX:
        raise SourceError(f"{path} is not a .keras file", _WRITE)
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
            config = json.loads(file.read(_MOST_BYTES))
    except (zipfile.BadZipFile, KeyError):
        raise SourceError(f"{path} is not a .keras file", _WRITE) from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    except (
        *(ValueError, RecursionError, NotImplementedError, RuntimeError, EOFError),
        zlib.error,
    ) as error:
        raise SourceError(f"{path} is a damaged .keras file: {error}", _WRITE) from None
    if not isinstance(config, dict):
        raise SourceError(
            f"{path} is a damaged .keras file: its config.json is not an object", _WRITE
        )
    return config


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a config that names a class."""
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str):
            yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def _own_name(node: dict[str, Any]) -> str:
    """Return the name of a class or function that is not Keras's; "" if it is Keras's own."""
    if "module" not in node or "config" not in node:
        return ""
    module = str(node["module"] or "").partition(".")[0]
    registered = str(node.get("registered_name") or "")
    if node["class_name"] == "function":  # Keras's own functions have only a name
        return str(node["config"]).rpartition(">")[2]
    if _class(node) in _CODE:
        return ""
    if ">" in registered or module not in _OWN_MODULES:
        return str(node["class_name"])
    return ""


def _inputs(config: dict[str, Any]) -> Iterator[Input]:
    own = config.get("config")
    if not isinstance(own, dict) or isinstance(own.get("input_layers"), dict):
        return  # a dict's keys are the names, in an order that only Keras knows
    layers = own.get("layers")
    for layer in layers if isinstance(layers, list) else ():
        said = layer.get("config") if isinstance(layer, dict) else None
        if not isinstance(said, dict) or layer.get("class_name") != "InputLayer":
            continue
        shape, dtype = said.get("batch_shape"), said.get("dtype")
        if isinstance(shape, list) and shape and isinstance(dtype, str):
            sizes = tuple(size if isinstance(size, int) else None for size in shape[1:])
            yield Input(str(said.get("name")), sizes, dtype)
