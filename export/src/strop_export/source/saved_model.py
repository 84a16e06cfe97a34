"""A SavedModel's folder, read as data: its signature, and the operators of its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strop_export.errors import SourceError
from strop_export.formats import quiet
from strop_export.source import graph_ops
from strop_export.source.files import Loading, files_in
from strop_export.source.graph_heads import activation

_DEFAULT = "serving_default"
_MOST_BYTES = 2**30
_FREE_BATCH = "write the SavedModel with tf.TensorSpec([None, ...]) for each input"


@dataclass(frozen=True)
class Tensor:
    """An input or output of a signature.

    Attributes:
        name: its name in the signature.
        shape: with the batch first; None: any size.
        dtype: its NumPy dtype.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """A function of a SavedModel that can be called by name.

    Attributes:
        name: its name.
        inputs: its inputs, sorted by name.
        outputs: its outputs, sorted by name.
        heads: the activation that makes each output; see `kinds.activation`.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    heads: tuple[str, ...]


def check(loading: Loading) -> Signature:
    """Check that a SavedModel may be loaded, before anything in it runs.

    Args:
        loading: the folder, and what is allowed.

    Raises:
        SourceError: it is not a SavedModel, has no signature that export can take, or holds
            operators that can run code or touch files and are not trusted.
    """
    path = loading.path
    graph = _graph(path)
    if loading.custom is not None:
        raise SourceError(
            f"--custom goes with a .keras file, and {path} is a SavedModel, which needs no classes",
            "leave --custom out",
        )
    if names := graph_ops.unknown(graph):
        raise SourceError(
            f"{path} holds the operator {ascii(names[0])[1:-1]}, which TensorFlow does not have",
            "write the model without it",
        )
    if graph_ops.too_large(graph):
        raise SourceError(f"{path} holds a constant that is too large", "write it as a variable")
    if (names := graph_ops.unsafe(graph)) and not loading.trust:
        raise SourceError(
            f"{path} holds {', '.join(names)}, which can run code, touch files or read text",
            "if you trust the model, say so with --trust",
        )
    for asset in graph.asset_file_def:
        if Path(asset.filename).name != asset.filename:
            raise SourceError(
                f"{path} names the file {asset.filename!a}, which is not in its assets",
                "write the SavedModel again",
            )
    try:
        return _signature(path, graph)
    except (LookupError, TypeError, ValueError):
        raise _damaged(path) from None


def _damaged(path: Path) -> SourceError:
    return SourceError(f"{path}/saved_model.pb is damaged", "write the SavedModel again")


def _graph(path: Path) -> Any:
    """Read the only MetaGraphDef of a SavedModel."""
    names = {file.relative_to(path).as_posix() for file in files_in(path)}
    others = [name for name in names if name.startswith("saved_model.") and "/" not in name]
    if others != ["saved_model.pb"]:
        found = ", ".join(sorted(others)) or "no saved_model.pb"
        raise SourceError(
            f"{path} is not a SavedModel, it has {found}",
            "write one with tf.saved_model.save(model, 'name'), or give a .keras file",
        )
    data = _bytes(path / "saved_model.pb")
    with quiet():
        from google.protobuf.message import DecodeError
        from tensorflow.core.protobuf import saved_model_pb2
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(data)
    except (DecodeError, RecursionError):
        raise _damaged(path) from None
    graphs = list(saved.meta_graphs)
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise SourceError(
            f"{path} was written by TensorFlow 1, or holds several graphs",
            "write it with tf.saved_model.save of TensorFlow 2",
        )
    return graphs[0]


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise SourceError(
                f"{file} has more than {_MOST_BYTES:,} bytes", "keep weights in variables"
            )
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {file}: {error.strerror}") from None


def _signature(path: Path, graph: Any) -> Signature:
    signatures = {
        name: each for name, each in graph.signature_def.items() if not name.startswith("__")
    }
    name = _DEFAULT if _DEFAULT in signatures else next(iter(signatures), "")
    if _DEFAULT not in signatures and len(signatures) != 1:
        there = ", ".join(sorted(signatures)) or "none"
        raise SourceError(
            f"{path} has no signature {_DEFAULT!r}; it has {there}",
            "write the SavedModel with signatures=function, or with a single one",
        )
    own = signatures[name]
    ends = [each.name for each in own.outputs.values()]
    if kinds := graph_ops.changing(graph, ends):
        raise SourceError(
            f"the signature {name!r} of {path} keeps state, with {', '.join(kinds)}: its answer to "
            "a sample depends on those before it, and no device can reproduce it",
            "remove what assigns to variables",
        )
    if kinds := graph_ops.random(graph, ends):
        raise SourceError(
            f"the signature {name!r} of {path} draws random numbers, with {', '.join(kinds)}: no "
            "device can reproduce its answers",
            "remove what is random",
        )
    inputs, outputs = _tensors(path, own.inputs), _tensors(path, own.outputs)
    if not inputs or not outputs:
        raise SourceError(
            f"the signature {name!r} of {path} has {len(inputs)} inputs and {len(outputs)} outputs",
            "give it one or more of each",
        )
    for tensor in inputs:
        if not tensor.shape or tensor.shape[0] is not None:
            raise SourceError(
                f"input {tensor.name!r} of {path} has the shape {tensor.shape}, without a free "
                "batch",
                _FREE_BATCH,
            )
    heads = tuple(activation(graph.graph_def, own.outputs[each.name].name) for each in outputs)
    return Signature(name, inputs, outputs, heads)


def _tensors(path: Path, given: Mapping[str, Any]) -> tuple[Tensor, ...]:
    import tensorflow as tf

    found = []
    for name, info in sorted(given.items()):
        shape = info.tensor_shape
        if info.WhichOneof("encoding") != "name":
            raise SourceError(
                f"{name!r} of {path} is not a plain tensor", "write a signature of plain tensors"
            )
        if shape.unknown_rank:
            sizes: tuple[int | None, ...] = ()
        else:
            sizes = tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)
        found.append(Tensor(name, sizes, tf.dtypes.as_dtype(info.dtype).name))
    return tuple(found)
