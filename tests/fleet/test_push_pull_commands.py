"""strop push and strop pull, as one calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strop import cli
from strop.fleet.channel import Channel
from strop.fleet.publishing import change, create
from strop.fleet.pull import find
from tests import bundles
from tests.fleet.registries import Running


@pytest.fixture
def place(running: Running, repository: str) -> str:
    return f"{running.host}/{repository}"


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(bundles.image().write(tmp_path / "a.strop"))


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert cli.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert cli.main(list(arguments)) != 0
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return err


def test_there_and_back(
    place: str, bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "b.strop"
    pushed = asked(capsys, "push", bundle, place)
    assert pushed["reference"] == f"{place}:v1-cpu"
    assert pushed["sent_bytes"] > 0
    assert asked(capsys, "push", bundle, place)["sent_bytes"] == 0
    got = asked(capsys, "pull", f"{place}:v1-cpu", "--output", str(output))
    assert output.read_bytes() == Path(bundle).read_bytes()
    assert (got["bundle"], got["by"]) == (pushed["release"]["bundle"], "members")
    digest = pushed["release"]["manifest"]
    again = asked(capsys, "pull", f"{place}@{digest}", "--output", str(output))
    assert again["received_bytes"] == 0  # what is at the output already is the base
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.strop", "b.strop"]
    assert cli.main(["push", bundle, place]) == 0
    assert "0 of 5 members were new: 0 bytes" in capsys.readouterr().out


def test_since(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in (1, 2):
        draft = bundles.image()
        draft.add_variant(
            "tflite", "float32", ["litert"], bytes(range(256)) * 40 + bytes([version])
        )
        draft.content["model_version"] = version
        draft.write(tmp_path / f"v{version}.strop")
    one, two = (str(tmp_path / f"v{version}.strop") for version in (1, 2))
    asked(capsys, "push", one, place)
    assert cli.main(["push", two, place, "--since", "v1-cpu"]) == 0
    assert "patch    from v1-cpu: " in capsys.readouterr().out
    output = str(tmp_path / "out.strop")
    got = asked(capsys, "pull", f"{place}:v2-cpu", "--base", one, "--output", output)
    assert got["by"] == "patch"
    assert Path(output).read_bytes() == Path(two).read_bytes()


def test_by_a_channel(
    running: Running,
    repository: str,
    place: str,
    bundle: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    registry = running.open(repository)
    keys, output = str(tmp_path / "keys"), str(tmp_path / "b.strop")
    asked(capsys, "push", bundle, place)
    create(registry, keys)
    release = find(registry, "v1-cpu")

    def run(channel: Channel) -> Channel:
        return channel._replace(runs=release)

    change(registry, keys, "stable", run)
    root = f"{keys}/root.json"
    by = ("--root", root, "--channel", "stable", "--output", output)
    assert asked(capsys, "pull", place, *by)["manifest"] == release.manifest
    assert Path(output).read_bytes() == Path(bundle).read_bytes()
    assert "both name a release" in refused(capsys, "pull", f"{place}:v1-cpu", *by)


def test_what_cannot_be(
    place: str, bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ("--output", str(tmp_path / "b.strop"))
    assert "names no release" in refused(capsys, "pull", place, *output)
    assert "has no v9" in refused(capsys, "pull", f"{place}:v9", *output)
    assert "names nothing" in refused(capsys, "pull", "digits:v1", *output)
    assert "give --channel and --root" in refused(capsys, "pull", place, "--channel", "a", *output)
    digest = f"{place}@sha256:{'1' * 64}"
    assert "has no sha256:1" in refused(capsys, "pull", digest, *output)
    assert "has a digest" in refused(capsys, "push", bundle, digest)
    assert "cannot read bundle" in refused(capsys, "push", f"{bundle}x", place)
    asked(capsys, "push", bundle, f"{place}:x")
    gone = refused(capsys, "pull", f"{place}:x", "--base", f"{bundle}x", *output)
    assert "cannot read bundle" in gone
    assert not (tmp_path / "b.strop").exists()


def test_trust(place: str, bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "b.strop")
    key = str(tmp_path / "key")
    asked(capsys, "keygen", key)
    trusted = ("--trusted-keys", f"{key}.pub")
    assert "refused" in refused(capsys, "push", bundle, place, *trusted)
    asked(capsys, "push", bundle, f"{place}:unsigned")
    pull = ("pull", f"{place}:unsigned", "--output", output)
    assert "not signed" in refused(capsys, *pull, *trusted)
    assert not Path(output).exists()
    asked(capsys, "sign", bundle, "--key", key)
    asked(capsys, "push", bundle, f"{place}:signed", *trusted)
    asked(capsys, "pull", f"{place}:signed", "--output", output, *trusted)
    assert Path(output).read_bytes() == Path(bundle).read_bytes()
