"""The requests and answers of the servers: the ways to send an image."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

JSON, BYTES = "json", "bytes"  # the payloads that are compared
_TYPE_JSON = {"Content-Type": "application/json"}
_TYPE_BYTES = {"Content-Type": "application/octet-stream"}

Image = NDArray[np.uint8]
Answer = NDArray[np.float32]


class Wire(NamedTuple):
    """How a server takes an image, and answers.

    Attributes:
        path: of the URL.
        headers: of the request.
        request: the body for an image, uint8 (28, 28), and its number.
        answer: the probabilities, float32 (10,), of the body of an answer.
    """

    path: str
    headers: Mapping[str, str]
    request: Callable[[Image, int], bytes]
    answer: Callable[[bytes], Answer]


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _numbers(image: Image) -> list[int]:
    numbers: list[int] = image.ravel().tolist()
    return numbers


def _base64(image: Image) -> str:
    return base64.b64encode(image.tobytes()).decode()


def _infer(model: str) -> str:
    return f"/v2/models/{model}/infer"


def _from_v2(body: bytes) -> Answer:
    return np.array(json.loads(body)["outputs"][0]["data"], np.float32)


def _from_list(body: bytes) -> Answer:
    return np.array(json.loads(body), np.float32)


def _from_bytes(body: bytes) -> Answer:
    return np.frombuffer(body, "<f4")


PLAIN_JSON = Wire(
    "/json", _TYPE_JSON, lambda image, _: _compact({"image": _numbers(image)}), _from_list
)
PLAIN_BYTES = Wire("/bytes", _TYPE_BYTES, lambda image, _: image.tobytes(), _from_bytes)
BASE64 = Wire(
    "/bytes",
    _TYPE_JSON,
    lambda image, _: _compact({"image": _base64(image)}),
    _from_bytes,
)


def v2_json(model: str) -> Wire:
    """Return the JSON of the Open Inference Protocol."""

    def request(image: Image, number: int) -> bytes:
        tensor = {"name": "image", "shape": [1, 28, 28], "datatype": "UINT8"}
        return _compact({"id": str(number), "inputs": [{**tensor, "data": _numbers(image)}]})

    return Wire(_infer(model), _TYPE_JSON, request, _from_v2)


def v2_base64(model: str) -> Wire:
    """Return the same with bytes in base64, as MLServer takes them."""

    def request(image: Image, number: int) -> bytes:
        tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [_base64(image)]}
        return _compact({"id": str(number), "inputs": [tensor]})

    return Wire(_infer(model), _TYPE_JSON, request, _from_v2)


def v2_bytes(model: str) -> Wire:
    """Return the binary extension of the Open Inference Protocol."""

    def head(number: int) -> bytes:
        tensor = {"name": "image", "shape": [1, 28, 28], "datatype": "UINT8"}
        return _compact(
            {
                "id": f"{number:02}",  # all heads have one length, which a header tells
                "parameters": {"binary_data_output": True},
                "inputs": [{**tensor, "parameters": {"binary_data_size": 784}}],
            }
        )

    headers = {**_TYPE_BYTES, "Inference-Header-Content-Length": str(len(head(0)))}
    return Wire(
        _infer(model),
        headers,
        lambda image, number: head(number) + image.tobytes(),
        lambda body: np.frombuffer(body[-40:], "<f4"),
    )
