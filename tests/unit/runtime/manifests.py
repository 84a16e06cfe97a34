"""Manifests of schema 2 as JSON values, and bundles around them with dummy members.

    content = full()                      # or small(), or several()
    content["engines"] = []               # break it, or do not
    pack(content)                         # the bytes of a .strop file

The same calls give the same bytes, on any Python. `tests.bundles` makes bundles that run.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from strop.bundle import archive

Content = dict[str, Any]

DECILES = [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 255]


def small() -> Content:
    """A classifier of 4 x 4 grey pictures, with one variant proven on one engine."""
    source = {
        "name": "image",
        "shape": [None, 4, 4],
        "dtype": "uint8",
        "range": [0, 255],
        "statistics": [statistics()],
        "picture": {
            "mode": "L",
            "steps": [
                step("flatten", level=255),
                step("invert", when="light-border"),
                step("fit", width=4, height=4, fill="border"),
            ],
        },
    }
    answer = output("class", [None, 3], labels=["circle", "square", "star"])
    return _manifest("shapes", [source], [answer], "one")


def full() -> Content:
    """Several inputs, and an output of each kind."""
    vector = {
        "name": "sensors",
        "shape": [None, 2],
        "dtype": "float32",
        "range": None,
        "statistics": [statistics(), statistics()],
        "picture": None,
        "profile": [
            histogram("mean", [-0.5, 1e-3, 4], [0, 5, 1, 3]),
            histogram("value 1", [2], [4, 5]),
        ],
    }
    photo = {
        "name": "photo",
        "shape": [None, 6, 8, 3],
        "dtype": "float32",
        "range": [-1, 1],
        "statistics": [],
        "picture": {
            "mode": "RGB",
            "steps": [
                step("flatten", level="contrast"),
                step("stretch", low=2, high=98.5),
                step("shrink", side=300),
                step("ink", reach=20, least=10),
                step("find", above=40),
                step("resize", width=20, height=20),
                step("centre", width=10, height=10, fill=0),
                step("crop", width=8, height=6),
                step("normalise", scale=0.5, offset=-1),
            ],
        },
    }
    count = {**vector, "name": "count", "shape": [None], "dtype": "int64", "statistics": []}
    del count["profile"]
    classes = [histogram("confidence", [0.9, 0.99], [2, 3, 4]), histogram("class", [], [9, 0, 0])]
    outputs = [
        output("class", [None, 3], labels=["a", "b", "c"], logits=True, profile=classes),
        output("binary", [None, 1], labels=["no", "yes"], threshold=0.5),
        output("multilabel", [None, 2], labels=["wet", "cold"], threshold=0.25),
        output("regression", [None, 2], range=None),
        output("segmentation", [None, 6, 8, 3], labels=["road", "sky", "tree"]),
        output("raw", [None, 4], dtype="int32"),
    ]
    return _manifest("everything", [photo, vector, count], outputs, "dict")


def several() -> Content:
    """The small one with more variants, on several engines and devices."""
    content = small()
    content["export"] = {"versions": {"keras": "3"}, "nested": [[1, None], True]}
    content["self_evaluated"] = True
    plan = add_variant(content, "plan", "int8", ["native"])
    plan["rounding"] = "reference"
    plan["requires"]["engines"] = {"native": "1.26"}
    plan["inputs"][0].update(scale=1, zero_point=0)
    gpu = add_variant(content, "tflite", "float32", ["litert", "tflite"])
    gpu["devices"].append("gpu")
    gpu["proofs"].append({**gpu["proofs"][0], "device": "gpu", "adapter": "A GPU, Vulkan 1.3"})
    return content


def output(kind: str, shape: list[int | None], **changes: Any) -> Content:
    """An output of a kind, with the kind's name."""
    return {
        "name": kind,
        "shape": shape,
        "dtype": "float32",
        "range": [0, 1],
        "labels": [],
        "kind": kind,
        "logits": False,
        "threshold": None,
        **changes,
    }


def step(name: str, **options: Any) -> Content:
    return {"step": name, "options": options}


