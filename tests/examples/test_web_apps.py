"""The examples for FastAPI and Flask: their answers, and what they refuse."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from json import dumps
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from examples import fastapi_app, flask_app
from tests.examples.running import LIMIT_S, listening

Post = Callable[..., "Answer"]


class Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    content: Any


def _fastapi(bundle: Path, patch: pytest.MonkeyPatch) -> Iterator[Post]:
    patch.setenv("BUNDLE", str(bundle))
    with TestClient(fastapi_app.app) as client:

        def post(path: str, **request: Any) -> Answer:
            reply = client.post(path, **request)
            return Answer(reply.status_code, reply.json())

        yield post


def _flask(bundle: Path, patch: pytest.MonkeyPatch) -> Iterator[Post]:
    client = flask_app.make_app(str(bundle)).test_client()

    def post(
        path: str, content: bytes = b"", headers: Any = None, files: Any = None, json: Any = None
    ) -> Answer:
        data: Any = content
        if files:
            data = {name: (io.BytesIO(file), "file") for name, file in files.items()}
        if json is not None:
            data, headers = dumps(json), {"Content-Type": "application/json"}
        reply = client.post(path, data=data, headers=headers)
        return Answer(reply.status_code, reply.get_json())

    yield post


@pytest.fixture(scope="module", params=[_fastapi, _flask], ids=["fastapi", "flask"])
def post(request: pytest.FixtureRequest, bundle: Path) -> Iterator[Post]:
    """Send a request to the app."""
    with pytest.MonkeyPatch.context() as patch:
        yield from request.param(bundle, patch)


def test_an_uploaded_picture_is_named(post: Post, seven: bytes) -> None:
    answer = post("/picture", files={"picture": seven})
    assert answer.status == 200
    assert answer.content["label"] == "7"
    assert len(answer.content["probabilities"]) == 10


def test_pixels_are_named(post: Post, digits: NDArray[np.uint8]) -> None:
    answers = [post("/pixels", json={"pixels": digit.tolist()}).content for digit in digits]
    assert sum(answer["label"] == str(digit) for digit, answer in enumerate(answers)) >= 9


@pytest.mark.parametrize(
    "pixels",
    [
        [[0] * 28] * 27,
        [[0] * 28] * 27 + [[0] * 27],
        [[0] * 28] * 27 + [[0] * 27 + [256]],
        [[-1] * 28] * 28,
        [[0.5] * 28] * 28,
        [[10**40] * 28] * 28,
        [["x"] * 28] * 28,
        [],
        {"0": 1},
        None,
    ],
    ids=["few", "ragged", "large", "negative", "half", "huge", "text", "empty", "object", "null"],
)
def test_wrong_pixels_are_the_client_s_fault(post: Post, pixels: Any) -> None:
    answer = post("/pixels", json={"pixels": pixels})
    assert answer.status in (400, 422)
    assert len(dumps(answer.content)) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b"[" * 100_000,
        b"\xff" * 9,
        b'{"pixels": [[NaN]]}',
        b'{"pixels": [[1e400]]}',
        b'{"pixels": "\\ud800"}',
        b'{"pixels": "' + b"x" * 10_000 + b'"}',
    ],
    ids=["no", "half", "list", "deep", "bytes", "NaN", "infinite", "surrogate", "long"],
)
def test_a_body_that_is_no_such_json_is_the_client_s_fault(post: Post, body: bytes) -> None:
    answer = post("/pixels", content=body, headers={"Content-Type": "application/json"})
    assert answer.status in (400, 422)
    assert len(dumps(answer.content)) < 1000


def test_what_is_no_picture_is_the_client_s_fault(post: Post) -> None:
    answer = post("/picture", files={"picture": b"no picture"})
    assert answer.status == 400
    assert "this is not a picture" in answer.content["error"]
    assert post("/picture", files={"file": b"of another name"}).status in (400, 422)


def test_a_long_body_is_refused(post: Post) -> None:
    long = b"0" * (fastapi_app.LONGEST + 1)
    assert post("/picture", files={"picture": long}).status == 413
    assert post("/pixels", content=long, headers={"Content-Type": "application/json"}).status == 413


def test_fastapi_starts_as_its_docstring_says(bundle: Path, seven: bytes) -> None:
    command = ("-m", "uvicorn", "fastapi_app:app", "--port", "0")
    says = r"running on http://127\.0\.0\.1:(\d+)"
    with listening(*command, says=says, variables={"BUNDLE": str(bundle)}) as port:
        place = f"http://127.0.0.1:{port}/picture"
        reply = httpx.post(place, files={"picture": seven}, timeout=LIMIT_S)
        assert reply.json()["label"] == "7"
        unstated = httpx.post(place, content=iter([seven]), timeout=LIMIT_S)
        assert unstated.status_code == 413  # of no stated length


def test_flask_starts_as_its_docstring_says(bundle: Path, seven: bytes) -> None:
    app = f'flask_app:make_app("{bundle}")'
    says = r"Running on http://127\.0\.0\.1:(\d+)"
    with listening("-m", "flask", "--app", app, "run", "--port", "0", says=says) as port:
        place = f"http://127.0.0.1:{port}/picture"
        reply = httpx.post(place, files={"picture": seven}, timeout=LIMIT_S)
        assert reply.json()["label"] == "7"
