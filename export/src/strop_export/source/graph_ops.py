"""The operators of a SavedModel that can run code or touch files.

TensorFlow runs whatever a graph says: Python functions that are registered, files that it reads or
writes. So only what computes numbers is let through, and an operator that is not known to do only
that is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

# Stateful operators that hold numbers, or draw them.
_STATEFUL: Final = frozenset(
    (
        *("StatefulPartitionedCall", "If", "While", "Case", "Assert", "CheckNumerics", "Empty"),
        *("CheckNumericsV2", "GuaranteeConst", "DestroyResourceOp", "DisableCopyOnRead"),
        *("VarHandleOp", "ReadVariableOp", "AssignVariableOp", "AssignAddVariableOp"),
        *("AssignSubVariableOp", "VarIsInitializedOp", "VariableShape", "ResourceGather"),
        *("ResourceGatherNd", "ResourceStridedSliceAssign"),
        *("HashTableV2", "MutableHashTableV2", "AnonymousHashTable", "AnonymousMutableHashTable"),
        *("InitializeTableV2", "LookupTableFindV2", "LookupTableSizeV2", "LookupTableExportV2"),
        *("LookupTableImportV2", "LookupTableInsertV2", "LookupTableRemoveV2"),
        *("RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal"),
        *("RandomShuffle", "RandomGamma", "Multinomial", "NonDeterministicInts"),
        *("RngReadAndSkip", "RngSkip", "StatelessRandomGetAlg", "StatefulUniform"),
        *("StatefulStandardNormalV2", "StatefulTruncatedNormal", "StatefulUniformInt"),
        *("StatefulUniformFullInt", "StatefulRandomBinomial"),
    )
)
_FAMILIES: Final = ("ResourceApply", "ResourceScatter", "ResourceSparseApply", "CudnnRNN")
_ARRAYS: Final = ("TensorArray", "Stack")
# Attributes that hold a free text, and only say how to compute.
_TEXTS: Final = frozenset(
    (
        *("data_format", "padding", "equation", "bad_indices_policy", "interpolation"),
        *("fill_mode", "src_format", "dst_format", "kernel_type", "dimension_numbers"),
        *("precision_config", "frame_name", "shared_name", "container", "set_operation"),
        *("fused_ops", "activation_mode", "noise", "message", "debug_name", "mode", "var_name"),
        *("config", "config_proto", "executor_type"),
    )
)
# Operators that change a variable or a table, or draw numbers, by how their names begin.
_CHANGING: Final = (
    *("Assign", "ResourceApply", "ResourceScatter", "ResourceSparseApply"),
    *("ResourceStridedSliceAssign", "LookupTableInsert", "LookupTableRemove", "LookupTableImport"),
)
_RANDOM: Final = (
    *("Random", "TruncatedNormal", "Multinomial", "NonDeterministicInts", "ParameterizedTruncated"),
    *("StatefulRandom", "StatefulUniform", "StatefulStandardNormal", "StatefulTruncatedNormal"),
    *("RngReadAndSkip", "RngSkip"),
)
_MOST_VALUES: Final = 2**28  # of a constant, which a few bytes can describe


def unknown(graph: Any) -> list[str]:
    """List the operators that TensorFlow does not have.

    Args:
        graph: a MetaGraphDef.
    """
    own = {function.signature.name for function in graph.graph_def.library.function}
    kinds = {node.op for node in _nodes(graph)} - own
    return sorted(kind for kind in kinds if _definition(kind) is None)


def unsafe(graph: Any) -> list[str]:
    """List the operators that are not known to leave files alone and to run no code.

    The functions that save and restore variables do not count, unless something else calls them:
    TensorFlow's loader reads the variables without them.

    Args:
        graph: a MetaGraphDef without unknown operators.
    """
    found = {kind: _definition(kind) for kind in {node.op for node in _checked(graph)}}
    return sorted(kind for kind, each in found.items() if each is not None and not _is_safe(each))


def too_large(graph: Any) -> bool:
    """Tell whether a constant has more values than any model needs."""
    return any(
        math.prod(dim.size for dim in node.attr["value"].tensor.tensor_shape.dim) > _MOST_VALUES
        for node in _nodes(graph)
        if node.op == "Const"
    )


def changing(graph: Any, outputs: Iterable[str]) -> list[str]:
    """List the operators behind some tensors that change a state.

    Args:
        graph: a MetaGraphDef.
        outputs: the names of the tensors.
    """
    return sorted(kind for kind in _behind(graph, outputs) if kind.startswith(_CHANGING))


def random(graph: Any, outputs: Iterable[str]) -> list[str]:
    """List the operators behind some tensors that draw other numbers at each call.

    Args:
        graph: a MetaGraphDef.
        outputs: the names of the tensors.
    """
    return sorted(kind for kind in _behind(graph, outputs) if kind.startswith(_RANDOM))


def _behind(graph: Any, outputs: Iterable[str]) -> set[str]:
    """Name the operators that compute some tensors, those in functions too."""
    functions = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    found: dict[str, Any] = {}
    waiting = list(outputs)
    while waiting:
        name = waiting.pop().lstrip("^").partition(":")[0]
        if name in nodes and name not in found:
            found[name] = nodes[name]
            waiting += nodes[name].input
    called = _closure(found.values(), functions)
    return {node.op for each in (found.values(), *(functions[f] for f in called)) for node in each}


def _definition(kind: str) -> Any:
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(kind)


def _is_safe(definition: Any) -> bool:
    from tensorflow import string

    name = definition.name
    if definition.is_stateful:
        return name in _STATEFUL or name.startswith((*_FAMILIES, *_ARRAYS))
    takes_text = any(each.type == string.as_datatype_enum for each in definition.input_arg)
    texts = {
        each.name
        for each in definition.attr
        if each.type in ("string", "list(string)") and not each.HasField("allowed_values")
    }
    return not takes_text and texts <= _TEXTS


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def _checked(graph: Any) -> Iterator[Any]:
    """Yield all nodes but those of the saver's own functions."""
    library = graph.graph_def.library.function
    functions = {each.signature.name: each.node_def for each in library}
    places = (graph.saver_def.save_tensor_name, graph.saver_def.restore_op_name)
    savers = {place.partition(":")[0] for place in places}
    main = graph.graph_def.node
    saving = _closure((node for node in main if node.name in savers), functions)
    # TensorFlow may run a function in the place of another that implements the same.
    saving -= {each.signature.name for each in library if "api_implements" in each.attr}
    called = _closure((node for node in main if node.name not in savers), functions)
    others = {*called, *_of_objects(graph), *(name for name in functions if name not in saving)}
    others &= set(functions)
    for name in list(others):
        others |= _closure(functions[name], functions)
    yield from main
    for name in others:
        yield from functions[name]


def _of_objects(graph: Any) -> Iterator[str]:
    """Yield the names of the functions that the objects of a SavedModel have."""
    yield from graph.object_graph_def.concrete_functions
    for node in graph.object_graph_def.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name


def _closure(nodes: Iterable[Any], functions: dict[str, Any]) -> set[str]:
    """Name the functions that nodes call, directly or through others."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        for name in (node.op, *_called(node.attr)):
            if name in functions and name not in found:
                found.add(name)
                waiting += functions[name]
    return found


def _called(attributes: Any) -> Iterator[str]:
    for attribute in attributes.values():
        for function in (attribute.func, *attribute.list.func):
            yield function.name
            yield from _called(function.attr)
