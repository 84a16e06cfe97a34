"""Small valid bundles without TensorFlow, and ways to break them.

    draft = image()                       # or vector()
    draft.content["engines"] = []         # break it, or do not
    draft.pack()                          # the bytes of a .strop file

The same calls give the same bytes, on any Python.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle import archive, manifest
from strop.bundle.manifest import (
    FileRef,
    FileTensor,
    Golden,
    GoldenInputs,
    InputSpec,
    Judged,
    Manifest,
    OutputSpec,
    Picture,
    PictureStep,
    Proof,
    Variant,
)

Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32], str]]

SAMPLES = 6
LABELS = ("circle", "square", "star")
PICTURE = Picture(
    "L",
    (
        PictureStep("flatten", {"level": 255}),
        PictureStep("invert", {"when": "light-border"}),
        PictureStep("fit", {"width": 4, "height": 4, "fill": "border"}),
    ),
)
FIGURES = {"accuracy": None, "disagreements": 0, "top1_agreement": 1.0, "max_abs_error": 0.0}
# The weights of `pair` for its picture's pixels: integers, so that every engine's sums are exact.
PAIR_KERNEL = np.arange(-6, 6, dtype=np.float32).reshape(4, 3)


@dataclass
class Draft:
    """A bundle before packing: its manifest as JSON values, and its other members."""

    content: dict[str, Any]
    files: dict[str, bytes]

    @property
    def variant(self) -> dict[str, Any]:
        """The first variant's part of the manifest."""
        variant: dict[str, Any] = self.content["variants"][0]
        return variant

    def manifest(self) -> bytes:
        """The manifest, valid or not."""
        return json.dumps(self.content, indent=2, sort_keys=True).encode("ascii") + b"\n"

    def pack(self) -> bytes:
        """Pack a canonical archive, with any manifest."""
        return archive.pack({archive.MANIFEST: self.manifest(), **self.files})

    def write(self, path: Path) -> Path:
        """Pack into a file, and return its path."""
        path.write_bytes(self.pack())
        return path

    def put(self, ref: dict[str, Any], data: bytes) -> None:
        """Replace a member, and its entry in the manifest."""
        self.files[ref["file"]] = data
        ref.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    def add_variant(
        self, format: str, precision: str, engines: Sequence[str], data: bytes = b"a model"
    ) -> dict[str, Any]:
        """Add a model file with the first one's shapes and golden outputs, proven on `engines`.

        Whether it can be opened depends on `data` and on the engines that a test installs.
        """
        variant = copy.deepcopy(self.variant)
        variant.update(file=f"variants/{precision}.{format}", format=format, precision=precision)
        variant["proofs"] = [{**variant["proofs"][0], "engine": name} for name in engines]
        self.put(variant, data)
        for i, golden in enumerate(variant["golden"]):
            content = self.files[golden["file"]]
            golden["file"] = f"golden/{precision}.{format}.{i}.npy"
            self.put(golden, content)
        self.content["variants"].append(variant)
        self.content["engines"] += [n for n in engines if n not in self.content["engines"]]
        return variant


def image(seed: int = 7, **changes: Any) -> Draft:
    """A classifier of 4 x 4 grey pictures, uint8 as the sensor gives them, in three classes.

    Args:
        seed: the seed of its weights and samples.
        changes: fields of the manifest to replace.
    """
    random = np.random.default_rng(seed)
    layers = [
        (_weights(random, 16, 5), _weights(random, 5), "relu"),
        (_weights(random, 5, 3), _weights(random, 3), "softmax"),
    ]
    return _draft(
        "shapes",
        InputSpec("image", (None, 4, 4), "uint8", (0.0, 255.0), (), PICTURE),
        OutputSpec("probabilities", (None, 3), "float32", (0.0, 1.0), LABELS, "class", False, None),
        layers,
        scale=1 / 255,
        samples=random.integers(0, 256, (SAMPLES, 4, 4)).astype(np.uint8),
        changes=changes,
    )


