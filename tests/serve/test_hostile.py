"""Hostile requests: each gets a 4xx, and none costs more than its bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.figures import Record
from tests.serve.running import Server, read_reply, serving

PATH = "/v2/models/shapes/infer"
LENGTH = "Inference-Header-Content-Length"
GROWTH_BYTES = 2**26  # of the server, over all of this file's requests


def _tensor(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "image", "shape": [1, 4, 4], "datatype": "UINT8", "data": [0] * 16, **changes}
    return {name: value for name, value in tensor.items() if value is not ...}


def _one(**changes: Any) -> str:
    return json.dumps({"inputs": [_tensor(**changes)]})


def _binary(size: Any, **changes: Any) -> dict[str, Any]:
    return _tensor(data=..., parameters={"binary_data_size": size}, **changes)


_DEEP = '{"inputs":' + "[" * 100_000 + "]" * 100_000 + "}"
JSON: dict[str, str | bytes] = {
    "nothing": b"",
    "not JSON": b"\x00\x01",
    "not UTF-8": b'{"inputs": "\xff"}',
    "UTF-16": _one().encode("utf-16"),
    "a list": "[]",
    "a number": "7",
    "deep": _DEEP,
    "deep data": _one(data=...)[:-3] + ', "data": ' + "[" * 5000 + "]" * 5000 + "}]}",
    "NaN": _one(data=...)[:-3] + ', "data": [NaN]}]}',
    "a number of many digits": '{"id": ' + "9" * 10_000 + "}",
    "no inputs": "{}",
    "inputs that are an object": '{"inputs": {"image": 1}}',
    "no input": '{"inputs": []}',
    "an input that is a number": '{"inputs": [3]}',
    "an unknown input": _one(name="other"),
    "a name that is a list": _one(name=["image"]),
    "an input twice": json.dumps({"inputs": [_tensor(), _tensor()]}),
    "an id that is an object": json.dumps({"id": {}, "inputs": [_tensor()]}),
    "a long id": json.dumps({"id": "x" * 1000, "inputs": [_tensor()]}),
    "parameters that are a list": json.dumps({"parameters": [], "inputs": [_tensor()]}),
    "another dtype": _one(datatype="FP32"),
    "no dtype": _one(datatype=...),
    "a dtype that is a list": _one(datatype=["UINT8"]),
    "no shape": _one(shape=...),
    "a shape of another rank": _one(shape=[4, 4]),
    "another shape": _one(shape=[1, 4, 5]),
    "no samples": _one(shape=[0, 4, 4], data=[]),
    "a negative size": _one(shape=[-1, 4, 4]),
    "a huge size": _one(shape=[2**62, 4, 4]),
    "a fractional size": _one(shape=[1.0, 4, 4]),
    "a size that is true": _one(shape=[True, 4, 4]),
    "a shape of a million sizes": _one(shape=[1] * 1_000_000),
    "no data": _one(data=...),
    "data that is a text": _one(data="AAAA"),
    "too few data": _one(data=[0] * 15),
    "too many data": _one(data=[0] * 17),
    "ragged data": _one(data=[[0] * 8, [0] * 7]),
    "data that are texts": _one(data=["0"] * 16),
    "data that are null": _one(data=[None] * 16),
    "data that are objects": _one(data=[{}] * 16),
    "data that are true": _one(data=[True] * 16),
    "fractions": _one(data=[0.5] * 16),
    "256": _one(data=[256] * 16),
    "-1": _one(data=[-1] * 16),
    "huge numbers": _one(data=[10**400] * 16),
    "1e999": _one(data=...)[:-3] + ', "data": [' + ",".join(["1e999"] * 16) + "]}]}",
    "shared memory": _one(parameters={"shared_memory_region": "x"}),
    "outputs that are a number": json.dumps({"inputs": [_tensor()], "outputs": 1}),
    "an unknown output": json.dumps({"inputs": [_tensor()], "outputs": [{"name": "x"}]}),
    "no output": json.dumps({"inputs": [_tensor()], "outputs": []}),
    "an output twice": json.dumps(
        {"inputs": [_tensor()], "outputs": [{"name": "probabilities"}] * 2}
    ),
    "a classification": json.dumps(
        {
            "inputs": [_tensor()],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 3}}],
        }
    ),
    "bytes without a header": json.dumps({"inputs": [_binary(16)]}),
}

# The tensors, the header's value, and the bytes after the JSON.
BINARY: dict[str, tuple[list[dict[str, Any]], str | None, bytes]] = {
    "too few bytes": ([_binary(15)], None, bytes(15)),
    "too many bytes": ([_binary(17)], None, bytes(17)),
    "a size beyond the body": ([_binary(10**9)], None, bytes(16)),
    "a size below zero": ([_binary(-16)], None, bytes(16)),
    "a fractional size": ([_binary(16.0)], None, bytes(16)),
    "a size that is true": ([_binary(True, shape=[1, 1, 1])], None, bytes(1)),
    "bytes that belong to none": ([_binary(16)], None, bytes(32)),
    "bytes and data": ([_binary(16) | {"data": [0] * 16}], None, bytes(16)),
    "two tensors of the same bytes": ([_binary(16), _binary(16, name="image ")], None, bytes(16)),
    "a header of 0": ([_binary(16)], "0", bytes(16)),
    "a header beyond the body": ([_binary(16)], "99999", bytes(16)),
    "a header below zero": ([_binary(16)], "-1", bytes(16)),
    "a header of words": ([_binary(16)], "all", bytes(16)),
    "a header of many digits": ([_binary(16)], "9" * 100, bytes(16)),
    "a header within the JSON": ([_binary(16)], "10", bytes(16)),
    "a header of other digits": ([_binary(16)], "\N{ARABIC-INDIC DIGIT FOUR}", bytes(16)),
}

BODY = _one().encode()


def head(path: str = PATH, method: str = "POST", **headers: str) -> bytes:
    lines = {"Host": "127.0.0.1", "Content-Length": str(len(BODY))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode()


HTTP: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    "words": (b"good morning\r\n\r\n", 400),
    "another version": (b"POST / HTTP/9.9\r\n\r\n", 400),
    "a length below zero": (head(Content_Length="-1"), 400),
    "a length of words": (head(Content_Length="many"), 400),
    "a length of many digits": (head(Content_Length="9" * 30), 400),
    "two lengths": (head()[:-2] + b"Content-Length: 5\r\n\r\n" + BODY, 400),
    "a length and chunks": (head(Transfer_Encoding="chunked") + BODY, 400),
    "a chunk of no size": (
        b"POST /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        400,
    ),
    "a body that is too long": (head(Content_Length=str(2**40)), 413),
    "JSON that is too long": (head(Content_Length=str(2**23)) + bytes(2**23), 413),
    "compressed": (head(Content_Encoding="gzip") + BODY, 415),
    "a long header": (head(X_Long="x" * 2**15), 431),
    "many headers": (head()[:-2] + b"".join(b"x-%d: 1\r\n" % i for i in range(5000)), 431),
    "a long path": (head("/" + "x" * 2**15), 431),
    "another host": (head(Host="evil.example") + BODY, 400),
    "a change of protocol": (
        head("/v2", "PUT", Connection="Upgrade", Upgrade="websocket") + BODY,
        400,  # with a body
    ),
    "an unknown path": (head("/v3") + BODY, 404),
    "a path with dots": (head("/v2/models/../../etc/passwd") + BODY, 404),
    "a path with a zero": (head("/v2/models/%00/infer") + BODY, 404),
    "a path of no UTF-8": (head("/v2/models/%ff/infer") + BODY, 404),
    "an unknown model": (head("/v2/models/none/infer") + BODY, 404),
    "an unknown version": (head("/v2/models/shapes/versions/9/infer") + BODY, 404),
    "another method": (head(method="PUT") + BODY, 405),
    "loading": (head("/v2/repository/models/shapes/load") + BODY, 403),
    "unloading": (head("/v2/repository/models/shapes/unload") + BODY, 403),
    "no picture": (head("/classify/shapes") + BODY, 400),
    "a picture for two inputs": (head("/classify/pair") + BODY, 400),
    "an index that is no JSON": (
        head("/v2/repository/index")[:-2] + b"\r\n" + b"{" * len(BODY),
        400,
    ),
}


@pytest.fixture(scope="module")
def target(models: Path) -> Iterator[Server]:
    """A server of its own."""
    with serving(*sorted(models.glob("*.strop"))) as running:
        yield running


def still_answers(server: Server) -> bool:
    reply = server.ask("POST", PATH, BODY)
    assert reply.status == 200, reply
    return True


@pytest.mark.parametrize("what", JSON)
def test_json(target: Server, what: str) -> None:
    body = JSON[what]
    reply = target.ask("POST", PATH, body.encode() if isinstance(body, str) else body)
    assert reply.status == 400, reply
    assert isinstance(reply.content["error"], str)
    assert len(reply.body) < 10_000


@pytest.mark.parametrize("what", BINARY)
def test_binary(target: Server, what: str) -> None:
    tensors, length, data = BINARY[what]
    head = json.dumps({"inputs": tensors}).encode()
    reply = target.ask("POST", PATH, head + data, {LENGTH: length or str(len(head))})
    assert reply.status == 400, reply
    assert isinstance(reply.content["error"], str)


@pytest.mark.parametrize("what", HTTP)
def test_http(target: Server, what: str) -> None:
    request, status = HTTP[what]
    with target.connect() as channel:
        try:
            channel.sendall(request)
        except (BrokenPipeError, ConnectionResetError):  # it does not wait for the whole request
            assert status in (413, 431)
        try:
            reply = read_reply(channel)
        except ConnectionResetError:  # it closed with more bytes on their way
            assert status in (413, 431)
        else:
            assert reply.status == status, reply


def test_all_of_them_at_the_same_server(models: Path, figure: Record) -> None:
    """Send each request again, to one server, and look at its memory."""
    requests: list[tuple[bytes, int]] = [*HTTP.values()]
    for body in JSON.values():
        data = body.encode() if isinstance(body, str) else body
        requests.append((head(Content_Length=str(len(data))) + data, 400))
    failed = 0
    with serving(*sorted(models.glob("*.strop"))) as server:
        for round_ in range(5):
            for request, status in requests:
                try:
                    reply = server.exchange(request)
                    failed += reply.status != status
                except (BrokenPipeError, ConnectionResetError):
                    failed += status not in (413, 431)
            if not round_:
                before = server.memory_bytes()
        grown = server.memory_bytes() - before
        answers = still_answers(server)
    tried = 5 * len(requests)
    figure("hostile requests", tried, failed, f"memory grew by {grown / 2**20:.0f} MiB")
    assert (failed, answers) == (0, True)
    assert grown < GROWTH_BYTES
    assert {line["event"] for line in server.log} == {"serving", "stopping", "stopped"}
