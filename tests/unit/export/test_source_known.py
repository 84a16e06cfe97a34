"""A model's file makes Keras load nothing but Keras's own classes, unless it is trusted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source import header
from strop_export.source.known import LAYERS, SETTINGS, strangers
from tests.unit.export import source_kit as kit
from tests.unit.export.source_kit import floats, keras, refused_before_tensorflow

INPUT = {
    "class_name": "InputLayer",
    "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"},
    "name": "x",
    "inbound_nodes": [],
}


def model_of(layer: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a model whose second layer is this one."""
    own = {"name": "l", "inbound_nodes": [[["x", 0, 0, {}]]]} | layer
    config = {"name": "m", "layers": [INPUT, own]}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["l", 0, 0]]}
    return {"class_name": "Functional", "config": config | ends}


def written(path: Path, config: dict[str, Any], version: str) -> Path:
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
            file.attrs["model_config"] = json.dumps(config)
            file.create_group("model_weights").attrs["layer_names"] = []
        return path
    with h5py.File(path.with_suffix(".weights"), "w") as file:
        file.create_group("layers")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.write(path.with_suffix(".weights"), "model.weights.h5")
    return path


def check(path: Path, **options: Any) -> header.Header:
    return header.check(source.Loading(path, **options))


def calling(kind: str, **own: Any) -> dict[str, Any]:
    """Return a layer of Keras 2 that calls a function with a constant."""
    call = [["_CONSTANT_VALUE", -1, "VICTIM", {}]]
    return {"class_name": kind, "config": {"name": "l", **own}, "inbound_nodes": [call]}


def importing(**node: Any) -> dict[str, Any]:
    """Return a layer with a setting of a class elsewhere."""
    own = {"class_name": "Trap", "config": {}, "registered_name": None} | node
    return {"class_name": "Dense", "config": {"name": "l", "units": 1, "kernel_initializer": own}}


TRAPS = {
    "TFOpLambda": calling("TFOpLambda", function="io.gfile.remove"),
    "a constant": calling("Dense", units=1),
    "SlicingOpLambda": calling("SlicingOpLambda", function="io.gfile.remove"),
    "ClassMethod": calling("ClassMethod", class_reference="io.gfile.GFile", method_name="x"),
    "InstanceMethod": calling("InstanceMethod", method_name="tofile"),
    "InstanceProperty": calling("InstanceProperty", attr_name="shape"),
    "TensorFlowOpLayer": calling("TensorFlowOpLayer", node_def="", constants={}),
    "ReloadedLayer": calling("ReloadedLayer"),
    "a module": importing(module="trap"),
    "a module of its own name": importing(module="keras_trap.layers"),
    "a module inside Keras": importing(module="keras.trap"),
    "a module of TensorFlow": importing(module="tensorflow.io.gfile", class_name="GFile"),
    "builtins": importing(module="builtins", class_name="type"),
    "a function": importing(module="trap", class_name="function", config="remove"),
    "data of a module": importing(module="trap", class_name="TensorShape"),
    "another name": importing(module=None, class_name="Zeros", registered_name="Custom>Trap"),
    "a type": importing(module="trap", class_name="__typespec__", spec_name="Trap", config=[]),
    "a type by its name": importing(class_name="TypeSpec", type_spec="Trap", serialized=[]),
    "how a model inside was compiled": {
        **{"class_name": "Sequential", "config": {"name": "l", "layers": []}},
        "compile_config": {"optimizer": {"module": "trap", "class_name": "Trap", "config": {}}},
    },
}


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", TRAPS)
def test_keras_2_loads_nothing_else(tmp_path: Path, name: str, suffix: str) -> None:
    """tf-keras would call the function, or import the module."""
    config = json.loads(json.dumps(model_of(TRAPS[name])).replace("VICTIM", str(tmp_path / "v")))
    path = written(tmp_path / f"m{suffix}", config, "2.13.1")
    for trust in (False, True):
        with pytest.raises(SourceError, match="model of Keras 2 with .*, which export cannot reb"):
            check(path, trust=trust)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    "node",
    [
        {"module": "trap", "class_name": "Trap"},
        {"module": "keras.trap", "class_name": "Trap"},
        {"module": "keras_hub.trap", "class_name": "Trap"},
        {"module": "tensorflow.io.gfile", "class_name": "GFile"},
        {"module": "numpy", "class_name": "memmap"},
        {"module": "builtins", "class_name": "type"},
        {"module": "keras.src.saving.saving_lib", "class_name": "Trap"},
        {"module": "keras.utils", "class_name": "FeatureSpace"},
        {"module": "keras", "class_name": "utils.get_file"},
        {"module": "keras.layers", "class_name": "deserialize"},
        {"module": "keras.datasets.mnist", "class_name": "function", "config": "load_data"},
        {"module": "builtins", "class_name": "function", "config": "get"},
        {"module": None, "class_name": "Zeros", "registered_name": "Custom>Trap"},
        {"module": "trap", "class_name": "__typespec__", "spec_name": "Trap", "config": []},
        {"module": "trap", "class_name": "__numpy__"},
    ],
)
def test_keras_3_loads_nothing_else(tmp_path: Path, node: dict[str, Any], suffix: str) -> None:
    path = written(tmp_path / f"m{suffix}", model_of(importing(**node)), "3.4.0")
    for trust in (False, True):
        with pytest.raises(SourceError, match="needs .*, which Keras does not have"):
            check(path, trust=trust)


