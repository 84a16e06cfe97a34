"""The client of a repository, against a real registry and one that lies."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from strop.device.hosts import is_loopback
from strop.errors import InputError, InstallError, RegistryError
from strop.fleet.registry import MANIFEST_TYPE, Reference, Registry, digest_of, parse
from tests.fleet import liar, registries
from tests.fleet.liar import Lie
from tests.fleet.registries import Running

CONTENT = bytes(range(256)) * 1200  # 300 kB
DIGEST = digest_of(CONTENT)
EMPTY = b"{}"


def open_at(host: str, repository: str, timeout_s: float = 30.0) -> Registry:
    return Registry(parse(f"{host}/{repository}"), timeout_s=timeout_s, pauses_s=(0.0, 0.0))


@pytest.fixture
def filled(running: Running, repository: str) -> Registry:
    """A repository with one blob."""
    made = running.open(repository)
    made.put_blob(DIGEST, CONTENT)
    made.received_bytes = 0
    return made


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("r.example.com/a/b:v1", ("r.example.com", "a/b", "v1", None)),
        ("localhost/a", ("localhost", "a", None, None)),
        ("[::1]:5000/a_b/c--d", ("[::1]:5000", "a_b/c--d", None, None)),
        (f"h:1/a:t@{DIGEST}", ("h:1", "a", "t", DIGEST)),
        (f"h:1/a@{DIGEST}", ("h:1", "a", None, DIGEST)),
    ],
)
def test_references(text: str, parts: tuple[str | None, ...]) -> None:
    assert tuple(parse(text)) == parts


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "digits:v1",
            "models/digits",
            "https://r.example.com/a",
            "h.x/A",
            "h.x/a:",
            "h.x/",
        ),
        *(
            "h.x/a/../b",
            "h.x/a:b:c",
            "user:pw@h.x/a",
            "h.x/a@sha256:12",
            "h.x/a@",
            "h.x/a b",
            "-.x/a",
        ),
        *("h.x/a?b", "h.x/a#b", "h.x/a%2f", f"h.x/a@{DIGEST.upper()}", "h.x\n/a", "h.x/a:v1\n"),
        f"h.x/{'a' * 400}",
    ],
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(InputError, match="names nothing in a registry"):
        parse(text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "example.com", "10.0.0.1", "localhost.example.com", "127.x"])
def test_what_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_blobs_and_manifests(running: Running, repository: str) -> None:
    registry = running.open(repository)
    assert not registry.has_blob(DIGEST)
    assert registry.manifest("v1") is None
    registry.put_blob(DIGEST, memoryview(CONTENT))
    assert registry.sent_bytes == len(CONTENT)
    registry.put_blob(DIGEST, CONTENT)
    assert registry.sent_bytes == len(CONTENT)
    assert registry.blob(DIGEST, len(CONTENT)) == CONTENT
    registry.put_blob(digest_of(EMPTY), EMPTY)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": "application/vnd.strop.test",
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": digest_of(EMPTY),
                "size": 2,
            },
            "layers": [{"mediaType": "x/y", "digest": DIGEST, "size": len(CONTENT)}],
        }
    ).encode()
    registry.put_manifest("v1", manifest)
    assert registry.manifest("v1") == registry.manifest(digest_of(manifest)) == manifest
    assert registries.tags(registry) == ["v1"]
    with pytest.raises(RegistryError, match="more than 100 bytes"):
        registry.manifest("v1", 100)
    unknown = manifest.replace(DIGEST.encode(), digest_of(b"x").encode())
    with pytest.raises(RegistryError, match="blob unknown to registry"):
        registry.put_manifest("v2", unknown)
    with pytest.raises(RegistryError, match="answers 404"):
        registry.blob(digest_of(b"x"), 1)


def test_a_fetch_is_resumed(filled: Registry, tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(CONTENT[:200_000])
    seen: list[int] = []
    filled.fetch(DIGEST, len(CONTENT), str(path), seen.append)
    assert path.read_bytes() == CONTENT
    assert filled.received_bytes == len(CONTENT) - 200_000
    assert (seen[0], seen[-1]) == (200_000, len(CONTENT))
    filled.fetch(DIGEST, len(CONTENT), str(path))  # it is whole: nothing is asked for
    assert filled.received_bytes == len(CONTENT) - 200_000


@pytest.mark.parametrize("start", [b"x" * 1000, b"x" * len(CONTENT), b"x" * 400_000])
def test_a_part_of_something_else_is_noticed(
    filled: Registry, tmp_path: Path, start: bytes
) -> None:
    path = tmp_path / "part"
    path.write_bytes(start)
    filled.fetch(DIGEST, len(CONTENT), str(path))
    assert path.read_bytes() == CONTENT


def test_an_empty_blob(running: Running, repository: str, tmp_path: Path) -> None:
    registry = running.open(repository)
    digest = digest_of(b"")
    registry.put_blob(digest, b"")
    registry.fetch(digest, 0, str(tmp_path / "part"))
    assert (tmp_path / "part").read_bytes() == b""


def test_a_cut_connection_is_resumed_where_it_was_cut(
    running: Running, filled: Registry, repository: str, tmp_path: Path
) -> None:
    with liar.before(running.host) as lying:
        lying.lie("/blobs/", liar.cut(100_000), times=2)
        registry = open_at(lying.host, repository)
        registry.fetch(DIGEST, len(CONTENT), str(tmp_path / "part"))
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert registry.received_bytes == len(CONTENT)
    assert [a[2].get("range") for a in lying.asked] == [None, "bytes=100000-", "bytes=200000-"]


def test_a_connection_that_is_always_cut_leaves_the_part(
    running: Running, filled: Registry, repository: str, tmp_path: Path
) -> None:
    with liar.before(running.host) as lying:
        lying.lie("/blobs/", liar.cut(1000))
        registry = open_at(lying.host, repository)
        with pytest.raises(RegistryError, match="the connection to .* is lost|gives 3000 of"):
            registry.fetch(DIGEST, len(CONTENT), str(tmp_path / "part"))
    assert (tmp_path / "part").read_bytes() == CONTENT[:3000]


def test_a_registry_that_ignores_ranges(
    running: Running, filled: Registry, repository: str, tmp_path: Path
) -> None:
    path = tmp_path / "part"
    path.write_bytes(CONTENT[:1000])
    with liar.before(running.host, ranges=False) as lying:
        open_at(lying.host, repository).fetch(DIGEST, len(CONTENT), str(path))
    assert path.read_bytes() == CONTENT


def test_a_range_answered_with_other_bytes(
    running: Running, filled: Registry, repository: str, tmp_path: Path
) -> None:
    """The part was right, and what came was not: all is fetched again, once."""
    path = tmp_path / "part"
    path.write_bytes(CONTENT[:1000])
    with liar.before(running.host) as lying:
        lying.lie("/blobs/", liar.corrupt, times=1)
        open_at(lying.host, repository).fetch(DIGEST, len(CONTENT), str(path))
    assert path.read_bytes() == CONTENT
    assert len(lying.asked) == 2


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (liar.corrupt, "gives other bytes than those of"),
        (liar.instead(CONTENT + b"x"), "gives more than the 307200 bytes"),
        (liar.instead(CONTENT[:-1]), "gives (307199 of|more than) the 307200 bytes"),
        (liar.endless, "gives more than the 307200 bytes"),
        (liar.stall(1000), "is lost: .*imed out"),
        (liar.answer(404), "has no sha256:"),
        (liar.answer(500), "answers 500"),
        (liar.answer(302, Location="http://example.com/x"), "which is not HTTPS"),
        (liar.answer(302, Location="file:///etc/passwd"), "which is not HTTPS"),
        (liar.answer(302, Location="https://[x/"), "which is not HTTPS"),
        (liar.answer(302), "does not give"),
        (liar.answer(418, b'{"errors":[{"message":"\x1b[1mtea"}]}'), "it answers 418"),
        (liar.answer(200, CONTENT, Content_Encoding="gzip"), "an encoding that was not asked for"),
        (liar.answer(206, CONTENT[5:], Content_Range="bytes 5-9/10"), "was asked for all"),
    ],
)  # fmt: skip
def test_lies_about_a_blob(
    running: Running, filled: Registry, repository: str, tmp_path: Path, lie: Lie, said: str
) -> None:
    """Each ends soon, in one line, and no file of wrong bytes is left."""
    path = tmp_path / "part"
    with liar.before(running.host) as lying:
        lying.lie("/blobs/", lie)
        registry = open_at(lying.host, repository, timeout_s=0.5 if "imed out" in said else 30.0)
        with pytest.raises(RegistryError, match=said) as caught:
            registry.fetch(DIGEST, len(CONTENT), str(path))
        with pytest.raises(RegistryError):
            registry.blob(DIGEST, len(CONTENT))
    assert str(caught.value).isprintable()
    assert (
        not path.exists()
        or CONTENT.startswith(path.read_bytes())
        or path.stat().st_size < len(CONTENT)
    )


@pytest.mark.parametrize(
    "lie",
    [
        liar.answer(206, b"xyz", Content_Range="bytes 0-2/307200"),
        liar.answer(206, CONTENT, Content_Range="bytes 1000-307199/307200"),
        liar.answer(206, CONTENT[1000:]),
        liar.answer(400),
        liar.answer(416),
        liar.answer(501),
    ],
)
def test_a_registry_with_broken_ranges(
    running: Running, filled: Registry, repository: str, tmp_path: Path, lie: Lie
) -> None:
    """The whole is fetched, once."""
    path = tmp_path / "part"
    path.write_bytes(CONTENT[:1000])

    def to_a_part(exchange: liar.Exchange) -> None:
        if "range" in exchange.asked:
            lie(exchange)

    with liar.before(running.host) as lying:
        lying.lie("/blobs/", to_a_part)
        open_at(lying.host, repository).fetch(DIGEST, len(CONTENT), str(path))
    assert path.read_bytes() == CONTENT
    assert [a[2].get("range") for a in lying.asked] == ["bytes=1000-", None]


def test_a_registry_that_cuts_and_has_no_ranges_is_not_asked_for_ever(
    running: Running, repository: str, tmp_path: Path
) -> None:
    """Each whole try brings much, and none more than the one before."""
    content = bytes(range(251)) * 12_000  # 3 MB
    running.open(repository).put_blob(digest_of(content), content)
    with liar.before(running.host) as lying:

        def half(exchange: liar.Exchange) -> None:
            if len(lying.asked) > 20:  # it goes on for ever: let it end
                return
            if "range" in exchange.asked:
                liar.answer(416)(exchange)
            else:
                liar.cut(2_000_000)(exchange)

        lying.lie("/blobs/", half)
        registry = open_at(lying.host, repository)
        with pytest.raises(RegistryError):
            registry.fetch(digest_of(content), len(content), str(tmp_path / "part"))
    assert len(lying.asked) < 10


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, b'{"errors":[{"code":"DENIED","message":"no\\u001b[1m quota"}]}', r"DENIED: no\\x1b"),
        (429, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}', "answers 429: TOOMANYREQUESTS"),
        (403, b'{"errors":[{"code":7,"message":["x"]}]}', "answers 403 for"),
        (403, b'{"errors":[7]}', "answers 403 for"),
        (403, b"<html>no</html>", "answers 403 for"),
        (403, b'{"errors":[{"message":"' + b"x" * 9000 + b'"}]}', "answers 403 for"),
    ],
)
def test_what_a_refusal_says(
    running: Running, repository: str, status: int, body: bytes, said: str
) -> None:
    with liar.before(running.host) as lying:
        lying.lie("/manifests/", liar.answer(status, body))
        with pytest.raises(RegistryError, match=said) as caught:
            open_at(lying.host, repository).manifest("v1")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("lie", [liar.endless, liar.stall(10), liar.cut(10)])
def test_a_refusal_whose_words_do_not_end(running: Running, repository: str, lie: Lie) -> None:
    with liar.before(running.host) as lying:
        lying.lie("/manifests/", liar.answer(403, b"x" * 100))
        lying.lie("/manifests/", lie)
        with pytest.raises(RegistryError, match="answers 403 for"):
            open_at(lying.host, repository, timeout_s=6.0).manifest("v1")


def test_what_passes_is_tried_again(running: Running, filled: Registry, repository: str) -> None:
    with liar.before(running.host) as lying:
        lying.lie("/blobs/", liar.answer(503), times=1)
        lying.lie("/blobs/", liar.answer(429, Retry_After="0"), times=1)
        lying.lie("/blobs/", liar.answer(403), times=1)
        registry = open_at(lying.host, repository)
        with pytest.raises(RegistryError, match="docker login"):  # and this does not
            registry.blob(DIGEST, len(CONTENT))
        assert registry.blob(DIGEST, len(CONTENT)) == CONTENT


def test_a_redirect_to_storage(running: Running, filled: Registry, repository: str) -> None:
    """As registries before S3 do; through another host, without the credentials."""
    with liar.before(running.host) as storage, liar.before(running.host) as lying:
        place = f"http://{storage.host}/v2/{repository}/blobs/{DIGEST}"
        lying.lie("/blobs/", liar.answer(307, Location=place))
        registry = open_at(lying.host, repository)
        registry._http._authorization = "Basic secret"
        assert registry.blob(DIGEST, len(CONTENT)) == CONTENT
        assert lying.asked[0][2]["authorization"] == "Basic secret"
        assert "authorization" not in storage.asked[0][2]


def test_redirects_end(running: Running, filled: Registry, repository: str) -> None:
    with liar.before(running.host) as lying:
        place = f"/v2/{repository}/blobs/{DIGEST}"
        lying.lie("/blobs/", liar.answer(307, Location=place))
        with pytest.raises(RegistryError, match="answers 307"):
            open_at(lying.host, repository).blob(DIGEST, len(CONTENT))
    assert len(lying.asked) == 6


def test_an_upload_that_leads_elsewhere_gets_no_credentials(
    running: Running, repository: str
) -> None:
    with liar.before(running.host) as other, liar.before(running.host) as lying:
        lying.lie("/uploads/", liar.answer(202, Location=f"http://{other.host}/x"), method="POST")
        registry = open_at(lying.host, repository)
        registry._http._authorization = "Basic secret"
        with pytest.raises(RegistryError, match="does not take"):
            registry.put_blob(DIGEST, CONTENT)
        assert other.asked
        assert not any("authorization" in asked[2] for asked in other.asked)


def test_a_wrong_manifest_and_an_endless_one(
    running: Running, filled: Registry, repository: str
) -> None:
    with liar.before(running.host) as lying:
        lying.lie("/manifests/sha256", liar.answer(200, b"{}"))
        lying.lie("/manifests/v1", liar.endless)
        registry = open_at(lying.host, repository)
        with pytest.raises(RegistryError, match="gives other bytes"):
            registry.manifest(DIGEST)
        with pytest.raises(RegistryError, match="answers with more than 1000 bytes"):
            registry.manifest("v1", 1000)


def test_a_registry_that_is_not_there() -> None:
    with (
        registries.kept_port() as port,
        pytest.raises(RegistryError, match="cannot reach 127.0.0.1:.* refused"),
    ):
        open_at(f"127.0.0.1:{port}", "a").manifest("v1")


def test_a_name_that_is_nobodys() -> None:
    registry = open_at("registry.invalid", "a", timeout_s=2)
    with pytest.raises(RegistryError, match="cannot reach|is lost"):
        registry.manifest("v1")


def test_a_server_without_tls(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not loopback speaks HTTPS, or is not spoken to."""
    registry = open_at("registry.example.com", "a")
    assert registry._http.base == "https://registry.example.com/v2/a/"
    registry._http.base = f"https://{running.host}/v2/a/"
    with pytest.raises(RegistryError, match="certificate|is lost"):
        registry.manifest("v1")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk(filled: Registry, tmp_path: Path) -> None:
    (tmp_path / "part").symlink_to("/dev/full")
    with pytest.raises(InstallError, match="No space left"):
        filled.fetch(DIGEST, len(CONTENT), str(tmp_path / "part"))


def test_neither_tag_nor_digest_is_asked_for() -> None:
    registry = Registry(Reference("127.0.0.1:1", "a", None, None))
    for which in ("../x", "a/b", "", "sha256:12"):
        with pytest.raises(InputError, match="neither a tag nor a digest"):
            registry.manifest(which)
