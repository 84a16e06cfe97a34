"""tritonclient, unchanged, gets the answers of `predict`: for MNIST, and for a model of two."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http as triton
from numpy.typing import NDArray

import strop
from tests.conftest import Exported
from tests.figures import Record
from tests.serve.running import serving

DATATYPES = {"uint8": "UINT8", "float32": "FP32"}
ROUNDS = 25  # of each way to send and to receive
Named = dict[str, NDArray[Any]]


def test_its_answers_are_those_of_predict(edge: Exported, models: Path, figure: Record) -> None:
    images = edge.evaluation()["inputs"]
    random = np.random.default_rng(20)
    mnist, pair = edge.bundle("cpu"), models / "pair.strop"
    tried = failed = 0
    with (
        serving(mnist, pair) as server,
        strop.load(mnist) as one,
        strop.load(pair) as two,
        triton.InferenceServerClient(server.address) as client,
    ):
        for number, sent, received in product(range(ROUNDS), (True, False), (True, False)):
            samples = random.integers(1, 9)
            start = number * 8
            digits: Named = {"image": images[start : start + samples]}
            both: Named = {
                "picture": random.integers(0, 256, (samples, 2, 2)).astype(np.uint8),
                "weights": random.normal(size=(samples, 3)).astype(np.float32),
            }
            for model, inputs in ((one, digits), (two, both)):
                right = _predicted(model, inputs)
                given = _asked(client, model.name, inputs, [*right], sent, received)
                tried += 1
                failed += not all(np.array_equal(given[name], right[name]) for name in right)
    figure("v2 client", tried, failed, "MNIST; two inputs and two outputs")
    assert not failed


def _predicted(model: strop.Model, inputs: Named) -> Named:
    arrays = [*inputs.values()]
    answer = model.predict(arrays[0] if len(arrays) == 1 else arrays)
    return dict(answer) if isinstance(answer, dict) else {model.output.name: answer}


def _asked(
    client: triton.InferenceServerClient,
    name: str,
    inputs: Named,
    outputs: list[str],
    sent: bool,
    received: bool,
) -> Named:
    """Ask with the tensors as bytes or as JSON."""
    tensors = []
    for key, array in inputs.items():
        tensor = triton.InferInput(key, [*array.shape], DATATYPES[array.dtype.name])
        tensor.set_data_from_numpy(array, binary_data=sent)
        tensors.append(tensor)
    asked = [triton.InferRequestedOutput(key, binary_data=received) for key in outputs]
    said = client.infer(name, tensors, outputs=asked)
    return {key: said.as_numpy(key) for key in outputs}
