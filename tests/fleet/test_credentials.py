"""Credentials as docker's config has them, and where they go."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strop.errors import RegistryError
from strop.fleet.credentials import Credentials
from strop.fleet.pull import find
from strop.fleet.push import push
from strop.fleet.registry import Registry, parse
from tests import bundles
from tests.fleet import liar, registries
from tests.fleet.registries import PASSWORD, USER, Running

AUTH = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
BEARER = 'Bearer realm="https://{}/token",service="s",scope="repository:a:pull"'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A registry that wants a password."""
    with registries.serve(tmp_path_factory.mktemp("guarded"), with_password=True) as made:
        yield made


def configure(content: Any) -> None:
    """Write docker's config."""
    text = content if isinstance(content, str) else json.dumps(content)
    Path(os.environ["DOCKER_CONFIG"], "config.json").write_text(text, encoding="utf-8")


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Install a credential helper called `test`."""
    path = folder / "docker-credential-test"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def never(url: str, headers: Any) -> bytes:
    raise AssertionError(f"{url} was asked")


def test_a_password(guarded: Running, tmp_path: Path) -> None:
    bundle = str(bundles.image().write(tmp_path / "a.strop"))
    with pytest.raises(RegistryError, match=f"docker login {guarded.host}"):
        push(bundle, guarded.open())
    configure({"auths": {guarded.host: {"auth": AUTH}}})
    done = push(bundle, guarded.open())
    assert find(guarded.open(), done.tag) == done.release
    configure({"auths": {guarded.host: {"auth": base64.b64encode(b"device:wrong").decode()}}})
    with pytest.raises(RegistryError, match="answers 401"):
        find(guarded.open(), done.tag)


def test_a_credential_helper(
    guarded: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = json.dumps({"ServerURL": "x", "Username": USER, "Secret": PASSWORD})
    helper(tmp_path, monkeypatch, f"read host; [ $host = {guarded.host} ] && echo '{answer}'")
    for config in ({"credsStore": "test"}, {"credHelpers": {guarded.host: "test"}}):
        configure(config)
        assert guarded.open().manifest("none") is None
    helper(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(RegistryError, match="docker login"):
        guarded.open().manifest("none")
    configure({"credsStore": "test", "auths": {guarded.host: {"auth": AUTH}}})
    assert guarded.open().manifest("none") is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no", "is not JSON"),
        ("echo []", "is not an object"),
        ("echo {}", "has no password"),
        ("""echo '{"Username": "<token>", "Secret": "x"}'""", "has no password"),
    ],
)
def test_a_helper_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    helper(tmp_path, monkeypatch, script)
    configure({"credsStore": "test"})
    with pytest.raises(RegistryError, match=said):
        Credentials("r.example.com", "a").answer("Basic", never)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "is not JSON"),
        ([], "is not an object"),
        ({"auths": {"r.example.com": 7}}, "is not an object"),
        ({"auths": {"r.example.com": {"auth": "%%"}}}, "is damaged"),
        ({"auths": {"r.example.com": {"auth": "YWJj"}}}, "is damaged"),
        ({"auths": {"r.example.com": {"identitytoken": "x"}}}, "identity token"),
        ({"credsStore": "../x"}, "credential helper"),
        ({"credsStore": "is-nowhere"}, "is not installed"),
        ({}, "docker login r.example.com"),
        ({"auths": 7, "credHelpers": []}, "docker login r.example.com"),
    ],
)
def test_a_bad_config(config: Any, said: str) -> None:
    configure(config)
    with pytest.raises(RegistryError, match=said):
        Credentials("r.example.com", "a").answer("Basic", never)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("r.example.com", "r.example.com"),
        ("r.example.com:5000", "r.example.com"),
        ("r.example.com:5000", "r.example.com:5000"),
        ("registry.gitlab.example", "gitlab.example"),
        ("docker.io", "auth.docker.io"),
    ],
)
def test_a_token(registry: str, realm: str) -> None:
    key = "https://index.docker.io/v1/" if registry == "docker.io" else registry
    configure({"auths": {key: {"auth": AUTH}}})
    asked: list[tuple[str, Any]] = []

    def ask(url: str, headers: Any) -> bytes:
        asked.append((url, dict(headers)))
        return b'{"token": "abc"}'

    assert Credentials(registry, "a").answer(BEARER.format(realm), ask) == "Bearer abc"
    query = "service=s&scope=repository%3Aa%3Apull"
    assert asked == [(f"https://{realm}/token?{query}", {"Authorization": f"Basic {AUTH}"})]


@pytest.mark.parametrize(
    "realm",
    [
        "evil.example",
        "xr.example.com",
        "com",
        "r.example.com.evil.example",
        "x.r.example.com",
        "r.example.com:8443",
        "example.com:8443",
    ],
)
def test_a_password_is_not_sent_to_anybodys_realm(realm: str) -> None:
    configure({"auths": {"r.example.com": {"auth": AUTH}}})
    with pytest.raises(RegistryError, match="wants its password sent to"):
        Credentials("r.example.com", "a").answer(BEARER.format(realm), never)
    own = base64.b64encode(b"other:one").decode()
    configure({"auths": {"r.example.com": {"auth": AUTH}, realm: {"auth": own}}})

    def ask(url: str, headers: Any) -> bytes:
        assert headers == {"Authorization": f"Basic {own}"}
        return b'{"access_token": "abc"}'

    assert Credentials("r.example.com", "a").answer(BEARER.format(realm), ask) == "Bearer abc"


def test_a_token_for_nobody() -> None:
    """Public repositories give one to all."""

    def ask(url: str, headers: Any) -> bytes:
        assert not headers
        return b'{"token": "abc"}'

    challenge = BEARER.format("elsewhere.example")
    assert Credentials("r.example.com", "a").answer(challenge, ask) == "Bearer abc"


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"token": 7}', b'{"token": "a\\nb"}', b'{"token": ""}']
)
def test_what_is_no_token(answer: bytes) -> None:
    with pytest.raises(RegistryError):
        Credentials("r.example.com", "a").answer(BEARER.format("r.example.com"), lambda *_: answer)


@pytest.mark.parametrize("challenge", ["Bearer", 'Bearer realm="https://[x"', 'Bearer realm=""'])
def test_a_realm_that_is_none(challenge: str) -> None:
    with pytest.raises(RegistryError, match="names no token service"):
        Credentials("r.example.com", "a").answer(challenge, never)


def test_tokens_by_http(running: Running, repository: str) -> None:
    """An expired token is asked for again; a realm with plain HTTP elsewhere is refused."""
    with liar.before(running.host) as realm, liar.before(running.host) as lying:
        realm.lie("/token", liar.answer(200, b'{"token": "abc"}'))
        challenge = f'Bearer realm="http://{realm.host}/token",service="s"'

        def expired(exchange: liar.Exchange) -> None:
            if exchange.asked.get("authorization") != "Bearer abc":
                liar.answer(401, b"", WWW_Authenticate=challenge)(exchange)

        lying.lie("/manifests/", expired)
        client = Registry(parse(f"{lying.host}/{repository}"), pauses_s=())
        assert client.manifest("v1") is client.manifest("v1") is None
        assert len(realm.asked) == 1
        client._http._authorization = "Bearer old"
        assert client.manifest("v1") is None
        assert len(realm.asked) == 2
        realm.lie("/token", liar.endless)
        client._http._authorization = "Bearer old"
        with pytest.raises(RegistryError, match="token that is too long"):
            client.manifest("v1")
        challenge = 'Bearer realm="http://r.example.com/token"'
        client._http._authorization = "Bearer old"
        with pytest.raises(RegistryError, match="which is not HTTPS"):
            client.manifest("v1")


def test_another_port_of_this_machine_gets_no_password(running: Running, repository: str) -> None:
    with liar.before(running.host) as realm, liar.before(running.host) as lying:
        challenge = f'Bearer realm="http://{realm.host}/token",service="s"'
        lying.lie("/manifests/", liar.answer(401, WWW_Authenticate=challenge))
        configure({"auths": {lying.host: {"auth": AUTH}}})
        with pytest.raises(RegistryError, match=f"wants its password sent to {realm.host}"):
            Registry(parse(f"{lying.host}/{repository}"), pauses_s=()).manifest("v1")
    assert realm.asked == []
