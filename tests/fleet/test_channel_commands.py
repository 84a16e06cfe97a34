"""strop channels and strop promote, as one calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strop import cli
from strop.commands.fleet import release_in_channel
from strop.errors import ChannelError
from strop.fleet.channel import Next
from strop.fleet.publishing import change, create, look
from tests.fleet.memory import Memory
from tests.fleet.test_channel import release
from tests.fleet.test_channels import runs
from tests.fleet.test_promotion import pushed

PLACE = "registry.example.com/models/digits"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Memory:
    """A repository that the commands name as PLACE."""
    made = Memory()
    for command in ("channels", "promote"):
        monkeypatch.setattr(f"strop.commands.{command}.open_repository", lambda text: made)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    return made


@pytest.fixture
def keys(registry: Memory, tmp_path: Path) -> str:
    """The folder of keys of a repository with channels."""
    path = str(tmp_path / "keys")
    create(registry, path)
    return path


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    status = cli.main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_channel_from_nothing(
    registry: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = str(tmp_path / "keys")
    assert cli.main(["channels", PLACE, "--keys", keys, "--create"]) == 0
    assert "keep it offline" in capsys.readouterr().out
    assert cli.main(["channels", PLACE, "--keys", keys]) == 0
    assert "has no channel yet: strop promote makes one" in capsys.readouterr().out
    change(registry, keys, "beta", runs(pushed(registry)))
    assert cli.main(["promote", PLACE, "beta", "stable", "--keys", keys]) == 0
    assert "channel stable runs digits v1 for rpi" in capsys.readouterr().out
    assert cli.main(["promote", PLACE, "beta", "stable", "--keys", keys]) == 0
    assert "already: nothing to do" in capsys.readouterr().out
    assert cli.main(["channels", PLACE, "--root", f"{keys}/root.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["channel", "runs", "next", "stopped"]
    assert [line.split()[0] for line in lines[1:3]] == ["beta", "stable"]
    assert [line.split()[0] for line in lines[5:]] == ["root", "timestamp", "snapshot", "targets"]


def test_a_promotion_ends_a_rollout_and_says_so(
    registry: Memory, keys: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = pushed(registry)
    change(
        registry,
        keys,
        "stable",
        lambda c: c._replace(runs=whole, next=Next(release(2), 10.0, "early")),
    )
    change(registry, keys, "beta", runs(whole._replace(model_version=3)))
    status, told = asked(capsys, "promote", PLACE, "beta", "stable", "--keys", keys)
    assert status == 0
    assert told["changed"] is True
    assert told["ended_rollout"]["percent"] == 10.0
    assert told["channel"]["runs"]["model_version"] == 3
    change(registry, keys, "stable", lambda c: c._replace(next=Next(release(4), 5.0, "first")))
    capsys.readouterr()
    arguments = ["promote", PLACE, "beta", "stable", "--keys", keys]
    assert cli.main(arguments) == 0
    assert "the rollout of digits v4 for rpi" in capsys.readouterr().out


def test_what_is_not_whole_or_older_is_refused(
    registry: Memory, keys: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = pushed(registry)
    change(registry, keys, "old", runs(whole))
    change(registry, keys, "absent", runs(release(5)))
    change(registry, keys, "stable", runs(whole._replace(model_version=7)))
    before = registry.manifests.copy()
    for source, kind in (("absent", "registry"), ("old", "input")):
        status, told = asked(capsys, "promote", PLACE, source, "stable", "--keys", keys)
        assert (status, told["error"]["kind"]) == (2, kind)
    assert registry.manifests == before
    status, told = asked(
        capsys, "promote", PLACE, "old", "stable", "--keys", keys, "--allow-downgrade"
    )
    assert (status, told["channel"]["runs"]["model_version"]) == (0, 1)


def test_renewals_and_new_keys(
    registry: Memory, keys: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = asked(capsys, "channels", PLACE, "--keys", keys, "--renew", "--days", "2")
    assert (status, told["signed"]) == (0, ["snapshot", "timestamp"])
    assert {role["role"]: role["days_left"] for role in told["roles"]} == {
        "root": 365.0,
        "timestamp": 2.0,
        "snapshot": 2.0,
        "targets": 90.0,
    }
    status, told = asked(capsys, "channels", PLACE, "--keys", keys, "--replace-key", "online")
    assert (status, told["signed"], told["replaced"]) == (
        0,
        ["root", "snapshot", "timestamp"],
        "online",
    )
    assert cli.main(["channels", PLACE, "--keys", keys, "--replace-key", "root"]) == 0
    assert "the key root is a new one; devices follow" in capsys.readouterr().out


def test_what_ends_soon_is_told_in_plain_words(
    registry: Memory,
    keys: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = look(registry, keys)[1].timestamp.signed.expires
    monkeypatch.setattr("strop.fleet.channels.utc_now", lambda: now)
    capsys.readouterr()
    assert cli.main(["channels", PLACE, "--root", f"{keys}/root.json"]) == 0
    told = capsys.readouterr().err
    assert "warning: timestamp.json is valid for 0 more days" in told
    assert "with the key online" in told
    assert "root.json" not in told
    assert "targets.json" not in told


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--root", "r", "--keys", "k"),
        ("--root", "r", "--renew"),
        ("--create",),
        ("--keys", "k", "--days", "3"),
        ("--keys", "k", "--accept-older"),
    ],
)
def test_wrong_uses_change_nothing(
    registry: Memory, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = asked(capsys, "channels", PLACE, *options)
    assert (status, told["error"]["kind"]) == (2, "input")
    assert registry.requests == []


def test_a_pull_takes_what_a_channel_runs_and_remembers_what_it_saw(
    registry: Memory, keys: str
) -> None:
    change(registry, keys, "stable", runs(release(1)))
    old = registry.copy()
    change(registry, keys, "stable", runs(release(2)))
    root = f"{keys}/root.json"
    assert release_in_channel(registry, root, "stable") == release(2)
    registry.become(old)
    with pytest.raises(ChannelError, match=f"{PLACE} gives channels that are older"):
        release_in_channel(registry, root, "stable")
