"""A bundle of several inputs and outputs: its manifest and its members."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from strop.bundle.open import open_bundle
from strop_export import bundles, source
from strop_export.bundles import Proven
from strop_export.formats import Names, VariantSpec, convert
from strop_export.proof.golden import golden_indices, golden_tolerance
from strop_export.proof.prove import Run, Truth, prove
from tests.unit.export import source_kit as kit
from tests.unit.export.outputs import OWN
from tests.unit.export.source_kit import chain, dense, floats, two_by_two

SPEC = VariantSpec("tflite", "float32")


def built(read: source.Source, folder: Path, spec: VariantSpec = SPEC) -> Path:
    """A bundle of one file, proven by Keras's own answers."""
    names = Names(
        tuple(spec.name for spec in read.inputs), tuple(spec.name for spec in read.outputs)
    )
    file = convert(read.model, spec, read.calibration, names)
    truth = Truth(read.outputs, read.keras, read.labels)
    proofs = prove("x", [Run("litert", "1", read.keras)], truth, OWN["float32"])
    golden = golden_indices(truth, [], count=10)
    bounds = tuple(
        golden_tolerance(output, keras, 1e-5)
        for output, keras in zip(read.outputs, read.keras, strict=True)
    )
    proven = Proven(spec, file, proofs, tuple(a[golden] for a in read.keras), bounds)
    content = bundles.build(read, "cpu", ["litert"], [proven], golden, {})
    (folder / "m.strop").write_bytes(content)
    return folder / "m.strop"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    given = {"right": floats(2), "left": floats(4)}
    return built(kit.read(folder, two_by_two(named=True), given), folder)


def test_the_manifest_has_the_model_s_order_and_structure(two: Path) -> None:
    manifest = open_bundle(two).manifest
    assert [spec.name for spec in manifest.inputs] == ["left", "right"]
    assert [(spec.name, spec.kind) for spec in manifest.outputs] == [
        ("what", "class"),
        ("where", "regression"),
    ]
    assert manifest.structure == "dict"
    assert manifest.self_evaluated
    (variant,) = manifest.variants
    assert [tensor.name for tensor in variant.inputs] == ["left", "right"]
    what, where = variant.golden
    assert (len(what.tolerance), len(where.tolerance)) == (1, 5)
    (proof,) = variant.proofs
    assert proof.outputs[0].figures["disagreements"] == 0
    assert proof.outputs[1].figures["rmse_share"] == [0] * 5


def test_each_array_is_a_member(two: Path) -> None:
    manifest = open_bundle(two).manifest
    assert [ref.file for ref in manifest.golden.inputs] == [
        "golden/inputs.0.npy",
        "golden/inputs.1.npy",
    ]
    assert [ref.file for ref in manifest.golden.keras] == [
        "golden/keras.0.npy",
        "golden/keras.1.npy",
    ]
    assert [ref.file for ref in manifest.variants[0].golden] == [
        "golden/m.float32.tflite.0.npy",
        "golden/m.float32.tflite.1.npy",
    ]
    assert manifest.golden.samples == 10


def test_of_one_of_each_they_have_no_number(tmp_path: Path) -> None:
    read = kit.read(tmp_path, chain((4,), dense(3, "softmax")), {"inputs": floats(4)})
    manifest = open_bundle(built(read, tmp_path)).manifest
    assert manifest.golden.inputs[0].file == "golden/inputs.npy"
    assert manifest.variants[0].golden[0].file == "golden/m.float32.tflite.npy"
    assert manifest.structure == "one"


@pytest.mark.parametrize(
    ("spec", "rounding"),
    [
        (VariantSpec("plan", "int8", rounding="reference"), "reference"),
        (VariantSpec("plan", "int8"), "float"),
        (VariantSpec("plan", "float32"), None),
        (SPEC, None),
    ],
)
def test_the_rounding_of_a_plan_is_in_the_manifest(
    spec: VariantSpec, rounding: str | None, tmp_path: Path
) -> None:
    read = kit.read(tmp_path, chain((4,), dense(3, "softmax")), {"inputs": floats(4)})
    (variant,) = open_bundle(built(read, tmp_path, spec)).manifest.variants
    assert (variant.rounding, variant.format) == (rounding, spec.format)
    assert variant.file == f"variants/m.{spec.precision}.{spec.format}"


def test_an_app_gets_what_keras_gives(two: Path) -> None:
    import strop

    with strop.load(two) as model:
        found = model.predict({"right": floats(2)[:3], "left": floats(4)[:3]})
    expected = two_by_two(named=True)({"right": floats(2)[:3], "left": floats(4)[:3]})
    assert isinstance(found, dict)
    for name, answer in expected.items():
        np.testing.assert_allclose(found[name], np.asarray(answer), atol=1e-5)
