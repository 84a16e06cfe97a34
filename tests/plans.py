"""Bundles of `tests.bundles` with a plan, which the engine `native` runs, as their only variant."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.formats.plan import Plan, Step, Tensor
from tests.bundles import Draft


def native(draft: Draft) -> Draft:
    """Replace a draft's weights by a float32 plan of the same layers.

    The plan takes what the app gives: bytes, where that is bytes.
    """
    variant = draft.variant
    [source], [answer] = draft.content["inputs"], draft.content["outputs"]
    with np.load(io.BytesIO(draft.files.pop(variant["file"]))) as weights:
        layers = [
            (weights[f"kernel_{i}"], weights[f"bias_{i}"], str(name))
            for i, name in enumerate(weights["activations"])
        ]
        scale = float(weights["scale"])
    variant.update(format="plan", file="variants/float32.plan")
    for proof in variant["proofs"]:
        proof["engine"] = "native"
    draft.content["engines"] = ["native"]
    variant["inputs"][0].update(dtype=source["dtype"])
    dtype, dims = source["dtype"], tuple(source["shape"][1:])
    draft.put(variant, plan(source["name"], answer["name"], dtype, dims, scale, layers))
    return draft


def plan(
    source: str,
    answer: str,
    dtype: str,
    dims: tuple[int, ...],
    scale: float,
    layers: list[tuple[NDArray[Any], NDArray[Any], str]],
) -> bytes:
    """Write a plan of dense layers over scaled inputs, each with its activation."""
    tensors, steps = [Tensor(dtype, dims, scale if dtype == "uint8" else 0.0, name=source)], []

    def add(step: str, inputs: tuple[int, ...], tensor: Tensor, **more: Any) -> int:
        tensors.append(tensor)
        steps.append(Step(step, inputs, len(tensors) - 1, **more))
        return len(tensors) - 1

    last = 0
    if dtype == "uint8":
        last = add("dequantize", (last,), Tensor("float32", dims))
    last = add("reshape", (last,), Tensor("float32", (int(np.prod(dims)),)))
    for number, (kernel, bias, activation) in enumerate(layers):
        name = answer if number == len(layers) - 1 else ""
        units = (len(bias),)
        tensors += [Tensor("float32", kernel.T.shape, values=kernel.T)]
        tensors += [Tensor("float32", units, values=bias)]
        inputs = (last, len(tensors) - 2, len(tensors) - 1)
        fused = activation if activation == "relu" else "none"
        alone = activation not in ("relu", "linear")
        last = add(
            "fully_connected",
            inputs,
            Tensor("float32", units, name="" if alone else name),
            activation=fused,
        )
        if alone:
            beta = {"beta": 1.0} if activation == "softmax" else {}
            last = add(activation, (last,), Tensor("float32", units, name=name), **beta)
    return Plan(tensors, steps, [0], [last]).to_bytes()
