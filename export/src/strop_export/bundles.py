"""Putting a bundle together: manifest, model files and golden samples, as bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle import archive, manifest, schema
from strop.bundle.manifest import FileRef, Golden, GoldenInputs, Manifest, Proof, Variant
from strop_export.floors import table
from strop_export.formats import Converted, VariantSpec
from strop_export.source import Source

SUFFIXES = {"tflite": ".tflite", "onnx": ".onnx", "weights": ".npz"}


@dataclass(frozen=True)
class Proven:
    """A converted file, with the proofs made for it."""

    spec: VariantSpec
    converted: Converted
    proofs: tuple[Proof, ...]
    golden_outputs: NDArray[np.float32]  # (golden samples, classes), of the preferred engine
    golden_tolerance: float


def build(
    source: Source,
    target: str,
    engines: Sequence[str],
    variants: Sequence[Proven],
    golden: NDArray[np.int64],
    record: Mapping[str, Any],
) -> bytes:
    """Build the bundle of one target.

    Args:
        source: the model and its samples.
        target: the target's name.
        engines: names of engines, in order of preference.
        variants: the proven files, in order of preference.
        golden: indices of the golden samples among `source.samples`, int64 (golden samples,).
        record: what the bundle was made from and with, as plain JSON values.

    Returns:
        The bytes of the `.strop` file.

    Raises:
        BundleError: the parts do not make a valid bundle.
    """
    members: dict[str, bytes] = {}

    def add(name: str, content: bytes) -> FileRef:
        members[name] = content
        return FileRef(name, hashlib.sha256(content).hexdigest(), len(content))

    inputs = add("golden/inputs.npy", _npy(source.samples[golden]))
    keras = add("golden/keras.npy", _npy(source.outputs[golden]))
    listed = []
    for variant in variants:
        spec = variant.spec
        stem = f"{source.name}.{spec.precision}{SUFFIXES[spec.format]}"
        file = add(f"variants/{stem}", variant.converted.data)
        outputs = add(f"golden/{stem}.npy", _npy(variant.golden_outputs))
        requires = variant.converted.requires
        floors = table.floors([proof.engine for proof in variant.proofs], requires)
        listed.append(
            Variant(
                **file._asdict(),
                format=spec.format,
                precision=spec.precision,
                devices=spec.devices,
                inputs=variant.converted.inputs,
                outputs=variant.converted.outputs,
                requires={**requires, "engines": floors},
                golden=Golden(**outputs._asdict(), tolerance=variant.golden_tolerance),
                proofs=variant.proofs,
            )
        )
    content = Manifest(
        schema=manifest.SCHEMA,
        name=source.name,
        model_version=source.model_version,
        target=target,
        inputs=(source.input,),
        outputs=(source.output,),
        engines=tuple(engines),
        variants=tuple(listed),
        golden=GoldenInputs(inputs=inputs, keras=keras, samples=len(golden)),
        export=dict(record),
    ).to_json()
    schema.parse(content)  # what a device would refuse, export refuses first
    return archive.pack({archive.MANIFEST: content, **members})


def draft(source: Source, spec: VariantSpec, converted: Converted, engines: Sequence[str]) -> bytes:
    """Build a bundle of one variant for the engines to run; it has no proofs yet.

    Args:
        source: the model and its samples.
        spec: the format and precision of the file.
        converted: the file.
        engines: names of the engines that may open it.

    Returns:
        The bytes of the `.strop` file.
    """
    nothing = [Proof(name, "", "cpu", "", 0, None, 0, 0.0, 0.0, tolerance={}) for name in engines]
    one = np.zeros(1, np.int64)
    variant = Proven(spec, converted, tuple(nothing), source.outputs[one], 0.0)
    return build(source, "draft", engines, [variant], one, {})


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
    return buffer.getvalue()
