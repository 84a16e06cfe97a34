"""Access to a server: tokens, names of hosts, loading."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from strop.errors import InputError
from strop.serve.access import Access, read_token
from strop.serve.refusals import OtherHost
from tests import bundles
from tests.environments import run
from tests.serve.running import Server, serving
from tests.serve.test_hostile import PATH

TOKEN = "0123456789abcdef0123456789abcdef"
_BODY = json.dumps(
    {"inputs": [{"name": "image", "shape": [1, 4, 4], "datatype": "UINT8", "data": [0] * 16}]}
).encode()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


def _refused(*arguments: object) -> str:
    done = run(sys.executable, "-m", "strop", "serve", *arguments, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_a_token_opens_all_but_health(models: Path, token: Path) -> None:
    with serving(models / "shapes.strop", "--token-file", token) as server:
        for wrong in (None, "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer \xff"):
            headers = {} if wrong is None else {"Authorization": wrong}
            for method, path in (("GET", "/v2"), ("GET", "/metrics"), ("POST", PATH)):
                reply = server.ask(method, path, _BODY if method == "POST" else b"", headers)
                assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert server.ask("POST", PATH, _BODY, right).status == 200
        assert server.ask("GET", "/v2/health/ready").status == 200
    assert TOKEN not in json.dumps(server.log)


def test_other_machines_need_a_token(models: Path, token: Path) -> None:
    said = _refused(models / "shapes.strop", "--host", "0.0.0.0")
    assert "--token-file" in said
    token.chmod(0o644)
    assert "chmod" in _refused(models / "shapes.strop", "--token-file", token)
    token.chmod(0o600)
    token.write_text("short")
    assert "16" in _refused(models / "shapes.strop", "--token-file", token)
    token.write_bytes("ä".encode() * 20)
    assert "ASCII" in _refused(models / "shapes.strop", "--token-file", token)
    assert "cannot read" in _refused(models / "shapes.strop", "--token-file", token.parent / "no")


def test_a_page_of_another_site_cannot_use_it(server: Server) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        reply = server.ask("POST", PATH, _BODY, {"Host": host})
        assert (reply.status, "Host" in reply.content["error"]) == (400, True)
    for host in (server.address, "localhost", f"localhost:{server.port}"):
        reply = server.ask("POST", PATH, _BODY, {"Host": host, "Origin": "http://evil.example"})
        assert reply.status == 200
        assert "access-control-allow-origin" not in reply.headers


def test_it_can_be_called_by_the_address_that_it_prints(models: Path) -> None:
    with serving(models / "shapes.strop", "--host", "127.0.0.2") as server:
        assert server.ask("GET", "/v2").status == 200


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("[::1]:8000", True),
        ("[::1]", True),
        ("LOCALHOST:1", True),
        ("localhost.", False),
        ("::1", False),
        ("[::1].evil.example", False),
        ("localhost:8000:8000", False),
        ("localhost@evil.example", False),
    ],
)
def test_names_of_the_server(host: str, known: bool) -> None:
    access = Access(hosts=frozenset(["localhost", "::1"]))
    with contextlib.nullcontext() if known else pytest.raises(OtherHost):
        access.require_host(Headers({"host": host}))


def test_what_cannot_be_served_is_refused_at_once(models: Path, tmp_path: Path) -> None:
    shapes = models / "shapes.strop"
    with serving(shapes) as server:
        assert "port" in _refused(shapes, "--port", server.port)
    assert "both hold a model 'shapes'" in _refused(shapes, shapes, "--port", 0)
    assert "no.strop" in _refused(tmp_path / "no.strop", "--port", 0)
    assert "onnx" in _refused(shapes, "--engine", "onnx", "--port", 0)
    (tmp_path / "cut.strop").write_bytes(shapes.read_bytes()[:-1])
    assert "refused" in _refused(tmp_path / "cut.strop", "--port", 0)


def test_models_are_loaded_and_unloaded_where_that_is_enabled(tmp_path: Path) -> None:
    path = tmp_path / "shapes.strop"
    path.write_bytes(bundles.image().pack())
    with serving(path, "--repository-api") as server:
        assert server.ask("POST", "/v2/repository/models/shapes/unload", b"{}").status == 200
        assert server.ask("POST", PATH, _BODY).status == 404
        assert server.ask("GET", "/v2/health/ready").status == 503
        (row,) = server.ask("POST", "/v2/repository/index", b"{}").content
        assert (row["state"], row["reason"]) == ("UNAVAILABLE", "unloaded")
        path.write_bytes(bundles.image(seed=2, model_version=2).pack())
        assert server.ask("POST", "/v2/repository/models/shapes/load", b"{}").status == 200
        assert server.ask("POST", PATH, _BODY).content["model_version"] == "2"
        path.write_bytes(b"damaged")
        reply = server.ask("POST", "/v2/repository/models/shapes/load", b"{}")
        assert (reply.status, "shapes.strop" in reply.content["error"]) == (500, True)
        assert server.ask("POST", PATH, _BODY).content["model_version"] == "2"
        for name in ("none", "..%2Fshapes", "%00"):
            assert server.ask("POST", f"/v2/repository/models/{name}/load", b"{}").status == 404
        server.logged("failed")
        server.log[:] = [line for line in server.log if line["event"] != "failed"]


def test_a_loopback_address_is_a_name_of_the_server(models: Path) -> None:
    with serving(models / "shapes.strop", "--host", "127.0.0.2") as server:
        assert server.ask("GET", "/v2").status == 200
        reply = server.ask("GET", "/v2", headers={"Host": "evil.example"})
        assert (reply.status, "127.0.0.2" in reply.content["error"]) == (400, True)


def test_a_name_of_the_protocol_is_refused(tmp_path: Path) -> None:
    path = bundles.image(name="stats").write(tmp_path / "stats.strop")
    assert "reserves" in _refused(path, "--port", 0)


@pytest.mark.parametrize("text", ["\N{EURO SIGN}" * 16, f"{TOKEN} {TOKEN}", f"{TOKEN}\x00"])
def test_a_token_that_no_header_carries_is_refused(token: Path, text: str) -> None:
    token.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="ASCII"):
        read_token(str(token))


def test_a_token_is_read_from_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "token", 0o600)
    with pytest.raises(InputError, match="regular"):  # and does not wait for a writer
        read_token(str(path))


def test_open_files_are_allowed_for_all_connections() -> None:
    code = (
        "import resource; from strop.serve.server import _allow_files;"
        "_allow_files(200);"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0]);"
        "_allow_files(300)"
    )
    command = f"ulimit -Sn 64; ulimit -Hn 256; exec {sys.executable} -c '{code}'"
    done = run("bash", "-c", command, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "200\n")
    assert "InputError: the connections may need 300 open files" in done.stderr


def test_a_model_is_loaded_as_its_bundle_is(models: Path) -> None:
    with serving(models / "shapes.strop", "--repository-api") as server:
        asked = json.dumps({"parameters": {"config": "{}"}}).encode()
        path = "/v2/repository/models/shapes/load"
        assert server.ask("POST", path, asked).status == 400
        assert server.ask("POST", path, b"[]").status == 400
        assert server.ask("POST", path, b"").status == 200
