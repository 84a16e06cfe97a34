"""Tensors of a file and of its float twin: which hold the same values, and of which layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from strop_export.formats.base import Origin
from strop_export.layer_errors.opened import Node, Opened

CARRIERS: Final = ("quantize", "dequantize", "quantizelinear", "dequantizelinear", "cast")


class Files(NamedTuple):
    """A file and its float twin."""

    file: Opened
    twin: Opened
    file_origins: Mapping[str, Origin]
    twin_origins: Mapping[str, Origin]


def makers_of(opened: Opened) -> dict[str, Node | None]:
    """Map each tensor that is not constant to the node that computes it; None for an input."""
    made: dict[str, Node | None] = dict.fromkeys(opened.inputs)
    for node in opened.nodes:
        made.update({name: node for name in node.outputs if name and name not in opened.constants})
    return made


def matched(files: Files) -> dict[str, str]:
    """Map tensors of the file to the tensors of the twin that they round, in the file's order.

    Both have the same origin. Where TensorFlow counted the tensors of one name, the counts may
    differ: what is left is matched without them, in order. Operators that only round, or widen,
    pass a tensor on.
    """
    makers = makers_of(files.file)
    twins = {files.twin_origins[name].name: name for name in makers_of(files.twin)}
    origins = {name: files.file_origins[name].name for name in makers}
    found = {name: twins[origin] for name, origin in origins.items() if origin in twins}
    carriers = [node for node in files.file.nodes if node.operator in CARRIERS]
    carried = {name for node in carriers for name in node.outputs}
    mine, theirs = defaultdict(list), defaultdict(list)
    for name, origin in origins.items():
        if name not in found and name not in carried:
            mine[origin.rstrip("0123456789")].append(name)
    for origin in twins.keys() - set(found.values()):
        theirs[origin.rstrip("0123456789")].append(twins[origin])
    for origin, names in mine.items():
        if len(names) == len(theirs[origin]):
            found.update(zip(names, theirs[origin], strict=True))
    for node in carriers:
        source, result = node.inputs[0], node.outputs[0]
        if source in found and result in makers:
            found.setdefault(result, found[source])
    for node in reversed(carriers):
        source, result = node.inputs[0], node.outputs[0]
        if result in found and source in makers:
            found.setdefault(source, found[result])
    return {name: found[name] for name in makers if name in found}


def layers_of(files: Files, borders: Mapping[str, str]) -> dict[str, str]:
    """Return the Keras layer of each tensor of the float twin.

    Operators that belong to no layer by name get that of the nearest that uses their result, or
    else that of the nearest that they use.

    Args:
        files: both.
        borders: name of an input or output of the files -> its Keras layer.
    """
    nodes = files.twin.nodes
    layers = {
        name: borders.get(name) or files.twin_origins[name].layer for name in makers_of(files.twin)
    }
    users: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        for name in node.inputs:
            users[name].extend(node.outputs[:1])
    for node in reversed(nodes):
        for name in node.outputs:
            if name and not layers[name]:
                layers[name] = next((layers[user] for user in users[name] if layers[user]), "")
    for node in nodes:
        for name in node.outputs:
            if name and not layers[name]:
                layers[name] = next((layers[i] for i in node.inputs if layers.get(i)), "")
    return layers
