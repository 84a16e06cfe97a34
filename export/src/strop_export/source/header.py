"""The inputs of a model's file, and the code that it brings, read before any of it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from strop_export.errors import SourceError
from strop_export.source import container
from strop_export.source.files import Loading
from strop_export.source.known import nodes_of, strangers

if TYPE_CHECKING:
    from strop_export.source.saved_model import Signature

Framework = Literal["keras", "keras2", "saved_model"]

# Things that are code, or read code from elsewhere, by class name.
_CODE = {
    "Lambda": "a Lambda layer",
    "__lambda__": "a lambda function",
    "TFSMLayer": "a TFSMLayer",
    "TorchModuleWrapper": "a TorchModuleWrapper",
    "JaxLayer": "a JaxLayer",
    "FlaxLayer": "a FlaxLayer",
}


@dataclass(frozen=True)
class Input:
    """An input of the model, as its file describes it."""

    name: str
    shape: tuple[int | None, ...]  # of one sample; None: any size
    dtype: str


@dataclass(frozen=True)
class Header:
    """The framework that wrote a model, and the inputs that its file names.

    Attributes:
        framework: who wrote it: "keras" is Keras 3.
        inputs: none if the model makes them only when it is called.
        signature: of a SavedModel.
    """

    framework: Framework
    inputs: tuple[Input, ...]
    signature: Signature | None = None


def check(loading: Loading) -> Header:
    """Check that a model may be loaded, before anything in it runs.

    Args:
        loading: the file or folder, and what is allowed.

    Raises:
        SourceError: it is no model of a known framework, or brings code that was not allowed.
    """
    if loading.path.is_dir():
        from strop_export.source import saved_model

        signature = saved_model.check(loading)
        inputs = tuple(Input(each.name, each.shape[1:], each.dtype) for each in signature.inputs)
        return Header("saved_model", inputs, signature)
    held = container.read(loading.path)
    _check_code(loading, held)
    return Header("keras2" if held.keras == 2 else "keras", tuple(_inputs(held.config)))


def _check_code(loading: Loading, held: container.Container) -> None:
    config = held.config
    if not held.is_hdf5:  # loading a ZIP ignores how the model was compiled: it may say anything
        config = {key: config[key] for key in config if key != "compile_config"}
    nodes = list(nodes_of(config))
    code = sorted({name for node in nodes if (name := _class(node)) in _CODE})
    if code and not loading.trust:
        raise SourceError(
            f"{loading.path} holds {_CODE[code[0]]}, which is Python code that loading would run",
            "if you trust the file, say so with --trust",
        )
    if (read := _file_read(nodes)) and not loading.trust:
        raise SourceError(
            f"{loading.path} reads the file {read!a} when it is loaded",
            "if you trust it, say so with --trust, or save the model with the words in it",
        )
    own = strangers(config, held.keras)
    if held.keras == 2 and (own or loading.custom is not None):
        raise SourceError(
            f"{loading.path} is a model of Keras 2 with {', '.join(own) or loading.custom}, which "
            "export cannot rebuild in Keras 3",
            "write a SavedModel with tf.saved_model.save(model, 'name') and export that folder",
        )
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


def _class(node: dict[str, Any]) -> str:
    return str(node["class_name"]).rpartition(".")[2]


def _file_read(nodes: list[dict[str, Any]]) -> str:
    """Return the file that a layer takes its words from; "" if there is none."""
    for node in nodes:
        own = node.get("config")
        words = own.get("vocabulary") if isinstance(own, dict) else None
        if isinstance(words, str):
            return words
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
        shape = said.get("batch_shape", said.get("batch_input_shape"))
        dtype = said.get("dtype")
        if isinstance(shape, list) and shape and isinstance(dtype, str):
            sizes = tuple(size if isinstance(size, int) else None for size in shape[1:])
            yield Input(str(said.get("name")), sizes, dtype)
