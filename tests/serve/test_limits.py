"""Each limit is answered by a 503 with Retry-After, and the server goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop.serve.admission import Admission
from strop.serve.limits import Limits
from strop.serve.refusals import Busy
from tests.serve.running import Reply, read_reply, serving
from tests.serve.test_hostile import BODY, PATH, head, still_answers


def _is_refused(reply: Reply) -> bool:
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    return isinstance(reply.content["error"], str)


def test_too_many_requests(models: Path) -> None:
    with serving(models / "shapes.strop", "--max-requests", 1) as server:
        with server.connect() as slow:
            slow.sendall(head() + BODY[:-1])  # it is inside
            while "strop_requests_inside 1.0" not in server.ask("GET", "/metrics").body.decode():
                pass
            assert _is_refused(server.ask("POST", PATH, BODY))
            assert server.ask("GET", "/v2/health/ready").status == 200
            slow.sendall(BODY[-1:])
            assert read_reply(slow).status == 200
        assert still_answers(server)


def test_too_many_connections(models: Path) -> None:
    with serving(models / "shapes.strop", "--max-connections", 2) as server:
        with server.connect(), server.connect(), server.connect() as third:
            assert _is_refused(read_reply(third))
        assert still_answers(server)


def test_too_many_bytes() -> None:
    admission = Admission(Limits(bodies_bytes=100), 1)
    admission.hold(60)
    with pytest.raises(Busy):
        admission.hold(41)
    admission.hold(40)
    admission.release(60)
    admission.hold(60)
    assert admission.held_bytes == 100
    admission.close()
