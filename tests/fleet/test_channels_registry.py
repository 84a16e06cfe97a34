"""Channels in a real registry: Debian's docker-registry on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop import cli
from strop.bundle.archive import unpack
from strop.bundle.file import parse_bundle
from strop.bundle.keys import make_pair
from strop.errors import ChannelError, RegistryError
from strop.fleet import artifact
from strop.fleet.channels import Channels
from strop.fleet.oci import EMPTY
from strop.fleet.publishing import change, create, look, renew, replace_key
from strop.fleet.registry import Registry, digest_of, parse
from strop.fleet.tuf_files import TAG
from tests import bundles
from tests.fleet import registries
from tests.fleet.test_channel import release
from tests.fleet.test_channels import runs, version


class Server:
    """A registry with its own storage, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept, self._running = contextlib.ExitStack(), contextlib.ExitStack()
        self._port = self._kept.enter_context(registries.kept_port())
        self.address, self.data = f"127.0.0.1:{self._port}", folder / "data"
        self.start()

    def start(self) -> None:
        self._running.enter_context(registries.serve(self._folder, self._port))

    def stop(self) -> None:
        self._running.close()

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        self._kept.close()

    def collect(self) -> None:
        """Remove everything that no tag leads to."""
        self.stop()
        registries.collect(self._folder)
        self.start()

    def repository(self) -> Registry:
        return Registry(parse(f"{self.address}/models/digits"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "registry")
    try:
        yield made
    finally:
        made.close()


def test_a_life_of_channels(server: Server, tmp_path: Path) -> None:
    registry, keys = server.repository(), str(tmp_path / "keys")
    root = create(registry, keys)
    device = Channels(server.repository(), str(tmp_path / "device"), root)
    assert device.names() == []
    change(registry, keys, "stable", runs(release(1)))
    assert version(device) == 1
    for number, key in enumerate(("online", "targets", "root"), 2):
        replace_key(registry, keys, key)
        assert version(device) == number - 1
        change(registry, keys, "stable", runs(release(number)))
        assert version(device) == number
    renew(registry, keys)
    server.collect()
    assert version(device) == version(Channels(registry, str(tmp_path / "new"), root)) == 4
    sent = registry.sent_bytes
    change(registry, keys, "stable", runs(release(4)))
    assert registry.sent_bytes == sent


def test_a_registry_restored_from_a_backup(server: Server, tmp_path: Path) -> None:
    registry, keys = server.repository(), str(tmp_path / "keys")
    root = create(registry, keys)
    device = Channels(server.repository(), str(tmp_path / "device"), root)
    change(registry, keys, "stable", runs(release(1)))
    server.stop()
    shutil.copytree(server.data, tmp_path / "backup")
    server.start()
    change(registry, keys, "stable", runs(release(2)))
    assert version(device) == 2
    server.stop()
    shutil.rmtree(server.data)
    shutil.copytree(tmp_path / "backup", server.data)
    server.start()
    with pytest.raises(ChannelError, match="older than those seen"):
        device.read("stable")
    renew(registry, keys, accept_older=True)
    assert version(device) == 1


def test_a_damaged_file_and_a_dead_registry(server: Server, tmp_path: Path) -> None:
    registry, keys = server.repository(), str(tmp_path / "keys")
    root = create(registry, keys)
    change(registry, keys, "stable", runs(release(1)))
    folder = str(tmp_path / "device")
    assert version(Channels(server.repository(), folder, root)) == 1
    change(registry, keys, "stable", runs(release(2)))
    damaged = 0
    for path in server.data.glob("**/blobs/**/data"):
        content = path.read_bytes()
        if b'"_type":"targets"' in content:
            path.write_bytes(content.replace(b'"_type"', b'"_tipe"'))
            damaged += 1
    assert damaged
    with pytest.raises(RegistryError):
        Channels(server.repository(), folder, root).read("stable")
    server.stop()
    quick = Registry(parse(f"{server.address}/models/digits"), timeout_s=2)
    with pytest.raises(RegistryError) as caught:
        Channels(quick, folder, root).read("stable")
    assert "\n" not in str(caught.value)
    server.start()
    assert server.repository().manifest(TAG) is not None


def test_the_commands_reach_a_registry(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, keys = f"{server.address}/models/digits", str(tmp_path / "keys")
    assert cli.main(["channels", place, "--keys", keys, "--create"]) == 0
    push_bundle(server, "v1")
    whole = release(1)._replace(manifest=digest_of(server.repository().manifest("v1") or b""))
    change(server.repository(), keys, "beta", runs(whole))
    assert cli.main(["promote", place, "beta", "stable", "--keys", keys]) == 0
    assert cli.main(["channels", place, "--keys", keys, "--renew"]) == 0
    capsys.readouterr()
    assert cli.main(["channels", place, "--keys", keys, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [channel["channel"] for channel in told["channels"]] == ["beta", "stable"]
    assert told["repository"] == place
    assert cli.main(["channels", f"{place}:v1", "--keys", keys]) == 2
    assert "without a tag" in capsys.readouterr().err


def push_bundle(server: Server, tag: str, name: str = "") -> bytes:
    """Push a bundle; if a name is given, its OCI manifest says that this is the model's."""
    registry = server.repository()
    bundle = bundles.image(model_version=4).pack()
    members = unpack(bundle)
    for content in (EMPTY, *members.values()):
        registry.put_blob(digest_of(bytes(content)), bytes(content))
    manifest = artifact.write_manifest(parse_bundle(bundle).manifest, bundle, members)
    registry.put_manifest(tag, manifest.replace(b'"shapes"', b'"%s"' % (name or "shapes").encode()))
    return bundle


def test_a_tag_is_promoted_once_the_bundle_itself_was_opened(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, keys = f"{server.address}/models/digits", str(tmp_path / "keys")
    create(server.repository(), keys)
    push_bundle(server, "false", "other")
    bundle = push_bundle(server, "v4")
    assert cli.main(["promote", place, "false", "stable", "--keys", keys]) == 2
    assert "the name of sha256" in capsys.readouterr().err
    make_pair(str(tmp_path / "release"))
    trusted = ["--trusted-keys", str(tmp_path / "release.pub")]
    assert cli.main(["promote", place, "v4", "stable", "--keys", keys, *trusted]) == 2
    assert "not signed" in capsys.readouterr().err
    assert look(server.repository(), keys)[1].names == []
    assert cli.main(["promote", place, "v4", "stable", "--keys", keys, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["channel"]["runs"]
    assert (told["name"], told["model_version"]) == ("shapes", 4)
    assert told["bundle"] == hashlib.sha256(bundle).hexdigest()
    assert cli.main(["promote", place, "v9", "stable", "--keys", keys]) == 2
    assert "has no v9" in capsys.readouterr().err
