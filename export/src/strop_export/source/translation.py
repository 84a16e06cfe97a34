"""The config of a Keras 2 model, as Keras 3 takes it.

Each setting that Keras 3 lacks is removed where it has no effect, or raises an error. What else
differs between the two shows when their answers are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from strop_export.source.known import MODELS

_MODULES: Final = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
# Settings without effect on the answers.
_UNUSED: Final = frozenset(
    (
        *("batch_input_shape", "input_shape", "batch_size", "input_length", "implementation"),
        *("build_input_shape", "query_shape", "key_shape", "value_shape", "seed"),
        *("ragged", "optional", "dynamic", "rng_type", "force_generator", "fused"),
        *("recurrent_seed", "batch_shape", "sparse_output", "name_scope"),
    )
)
_TRAINING: Final = ("_initializer", "_regularizer", "_constraint")
# Settings without effect if they have this value.
_NEUTRAL: Final[Mapping[str, Any]] = {
    "groups": 1,
    "time_major": False,
    "renorm": False,
    "virtual_batch_size": None,
    "adjustment": None,
    "sparse": False,
    "softmax_robust_masking": False,
    "zero_output_for_mask": False,
}
_KEPT: Final = {  # settings that these classes of Keras 3 have too
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), "groups"),
    **dict.fromkeys(("RNN", "LSTM", "GRU", "SimpleRNN"), "zero_output_for_mask"),
    "InputLayer": "sparse",
}


class Untranslated(Exception):
    """A layer of Keras 2 that Keras 3 cannot build, and the reason."""

    def __init__(self, name: object, kind: object, reason: str) -> None:
        super().__init__(f"layer {str(name)!a} ({kind!s}): {reason}")


def translated(node: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the config of a model or layer.

    Args:
        node: what `tf_keras.saving.serialize_keras_object` returns; it is not changed.

    Raises:
        Untranslated: Keras 3 lacks a layer, or a setting of it.
    """
    kind, own = str(node["class_name"]).rpartition(">")[2], dict(node["config"])
    if kind == "Sequential":
        own = _sequential(own)
    elif kind in MODELS:
        kind, own = "Functional", _functional(own)
    elif kind == "Lambda":
        own = _with_function(own)
    else:
        own = _layer(kind, own)
    return {
        "module": _MODULES.get(kind, "keras.layers"),
        "class_name": kind,
        "config": own,
        "registered_name": None,
    }


def _layer(kind: str, own: dict[str, Any]) -> dict[str, Any]:
    title = own.get("name"), kind
    if own.get("activation") == "hard_sigmoid" or own.get("recurrent_activation") == "hard_sigmoid":
        raise Untranslated(*title, "Keras 3 computes hard_sigmoid in another way")
    found: dict[str, Any] = {}
    if kind == "InputLayer":
        found["batch_shape"] = [None, *own["batch_input_shape"][1:]]
    for key, value in own.items():
        if key in _UNUSED or key.endswith(_TRAINING):
            continue
        if key in _NEUTRAL and key != _KEPT.get(kind):
            if value != _NEUTRAL[key]:
                raise Untranslated(*title, f"Keras 3 has no setting {key}={value!r}")
            continue
        found[key] = _value(key, value)
    axes = found.get("axis")
    if kind.endswith("Normalization") and isinstance(axes, list) and len(axes) == 1:
        found["axis"] = axes[0]  # Keras 3 takes a number
    return found


def _value(key: str, value: Any) -> Any:
    """Translate a setting: layers and cells inside a layer, and policies of mixed precision."""
    if key == "dtype":
        return "float32" if isinstance(value, dict) or "float16" in str(value) else value
    if isinstance(value, dict) and "class_name" in value and "config" in value:
        if isinstance(value["config"], dict) and "name" in value["config"]:
            return translated(value)
        module = str(value.get("module") or "").replace("tf_keras", "keras")
        return {**value, "module": module or None}
    if isinstance(value, list):
        return [_value("", each) for each in value]
    return value


