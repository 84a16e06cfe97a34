"""The order of engines and variants in a bundle; strop.load takes the first that is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from strop import engines
from strop.bundle.open import open_bundle
from strop.model.select import choose
from strop_export import bundles, source, targets
from strop_export.bundles import Proven
from strop_export.formats import Converted, Names, VariantSpec, convert
from strop_export.preference import in_order
from strop_export.proof.golden import golden_indices
from strop_export.proof.prove import Run, Truth, prove
from tests.unit.export import source_kit as kit
from tests.unit.export.outputs import OWN
from tests.unit.export.source_kit import chain, dense, floats, keras

SPECS = {
    VariantSpec("plan", "float32"): ["native"],
    VariantSpec("tflite", "float32"): ["litert", "tflite"],
    VariantSpec("onnx", "float32"): ["onnx"],
}


@pytest.fixture(scope="module", params=["dense", "conv_2d", "depthwise_conv_2d"])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def read(model: str, tmp_path_factory: pytest.TempPathFactory) -> source.Source:
    layers = {
        "dense": dense(4, "relu"),
        "conv_2d": keras.layers.Conv2D(3, 3, activation="relu"),
        "depthwise_conv_2d": keras.layers.DepthwiseConv2D(3, activation="relu"),
    }
    net = chain((6, 6, 2), layers[model], keras.layers.Flatten(), dense(3, "softmax"))
    folder = tmp_path_factory.mktemp(model)
    return kit.read(folder, net, {"inputs": floats(6, 6, 2)})


@pytest.fixture(scope="module")
def files(read: source.Source) -> dict[VariantSpec, Converted]:
    names = Names(("inputs",), tuple(spec.name for spec in read.outputs))
    return {spec: convert(read.model, spec, read.calibration, names) for spec in SPECS}


def proven(
    read: source.Source, files: dict[VariantSpec, Converted], target: targets.Target
) -> list[Proven]:
    """The variants of a target, in its order, proven by Keras's own answers."""
    truth = Truth(read.outputs, read.keras, read.labels)
    golden = golden_indices(truth, [], count=10)
    found = []
    for spec, able in SPECS.items():
        if not (here := [name for name in able if name in target.engines]):
            continue
        runs = [Run(name, "1", read.keras) for name in here]
        proofs = prove("x", runs, truth, OWN["float32"])
        outputs = tuple(array[golden] for array in read.keras)
        found.append(Proven(spec, files[spec], proofs, outputs, ((1.0,) * 3,)))
    return found


FIRST = {
    "cpu": ["litert", "native", "onnx"],
    "rpi": ["litert", "native", "tflite", "onnx"],
    "rpi32": ["native", "tflite"],
    "web": ["native", "litert", "onnx"],
}


@pytest.mark.parametrize("name", FIRST)
def test_convolutions_run_first_where_they_are_fastest(
    name: str,
    model: str,
    read: source.Source,
    files: dict[VariantSpec, Converted],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = targets.load(name)
    given = proven(read, files, target)
    order, variants = in_order(target, given)
    usual = [engine for engine in target.engines if engine in order]
    assert order == (usual if model == "dense" else FIRST[name])
    ranks = [min(order.index(proof.engine) for proof in v.proofs) for v in variants]
    assert ranks == sorted(ranks)
    assert {id(variant) for variant in variants} == {id(variant) for variant in given}

    golden = golden_indices(Truth(read.outputs, read.keras, read.labels), [], count=10)
    content = bundles.build(read, name, order, variants, golden, {})
    (tmp_path / "m.strop").write_bytes(content)
    manifest = open_bundle(tmp_path / "m.strop").manifest
    monkeypatch.setattr(engines, "is_installed", lambda engine: True)
    assert choose(manifest).engine == order[0]
    monkeypatch.setattr(engines, "is_installed", lambda engine: engine == "native")
    assert choose(manifest).engine == "native"
    assert choose(manifest).variant.format == "plan"


def test_an_int8_file_that_is_larger_than_the_float_file_is_last(
    read: source.Source, files: dict[VariantSpec, Converted]
) -> None:
    target = targets.load("cpu")
    given = proven(read, files, target)
    floats_of = next(v for v in given if v.spec.format == "tflite")
    data = floats_of.converted.data
    for data_of_int8, place in ((data[:-1], 0), (data + b"x", -1)):
        converted = replace(floats_of.converted, data=data_of_int8)
        int8 = replace(floats_of, spec=VariantSpec("tflite", "int8"), converted=converted)
        _, variants = in_order(target, [int8, *given])
        same_format = [v for v in variants if v.spec.format == "tflite"]
        assert same_format[place] is int8