def statistics() -> Content:
    return {"samples": 9, "mean": 46.4, "std": 75.5, "deciles": DECILES}


def histogram(figure: str, edges: list[float], counts: list[int]) -> Content:
    return {"figure": figure, "edges": edges, "counts": counts}


def add_variant(content: Content, format: str, precision: str, engines: list[str]) -> Content:
    """Another variant like the first one, proven on these engines."""
    variant: Content = copy.deepcopy(content["variants"][0])
    variant.update(file=f"variants/{precision}.{format}", format=format, precision=precision)
    for number, golden in enumerate(variant["golden"]):
        golden["file"] = f"golden/{precision}.{format}.{number}.npy"
    proof = variant["proofs"][0]
    variant["proofs"] = [{**copy.deepcopy(proof), "engine": engine} for engine in engines]
    content["variants"].append(variant)
    content["engines"] += engines
    _seal(content)
    return variant


def write(content: Content) -> bytes:
    """The manifest's bytes, valid or not."""
    return json.dumps(content, indent=2, sort_keys=True).encode("ascii") + b"\n"


def pack(content: Content) -> bytes:
    """A bundle: each member that the manifest lists holds its own name."""
    members = {ref["file"]: ref["file"].encode("ascii") for ref in _files(content)}
    return archive.pack({archive.MANIFEST: write(content), **members})


def _manifest(name: str, inputs: list[Content], outputs: list[Content], structure: str) -> Content:
    def tensor(spec: Content) -> Content:
        kept = {key: spec[key] for key in ("name", "shape", "dtype")}
        return {**kept, "scale": None, "zero_point": None}

    judged = [{"figures": _figures(spec), "bounds": {"max_abs_error": 1}} for spec in outputs]
    tolerances = [[0.5] * len(spec["labels"]) if spec["labels"] else [1e-5] for spec in outputs]
    tolerances = [
        t[:1] if spec["kind"] == "binary" else t
        for t, spec in zip(tolerances, outputs, strict=True)
    ]
    proof = {
        "engine": "reference",
        "version": "2",
        "device": "cpu",
        "adapter": "",
        "samples": 60,
        "outputs": judged,
    }
    variant = {
        **_ref("variants/float32.npz"),
        "format": "weights",
        "precision": "float32",
        "devices": ["cpu"],
        "inputs": [tensor(spec) for spec in inputs],
        "outputs": [tensor(spec) for spec in outputs],
        "requires": {},
        "rounding": None,
        "golden": [
            {**_ref(f"golden/float32.npz.{i}.npy"), "tolerance": tolerance}
            for i, tolerance in enumerate(tolerances)
        ],
        "proofs": [proof],
    }
    content = {
        "schema": 2,
        "name": name,
        "model_version": 1,
        "target": "cpu",
        "inputs": inputs,
        "outputs": outputs,
        "structure": structure,
        "self_evaluated": False,
        "engines": ["reference"],
        "variants": [variant],
        "golden": {
            "inputs": [_ref(f"golden/inputs.{i}.npy") for i in range(len(inputs))],
            "keras": [_ref(f"golden/keras.{i}.npy") for i in range(len(outputs))],
            "samples": 6,
        },
        "export": {},
    }
    _seal(content)
    return content


def _figures(spec: Content) -> Content:
    """Figures of all types: numbers, lists of them, a text and nulls."""
    if spec["kind"] == "class":
        return {"accuracy": None, "disagreements": 0, "top1_agreement": 1, "judged_by": "error"}
    if spec["kind"] == "regression":
        return {"rmse_share": [0.5, 0], "max_abs_error": 0.25}
    return {"max_abs_error": 0.25}


def _ref(file: str) -> Content:
    return {"file": file, "sha256": "", "bytes": 0}


def _files(content: Content) -> list[Content]:
    golden = content["golden"]
    variants = content["variants"]
    own = [ref for variant in variants for ref in (variant, *variant["golden"])]
    return [*golden["inputs"], *golden["keras"], *own]


def _seal(content: Content) -> None:
    for ref in _files(content):
        data = ref["file"].encode("ascii")
        ref.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
