"""The assembly of a bundle: manifest, model files and golden samples, as bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle import archive, manifest, schema
from strop.bundle.manifest import (
    FileRef,
    Golden,
    GoldenInputs,
    Judged,
    Manifest,
    Proof,
    Variant,
)
from strop_export.floors import table
from strop_export.formats import Converted, VariantSpec
from strop_export.metric import Measured
from strop_export.source import Source

SUFFIXES = {"tflite": ".tflite", "onnx": ".onnx", "weights": ".npz", "plan": ".plan"}


@dataclass(frozen=True)
class Proven:
    """A converted file, with the proofs made for it."""

    spec: VariantSpec
    converted: Converted
    proofs: tuple[Proof, ...]
    golden_outputs: tuple[NDArray[Any], ...]  # (golden samples, ...), of the preferred engine
    golden_tolerances: tuple[tuple[float, ...], ...]  # for each output
    measured: tuple[Measured, ...] = ()  # for each proof, by the user's own metric if there is one


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
        record: the sources and tools that made the bundle, as plain JSON values.

    Returns:
        The bytes of the `.strop` file.

    Raises:
        BundleError: the parts do not make a valid bundle.
    """
    members: dict[str, bytes] = {}

    def add(name: str, content: bytes) -> FileRef:
        members[name] = content
        return FileRef(name, hashlib.sha256(content).hexdigest(), len(content))

    inputs = [add(f"golden/inputs{n}.npy", _npy(a[golden])) for n, a in _numbered(source.samples)]
    keras = [add(f"golden/keras{n}.npy", _npy(a[golden])) for n, a in _numbered(source.keras)]
    listed = []
    for variant in variants:
        spec = variant.spec
        stem = f"{source.name}.{spec.precision}{SUFFIXES[spec.format]}"
        file = add(f"variants/{stem}", variant.converted.data)
        outputs = [
            add(f"golden/{stem}{n}.npy", _npy(array))
            for n, array in _numbered(variant.golden_outputs)
        ]
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
                rounding=variant.converted.rounding,
                golden=tuple(
                    Golden(**ref._asdict(), tolerance=tolerance)
                    for ref, tolerance in zip(outputs, variant.golden_tolerances, strict=True)
                ),
                proofs=variant.proofs,
            )
        )
    content = Manifest(
        schema=manifest.SCHEMA,
        name=source.name,
        model_version=source.model_version,
        target=target,
        inputs=source.inputs,
        outputs=source.outputs,
        structure=source.structure,
        self_evaluated=source.self_evaluated,
        engines=tuple(engines),
        variants=tuple(listed),
        golden=GoldenInputs(inputs=tuple(inputs), keras=tuple(keras), samples=len(golden)),
        export=dict(record),
    ).to_json()
    schema.parse(content)  # export refuses what a device would refuse
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
    unjudged = tuple(Judged({}, {}) for _ in source.outputs)
    nothing = tuple(Proof(name, "", "cpu", "", 0, unjudged) for name in engines)
    one = np.zeros(1, np.int64)
    answers = tuple(array[one] for array in source.keras)
    variant = Proven(spec, converted, nothing, answers, ((0.0,),) * len(answers))
    return build(source, "draft", engines, [variant], one, {})


def _numbered(arrays: Sequence[NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield each array with a suffix for its file's name; "" if there is only one array."""
    for i, array in enumerate(arrays):
        yield ("" if len(arrays) == 1 else f".{i}"), array


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
    return buffer.getvalue()