def _with_function(own: dict[str, Any]) -> dict[str, Any]:
    """Translate a Lambda layer, whose code Keras 2 wrote as a list."""
    function = own["function"]
    if isinstance(function, list):
        code, defaults, closure = function
        config = {"code": code, "defaults": defaults, "closure": closure}
        function = {"class_name": "__lambda__", "config": config}
    names = ("name", "trainable", "arguments")
    return {"function": function} | {key: own[key] for key in names if key in own}


def _sequential(own: dict[str, Any]) -> dict[str, Any]:
    layers = [translated(layer) for layer in own["layers"]]
    if layers and layers[0]["class_name"] != "InputLayer":
        first = own["layers"][0]["config"]
        shape = first.get("batch_input_shape") or own.get("build_input_shape")
        if shape:
            config = {"batch_shape": [None, *shape[1:]], "dtype": "float32"}
            layers.insert(0, {**layers[0], "class_name": "InputLayer", "config": config})
            layers[0]["module"] = "keras.layers"
    elif len(layers) > 1 and layers[0]["config"].get("name") == f"{_name(layers[1])}_input":
        layers[0]["config"]["name"] = "input_layer"  # Keras made the name
    return {"name": own.get("name"), "layers": layers}


def _name(layer: Mapping[str, Any]) -> str:
    return str(layer["config"].get("name"))


def _functional(own: dict[str, Any]) -> dict[str, Any]:
    # Keras 2 counts the calls of a model inside this one from 1.
    inner = {
        layer["name"]: layer["class_name"]
        for layer in own["layers"]
        if layer["class_name"] in MODELS
    }
    layers = [
        {
            **translated(layer),
            "name": layer["name"],
            "inbound_nodes": [_call(node, inner, layer) for node in layer["inbound_nodes"]],
        }
        for layer in own["layers"]
    ]
    sequential = [name for name, kind in inner.items() if kind == "Sequential"]
    return {
        "name": own.get("name"),
        "layers": layers,
        "input_layers": _alone(own["input_layers"]),
        # Keras 3 counts likewise, except for a Sequential.
        "output_layers": _alone(_references(own["output_layers"], sequential)),
    }


def _alone(places: Any) -> Any:
    """Return a single tensor by itself: Keras 2 gives it so, even if it was made as a list."""
    return places[0] if isinstance(places, list) and len(places) == 1 else places


def _call(node: Any, inner: Collection[str], layer: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a call of a layer: its first argument, one tensor or a list, and the others."""
    if not isinstance(node, list) or not all(map(_is_reference, node)):
        reason = "it takes a dict or a constant, and export reads calls with tensors"
        raise Untranslated(layer["name"], layer["class_name"], reason)
    tensors = [_tensor(each, inner) for each in node]
    others = node[0][3] if node and len(node[0]) > 3 else {}
    return {
        "args": [tensors[0] if len(tensors) == 1 else tensors],
        "kwargs": {key: _argument(value, inner) for key, value in others.items()},
    }


def _argument(value: Any, inner: Collection[str]) -> Any:
    if _is_reference(value):
        return _tensor(value, inner)
    if isinstance(value, list):
        return [_argument(each, inner) for each in value]
    return value


def _is_reference(value: Any) -> bool:
    """Tell whether a value is a tensor: a layer's name, and the numbers of its call and output."""
    return (
        isinstance(value, list)
        and 3 <= len(value) <= 4
        and list(map(type, value[:3])) == [str, int, int]
        and value[0] != "_CONSTANT_VALUE"
    )


def _tensor(place: list[Any], inner: Collection[str]) -> dict[str, Any]:
    (history,) = _references([place], inner)
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": history},
    }


def _references(value: Any, counted: Collection[str]) -> Any:
    """Count the calls of these layers from 0 instead of from 1."""
    if isinstance(value, dict):
        return {key: _references(each, counted) for key, each in value.items()}
    if _is_reference(value):
        return [value[0], value[1] - (value[0] in counted), value[2]]
    return [_references(each, counted) for each in value]
