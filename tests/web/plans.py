"""Small bundles with plans, whose golden outputs the referee computes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import (
    SCHEMA,
    FileRef,
    FileTensor,
    Golden,
    GoldenInputs,
    InputSpec,
    Judged,
    Manifest,
    OutputSpec,
    Proof,
    Variant,
)
from strop_export.formats.plan import Plan, Step, Tensor
from tests import bundles
from tests.contract import plan_referee, plan_sample

Array = NDArray[Any]
TOLERANCE = 1e-6


def classifier(
    kind: str = "class", *, logits: bool = False, labels: Sequence[str] = ()
) -> bundles.Draft:
    """A float32 net for uint8 pixels, (4, 4), whose three outputs, or one, are of a kind."""
    random = np.random.default_rng(3)
    units = 1 if kind == "binary" else 3
    tensors = [
        Tensor("float32", (4, 4), name="image"),
        Tensor("float32", (16,)),
        Tensor("float32", (1,), values=np.array([1 / 255], np.float32)),
        Tensor("float32", (16,)),
        Tensor("float32", (units, 16), values=plan_sample.floats(random, units, 16)),
        Tensor("float32", (units,), name="answer" if logits else ""),
        Tensor("float32", (units,), name="answer"),
    ]
    steps = [
        Step("reshape", (0,), 1),
        Step("mul", (1, 2), 3),
        Step("fully_connected", (3, 4), 5),
        Step("softmax", (5,), 6, beta=1.0) if kind == "class" else Step("sigmoid", (5,), 6),
    ]
    if logits:
        tensors, steps = tensors[:6], steps[:3]
    plan = Plan(tensors, steps, [0], [5 if logits else 6])
    pixels = random.integers(0, 256, (bundles.SAMPLES, 4, 4)).astype(np.uint8)
    threshold = None if kind in ("class", "regression") else 0.0 if logits else 0.5
    shape = (None, units)
    output = OutputSpec("answer", shape, "float32", None, tuple(labels), kind, logits, threshold)
    source = InputSpec("image", (None, 4, 4), "uint8", (0.0, 255.0), ())
    return draft(plan, [source], [output], [pixels], structure="one")


def pair(rounding: str = "float") -> Plan:
    """A plan of two inputs and three outputs, of float32 and int8."""
    random = np.random.default_rng(6)
    weights = random.integers(-127, 128, (6, 20)).astype(np.int8)
    tensors = [
        Tensor("uint8", (4, 5), 1.0, 0, name="bytes"),
        Tensor("float32", (7,), name="Zahlen für später"),
        Tensor("int8", (4, 5), 1.0, -128),
        Tensor("int8", (6, 20), 0.002, values=weights),
        Tensor("int8", (6,), 0.5, -3, name="steps"),
        Tensor("float32", (6,)),
        Tensor("float32", (6, 7), values=plan_sample.floats(random, 6, 7)),
        Tensor("float32", (6,)),
        Tensor("float32", (6,), name="flat"),
        Tensor("float32", (2, 3)),
        Tensor("float32", (2, 3), name="shares"),
    ]
    steps = [
        Step("quantize", (0,), 2),
        Step("fully_connected", (2, 3), 4),
        Step("dequantize", (4,), 5),
        Step("fully_connected", (1, 6), 7),
        Step("add", (7, 5), 8),
        Step("reshape", (8,), 9),
        Step("softmax", (9,), 10, beta=1.0),
    ]
    return Plan(tensors, steps, [0, 1], [10, 4, 8], rounding)


def several(rounding: str = "float") -> bundles.Draft:
    """A bundle of `pair`; `plan_sample.inputs` are samples for it."""
    samples = plan_sample.inputs(bundles.SAMPLES)
    inputs = [
        InputSpec("bytes", (None, 4, 5), "uint8", (0.0, 255.0), ()),
        InputSpec("Zahlen für später", (None, 7), "float32", None, ()),
    ]
    outputs = [
        OutputSpec("shares", (None, 2, 3), "float32", None, (), "raw", False, None),
        OutputSpec("steps", (None, 6), "int8", None, (), "raw", False, None),
        OutputSpec("flat", (None, 6), "float32", None, (), "regression", False, None),
    ]
    return draft(pair(rounding), inputs, outputs, samples, structure="dict")


def everything() -> bundles.Draft:
    """A bundle of a plan with every operator; `plan_sample.inputs` are samples for it."""
    plan = plan_sample.whole()
    inputs, outputs = (
        [
            (tensor.name or "", (None, *tensor.dims), tensor.dtype)
            for tensor in map(plan.tensors.__getitem__, numbers)
        ]
        for numbers in (plan.inputs, plan.outputs)
    )
    return draft(
        plan,
        [InputSpec(*spec, None, ()) for spec in inputs],
        [OutputSpec(*spec, None, (), "raw", False, None) for spec in outputs],
        plan_sample.inputs(bundles.SAMPLES),
        structure="dict",
    )


def draft(
    plan: Plan,
    inputs: Sequence[InputSpec],
    outputs: Sequence[OutputSpec],
    samples: Sequence[Array],
    *,
    structure: str,
) -> bundles.Draft:
    """A bundle of one plan, proven on the engine `native`."""
    result = bundles.Draft({}, {})
    data = plan.to_bytes()
    sides = ([plan.tensors[i] for i in plan.inputs], [plan.tensors[i] for i in plan.outputs])
    given = [s.astype(t.dtype) for s, t in zip(samples, sides[0], strict=True)]
    answers = plan_referee.outputs(data, *given)

    def add(file: str, content: bytes) -> dict[str, Any]:
        ref = {"file": file}
        result.put(ref, content)
        return ref

    def arrays(name: str, several: Sequence[Array]) -> list[dict[str, Any]]:
        return [add(f"golden/{name}.{i}.npy", bundles.npy(a)) for i, a in enumerate(several)]

    variant = Variant(
        **add("variants/small.plan", data),
        format="plan",
        precision="int8" if plan.rounding else "float32",
        devices=("cpu",),
        inputs=tuple(FileTensor(t.name or "", (None, *t.dims), t.dtype) for t in sides[0]),
        outputs=tuple(FileTensor(t.name or "", (None, *t.dims), t.dtype) for t in sides[1]),
        requires={},
        rounding=plan.rounding,
        golden=tuple(Golden(**ref, tolerance=(TOLERANCE,)) for ref in arrays("small", answers)),
        proofs=(Proof("native", "0.1.0", "cpu", "", 6, tuple(Judged({}, {}) for _ in outputs)),),
    )
    manifest = Manifest(
        schema=SCHEMA,
        name="small",
        model_version=1,
        target="web",
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        structure=structure,
        self_evaluated=False,
        engines=("native",),
        variants=(variant,),
        golden=GoldenInputs(
            inputs=tuple(FileRef(**ref) for ref in arrays("inputs", samples)),
            keras=tuple(FileRef(**ref) for ref in arrays("keras", answers)),
            samples=bundles.SAMPLES,
        ),
        export={},
    )
    result.content = json.loads(manifest.to_json())
    return result