@pytest.mark.parametrize("version", ["2.13.1", "3.4.0"])
@pytest.mark.parametrize(
    "kind", ["Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"]
)
def test_layers_that_are_code_need_trust(tmp_path: Path, version: str, kind: str) -> None:
    node = {"class_name": kind, "config": {"name": "l"}}
    path = written(tmp_path / "m.h5", model_of(node), version)
    with pytest.raises(SourceError, match=f"holds a {kind}.* say so with --trust"):
        check(path)


def test_a_hostile_model_deletes_no_file(tmp_path: Path) -> None:
    victim = tmp_path / "v"
    victim.touch()
    files = kit.saved(tmp_path, kit.chain((4,), kit.dense(2)), {"x": floats(4)})
    trap = json.dumps(model_of(TRAPS["TFOpLambda"])).replace("VICTIM", str(victim))
    written(files.model, json.loads(trap), "2.13.1")
    assert "with TFOpLambda (layer 'l'), a constant" in refused_before_tensorflow(files)
    assert victim.exists()


def test_how_an_h5_file_was_compiled_counts(tmp_path: Path) -> None:
    """tf-keras would compile the model as its config says."""
    compiled = {"optimizer": {"module": "trap", "class_name": "Trap", "config": {}}}
    config = model_of({"class_name": "Dense", "config": {"name": "l", "units": 1}})
    config["compile_config"] = compiled
    check(written(tmp_path / "m.keras", config, "2.13.1"))
    with pytest.raises(SourceError, match=r"model of Keras 2 with trap\.Trap, which"):
        check(written(tmp_path / "m.h5", config, "2.13.1"))


@pytest.mark.parametrize("version", ["2.13.1", "3.4.0"])
@pytest.mark.parametrize("first", ["HDF5", "ZIP"])
def test_a_file_of_two_kinds_is_refused(tmp_path: Path, version: str, first: str) -> None:
    """Keras would load the part that was not checked."""
    config = model_of({"class_name": "Dense", "config": {"name": "l", "units": 1}})
    hdf5 = written(tmp_path / "h.h5", config, version).read_bytes()
    zipped = written(tmp_path / "z.keras", config, version).read_bytes()
    name = "m.keras" if first == "HDF5" else "m.h5"
    if first == "ZIP":  # HDF5 may begin at this place, or at twice or four times it
        with h5py.File(tmp_path / "u.h5", "w", userblock_size=4096) as file:
            file.attrs["model_config"] = json.dumps(config)
        hdf5 = (tmp_path / "u.h5").read_bytes()
        (tmp_path / name).write_bytes(b"PK\3\4".ljust(4096) + hdf5[4096:] + zipped)
    else:
        (tmp_path / name).write_bytes(hdf5 + zipped)
    with pytest.raises(SourceError, match="it is HDF5 and a ZIP at once"):
        check(tmp_path / name)


def test_keras_has_all_that_the_table_names() -> None:
    for name in LAYERS:
        assert issubclass(getattr(keras.layers, name), keras.layers.Layer)
    for place, names in SETTINGS.items():
        module = keras
        for part in place.split("."):
            module = getattr(module, part)
        assert all(isinstance(getattr(module, name), type) for name in names)
    assert {"Lambda"} == LAYERS & set(header._CODE)


def test_what_keras_3_writes_is_known() -> None:
    """A model with operators, cells, a policy, and a compiled model inside."""
    layers, ops = keras.layers, keras.ops
    x = keras.Input((4,))
    inner = kit.chain((4,), kit.dense(4))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 1)
    inner.compile(keras.optimizers.Adam(schedule), keras.losses.Huber(), metrics=["mae"])
    y = ops.concatenate([ops.relu(inner(x) + 1.0)[:, ::2], x], axis=1)
    y = ops.image.resize(layers.Reshape((6, 1, 1))(y), (2, 2))
    y = layers.Reshape((2, 2))(layers.RandomFlip()(layers.Rescaling([1.0], [2.0])(y)))
    y = layers.Bidirectional(layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)]))(y)
    y = kit.dense(2, layers.LeakyReLU(), dtype="mixed_float16", kernel_regularizer="l2")(y)
    config = keras.saving.serialize_keras_object(keras.Model(x, y))
    assert strangers(json.loads(json.dumps(config)), 3) == []


def test_what_keras_2_wrote_is_known() -> None:
    settings = {
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "kernel_regularizer": {"module": "keras.regularizers", "class_name": "L2", "config": {}},
        "dtype": {"module": "keras.mixed_precision", "class_name": "Policy", "config": {}},
    }
    dense = {"class_name": "Dense", "config": settings, "registered_name": None}
    inner = {
        **{"class_name": "Sequential", "config": {"layers": [dense]}, "module": "keras"},
        "compile_config": {"optimizer": {"module": "keras.optimizers", "class_name": "Adam"}},
    }
    for module in ("keras.engine", "keras.src.engine", "tf_keras.src.engine"):
        config: dict[str, Any] = {"name": "m", "layers": [INPUT, inner]}
        config["build_input_shape"] = {"class_name": "TensorShape", "items": [None, 4]}
        whole = {"class_name": "Functional", "registered_name": "Functional", "config": config}
        assert strangers(whole | {"module": f"{module}.functional"}, 2) == []
