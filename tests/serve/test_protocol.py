"""The Open Inference Protocol, as its specification has it, answered by a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

import strop
from tests import bundles
from tests.serve.running import Server, read_from

RANDOM = np.random.default_rng(3)
PICTURES = RANDOM.integers(0, 256, (5, 4, 4)).astype(np.uint8)


@pytest.fixture
def client(server: Server) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server.address)


def _shapes(data: Any = None, **changes: Any) -> dict[str, Any]:
    """A request for two pictures of the model `shapes`."""
    values = np.arange(32).tolist() if data is None else data
    tensor = {"name": "image", "shape": [2, 4, 4], "datatype": "UINT8", "data": values, **changes}
    return {"inputs": [tensor]}


def test_the_server_describes_itself(server: Server) -> None:
    said = server.ask("GET", "/v2").content
    assert (said["name"], said["version"]) == ("strop", strop.__version__)
    assert "binary_tensor_data" in said["extensions"]
    assert "model_repository" not in said["extensions"]
    assert [server.ask("GET", f"/v2/health/{what}").status for what in ("live", "ready")] == [
        200
    ] * 2


def test_a_model_describes_its_tensors(server: Server) -> None:
    for path in ("/v2/models/pair", "/v2/models/pair/versions/1"):
        said = server.ask("GET", path).content
        assert said["inputs"] == [
            {"name": "picture", "datatype": "UINT8", "shape": [-1, 2, 2]},
            {"name": "weights", "datatype": "FP32", "shape": [-1, 3]},
        ]
        assert said["outputs"] == [
            {"name": "scores", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "level", "datatype": "FP32", "shape": [-1]},
        ]
        assert (said["versions"], said["platform"]) == (["1"], "strop_onnx")
        assert server.ask("GET", f"{path}/ready").status == 200


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_the_client_gets_the_answers_of_predict(
    client: triton.InferenceServerClient, models: Path, binary_in: bool, binary_out: bool | None
) -> None:
    given = triton.InferInput("image", [*PICTURES.shape], "UINT8")
    given.set_data_from_numpy(PICTURES, binary_data=binary_in)
    asked = None
    if binary_out is not None:
        asked = [triton.InferRequestedOutput("probabilities", binary_data=binary_out)]
    said = client.infer("shapes", [given], outputs=asked, request_id="first")
    with strop.load(models / "shapes.strop") as model:
        assert np.array_equal(said.as_numpy("probabilities"), model.predict(PICTURES))
    assert said.get_response()["id"] == "first"
    assert said.get_response()["model_version"] == "1"


@pytest.mark.parametrize("binary", [True, False])
def test_two_inputs_and_two_outputs(client: triton.InferenceServerClient, binary: bool) -> None:
    picture = RANDOM.integers(0, 256, (3, 2, 2)).astype(np.uint8)
    weights = RANDOM.normal(size=(3, 3)).astype(np.float32)
    # The order of the request is the client's.
    given = [
        triton.InferInput("weights", [3, 3], "FP32"),
        triton.InferInput("picture", [3, 2, 2], "UINT8"),
    ]
    given[0].set_data_from_numpy(weights, binary_data=binary)
    given[1].set_data_from_numpy(picture, binary_data=not binary)
    asked = [
        triton.InferRequestedOutput("level", binary_data=binary),
        triton.InferRequestedOutput("scores", binary_data=not binary),
    ]
    said = client.infer("pair", given, outputs=asked)
    scores, level = bundles.pair_answer(picture, weights)
    assert np.allclose(said.as_numpy("scores"), scores, rtol=1e-5)
    assert np.allclose(said.as_numpy("level"), level, rtol=1e-5)
    assert [one["name"] for one in said.get_response()["outputs"]] == ["level", "scores"]
    (only,) = client.infer("pair", given, outputs=asked[:1]).get_response()["outputs"]
    assert only["name"] == "level"


@pytest.mark.parametrize("nested", [True, False])
def test_numbers_come_flat_or_nested(server: Server, nested: bool) -> None:
    values = np.arange(32).reshape(2, 4, 4).tolist() if nested else None
    reply = server.infer("shapes", _shapes(values))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    (output,) = reply.content["outputs"]
    assert (output["datatype"], output["shape"], len(output["data"])) == ("FP32", [2, 3], 6)
    assert np.allclose(np.reshape(output["data"], (2, 3)).sum(axis=1), 1)
    assert "id" not in reply.content


def test_numbers_are_the_shortest_that_give_the_float32(server: Server, models: Path) -> None:
    said = json.loads(server.infer("shapes", _shapes()).body, parse_float=str)
    (output,) = said["outputs"]
    with strop.load(models / "shapes.strop") as model:
        right = model.predict(np.arange(32).reshape(2, 4, 4).astype(np.uint8))
    assert output["data"] == [
        np.format_float_positional(number, trim="0") for number in right.ravel()
    ]


def test_whole_numbers_are_numbers_of_a_float_input(server: Server) -> None:
    tensor = {"name": "measurements", "shape": [1, 5], "datatype": "FP32", "data": [1, 2, 3, 4, 5]}
    assert server.infer("gauge", {"inputs": [tensor]}).status == 200


def test_the_repository_lists_its_models(client: triton.InferenceServerClient) -> None:
    rows = client.get_model_repository_index()
    assert sorted(row["name"] for row in rows) == ["gauge", "pair", "shapes"]
    assert {(row["state"], row["version"], row["reason"]) for row in rows} == {("READY", "1", "")}


def test_statistics_count_samples(client: triton.InferenceServerClient, server: Server) -> None:
    def counts() -> tuple[int, int]:
        (one,) = client.get_inference_statistics("shapes")["model_stats"]
        return one["inference_count"], one["execution_count"]

    samples, calls = counts()
    server.infer("shapes", _shapes())
    assert counts() == (samples + 2, calls + 1)
    server.ask("POST", "/classify/shapes", b"no picture")
    (one,) = client.get_inference_statistics("shapes")["model_stats"]
    assert one["inference_stats"]["fail"]["count"] > 0
    assert counts() == (samples + 2, calls + 1)
    assert len(client.get_inference_statistics()["model_stats"]) == 3
    assert client.get_model_config("shapes")["input"][0]["data_type"] == "TYPE_UINT8"


def test_metrics_are_prometheus_s(server: Server) -> None:
    server.infer("shapes", _shapes())
    text = server.ask("GET", "/metrics").body.decode()
    assert 'strop_requests_total{endpoint="infer",status="200"}' in text
    assert 'strop_model_samples_total{model="shapes",version="1"}' in text
    assert "strop_requests_inside" in text


def test_a_picture_is_named(server: Server, models: Path) -> None:
    from PIL import Image

    levels = np.zeros((40, 40), np.uint8)
    levels[8:32, 12:28] = 255
    path = models / "square.png"
    Image.fromarray(levels).save(path)
    reply = server.ask("POST", "/classify/shapes", path.read_bytes())
    with strop.load(models / "shapes.strop") as model:
        said = model.classify(path).to_dict()
    assert reply.content == {"model": "shapes", "version": "1", **json.loads(json.dumps(said))}
    assert server.ask("POST", "/classify", path.read_bytes()).status == 404  # of three models


def test_a_connection_takes_any_number_of_requests(server: Server) -> None:
    body = json.dumps(_shapes()).encode()
    request = (
        f"POST /v2/models/shapes/infer HTTP/1.1\r\nHost: {server.address}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    with server.connect() as channel, channel.makefile("rb") as file:
        channel.sendall(request * 20)  # pipelined
        assert [read_from(file).status for _ in range(20)] == [200] * 20
        channel.sendall(request)
        assert read_from(file).status == 200


def test_an_answer_to_head_has_no_body(server: Server) -> None:
    asked = f"/v2/models/shapes HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode()
    with server.connect() as channel, channel.makefile("rb") as file:
        channel.sendall(b"HEAD " + asked)
        lines = list(iter(file.readline, b"\r\n"))
        assert lines[0] == b"HTTP/1.1 200 OK\r\n"
        channel.sendall(b"GET " + asked)  # what was left would be read as its answer
        length = len(read_from(file).body)
    assert f"content-length: {length}\r\n".encode() in lines


def test_a_client_is_told_to_go_on(server: Server) -> None:
    body = json.dumps(_shapes()).encode()
    with server.connect() as channel, channel.makefile("rb") as file:
        channel.sendall(
            f"POST /v2/models/shapes/infer HTTP/1.1\r\nHost: {server.address}\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert (file.readline(), file.readline()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
        channel.sendall(body)
        assert read_from(file).status == 200