def vector(**changes: Any) -> Draft:
    """A model of five float32 measurements, two sigmoid outputs without labels."""
    random = np.random.default_rng(11)
    return _draft(
        "gauge",
        InputSpec("measurements", (None, 5), "float32", None, ()),
        OutputSpec("alarms", (None, 2), "float32", (0.0, 1.0), (), "class", False, None),
        [(_weights(random, 5, 2), _weights(random, 2), "sigmoid")],
        scale=1.0,
        samples=_weights(random, SAMPLES, 5),
        changes=changes,
    )


def pair(
    data: bytes = b"a model",
    *,
    engine: str = "onnx",
    format: str = "onnx",
    names: Mapping[str, str] | None = None,
    batch: int | None = None,
    **changes: Any,
) -> Draft:
    """A model of a 2 x 2 picture and three weights: scores of three classes, and a level.

    The level has only the batch axis. `pair_answer` computes the right answer.

    Args:
        data: the model's file.
        engine: the engine that it is proven on.
        format: the file's format.
        names: the file's names of tensors that differ from the manifest's.
        batch: the batch that the file takes; None: any.
        changes: fields of the manifest to replace.
    """
    random = np.random.default_rng(5)
    inputs = (
        InputSpec("picture", (None, 2, 2), "uint8", (0.0, 255.0), ()),
        InputSpec("weights", (None, 3), "float32", (-2.0, 2.0), ()),
    )
    outputs = (
        OutputSpec("scores", (None, 3), "float32", None, LABELS, "class", True, None),
        OutputSpec("level", (None,), "float32", None, (), "regression", False, None),
    )
    samples: tuple[NDArray[Any], ...] = (
        random.integers(0, 256, (SAMPLES, 2, 2)).astype(np.uint8),
        _weights(random, SAMPLES, 3),
    )
    answers = pair_answer(*samples)
    draft = Draft({}, {})

    def add(file: str, data: bytes) -> dict[str, Any]:
        ref = {"file": file}
        draft.put(ref, data)
        return ref

    def tensors(specs: Sequence[InputSpec | OutputSpec]) -> tuple[FileTensor, ...]:
        return tuple(
            FileTensor((names or {}).get(s.name, s.name), (batch, *s.shape[1:]), "float32")
            for s in specs
        )

    variant = Variant(
        **add(f"variants/pair.float32.{format}", data),
        format=format,
        precision="float32",
        devices=("cpu",),
        inputs=tensors(inputs),
        outputs=tensors(outputs),
        requires={},
        rounding=None,
        golden=(
            Golden(**add("golden/pair.scores.npy", npy(answers[0])), tolerance=(0.5, 1.0, 2.0)),
            Golden(**add("golden/pair.level.npy", npy(answers[1])), tolerance=(0.25,)),
        ),
        proofs=(
            Proof(
                engine,
                "2",
                "cpu",
                "",
                SAMPLES,
                (
                    Judged({"accuracy": None, "top1_agreement": 1.0, "max_abs_error": 0.0}, {}),
                    Judged({"r2": [1.0], "rmse": [0.0], "max_abs_error": 0.0}, {"rmse_share": 0.1}),
                ),
            ),
        ),
    )
    golden = GoldenInputs(
        inputs=tuple(
            FileRef(**add(f"golden/inputs.{spec.name}.npy", npy(array)))
            for spec, array in zip(inputs, samples, strict=True)
        ),
        keras=tuple(
            FileRef(**add(f"golden/keras.{spec.name}.npy", npy(array)))
            for spec, array in zip(outputs, answers, strict=True)
        ),
        samples=SAMPLES,
    )
    whole = Manifest(
        schema=manifest.SCHEMA,
        name="pair",
        model_version=1,
        target="cpu",
        inputs=inputs,
        outputs=outputs,
        structure="dict",
        self_evaluated=False,
        engines=(engine,),
        variants=(variant,),
        golden=golden,
        export={},
    )
    draft.content = {**json.loads(whole.to_json()), **changes}
    return draft


def pair_answer(
    picture: NDArray[Any], weights: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the answer of `pair`: float32 (N, 3) scores, and a float32 (N,) level."""
    flat = picture.reshape(len(picture), -1).astype(np.float32)
    return flat @ PAIR_KERNEL + weights, weights.sum(axis=1, dtype=np.float32)


def answer(draft: Draft, inputs: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the first variant's answer to a batch, without the runtime."""
    with np.load(io.BytesIO(draft.files[draft.variant["file"]])) as weights:
        layers = [
            (weights[f"kernel_{i}"], weights[f"bias_{i}"], str(name))
            for i, name in enumerate(weights["activations"])
        ]
        return _forward(inputs, layers, float(weights["scale"]))


def weights_npz(layers: Layers, *, scale: float) -> bytes:
    """The file of the `reference` engine."""
    arrays: dict[str, NDArray[Any]] = {
        "scale": np.asarray(scale, np.float32),
        "offset": np.asarray(0, np.float32),
        "activations": np.array([name for _, _, name in layers]),
    }
    for i, (kernel, bias, _) in enumerate(layers):
        arrays |= {f"kernel_{i}": kernel, f"bias_{i}": bias}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, array in arrays.items():
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), npy(array))
    return buffer.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    """An array as the content of a .npy file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, (1, 0), allow_pickle=False)
    return buffer.getvalue()


def npy_header(header: str) -> bytes:
    """A .npy file that has only a header, which may say anything."""
    text = header.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def reseal(data: bytes) -> bytes:
    """Give altered bytes a matching digest, as an attacker who knows the format would."""
    body = data[:-64]
    return body + hashlib.sha256(body).hexdigest().encode("ascii")


def _draft(
    name: str,
    input: InputSpec,
    output: OutputSpec,
    layers: Layers,
    *,
    scale: float,
    samples: NDArray[Any],
    changes: Mapping[str, Any],
) -> Draft:
    outputs = _forward(samples, layers, scale).astype(np.float32)
    draft = Draft({}, {})

    def add(file: str, data: bytes) -> dict[str, Any]:
        ref = {"file": file}
        draft.put(ref, data)
        return ref

    variant = Variant(
        **add(f"variants/{name}.float32.npz", weights_npz(layers, scale=scale)),
        format="weights",
        precision="float32",
        devices=("cpu",),
        inputs=(FileTensor(input.name, input.shape, "float32"),),
        outputs=(FileTensor(output.name, output.shape, "float32"),),
        requires={},
        rounding=None,
        golden=(Golden(**add(f"golden/{name}.float32.npz.npy", npy(outputs)), tolerance=(1e-5,)),),
        proofs=(Proof("reference", "2", "cpu", "", SAMPLES, (Judged(FIGURES, {}),)),),
    )
    golden = GoldenInputs(
        inputs=(FileRef(**add("golden/inputs.npy", npy(samples))),),
        keras=(FileRef(**add("golden/keras.npy", npy(outputs))),),
        samples=SAMPLES,
    )
    whole = Manifest(
        schema=manifest.SCHEMA,
        name=name,
        model_version=1,
        target="cpu",
        inputs=(input,),
        outputs=(output,),
        structure="one",
        self_evaluated=False,
        engines=("reference",),
        variants=(variant,),
        golden=golden,
        export={},
    )
    draft.content = {**json.loads(whole.to_json()), **changes}
    return draft


def _forward(inputs: NDArray[Any], layers: Layers, scale: float) -> NDArray[np.float64]:
    x = inputs.reshape(len(inputs), -1).astype(np.float64) * scale  # (N, features)
    for kernel, bias, activation in layers:
        x = x @ kernel.astype(np.float64) + bias  # (N, units)
        if activation == "relu":
            x = np.maximum(x, 0)
        elif activation == "sigmoid":
            x = 1 / (1 + np.exp(-x))
        else:
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            x = e / e.sum(axis=-1, keepdims=True)
    return x


def _weights(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return (random.integers(-64, 65, shape) / 32).astype(np.float32)
