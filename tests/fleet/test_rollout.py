"""strop rollout: one step a call, cut short anywhere, with real brokers and registries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from strop import cli
from strop.bundle.keys import make_pair
from strop.errors import BundleError, InputError, RegistryError, ReportError
from strop.fleet.artifact import Release
from strop.fleet.channel import Channel, bucket, wanted
from strop.fleet.promotion import require_whole
from strop.fleet.publishing import change, create, look
from strop.fleet.pull import find
from strop.fleet.push import push
from strop.fleet.reports.lines import append, read_lines
from strop.fleet.reports.mqtt import parse_broker, publish
from strop.fleet.reports.report import ROLLED_BACK
from strop.fleet.rollout.plan import read_plan
from strop.fleet.rollout.rollout import Step, step
from tests import bundles
from tests.fleet import brokers, registries
from tests.fleet.fleet_reports import counts, line, list_of
from tests.fleet.memory import Memory, Stopped
from tests.fleet.test_channel import release
from tests.fleet.test_channels import runs
from tests.fleet.test_promotion import pushed

DEVICES = [f"camera-{i}" for i in range(6)]
GROUPS = """
[[group]]
name = "canary"
percent = 1
success_percent = 100
error_percent = 0
at_least = 2

[[group]]
name = "all"
percent = 100
success_percent = 80
error_percent = 20
"""


class Fleet(NamedTuple):
    """A repository whose channel runs v1, its keys, and a plan for v2."""

    registry: Memory
    folder: Path
    new: Release

    @property
    def keys(self) -> str:
        return str(self.folder / "keys")

    def step(self, **options: bool) -> Step:
        return step(read_plan(str(self.folder / "plan.toml")), self.registry, **options)  # type: ignore[arg-type]

    def channel(self) -> Channel:
        channels, state = look(self.registry, self.keys)
        return channels.channel(state, "stable")

    def tell(self, device: str, sequence: int = 1, **fields: Any) -> None:
        usual = {"wanted": self.new.bundle, "current": self.new.bundle, **fields}
        append(str(self.folder / f"{device}.jsonl"), line(device, sequence, **usual))

    def canaries(self) -> list[str]:
        return sorted(DEVICES, key=lambda device: bucket(device, self.new.bundle))[:2]


def write_plan(folder: Path, repository: str, reports: str = "*.jsonl") -> str:
    (folder / "devices").write_bytes(list_of(*DEVICES))
    (folder / "devices").chmod(0o644)
    heads = {
        "repository": repository,
        "channel": "stable",
        "release": "v2",
        "keys": "keys",
        "devices": "devices",
        "reports": reports,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in heads.items()]
    (folder / "plan.toml").write_text("\n".join(lines) + GROUPS, encoding="utf-8")
    return str(folder / "plan.toml")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    registry = Memory()
    new = release(2)._replace(manifest=pushed(registry).manifest)
    monkeypatch.setattr("strop.fleet.rollout.rollout.find", lambda registry, which: new)
    # Its blobs are no bundle: `test_a_tag_is_not_believed` has a real one.
    whole = lambda registry, release, keys: require_whole(registry, release)  # noqa: E731
    monkeypatch.setattr("strop.fleet.rollout.rollout.require_right", whole)
    monkeypatch.setattr("strop.commands.rollout.open_repository", lambda text: registry)
    monkeypatch.setenv("COLUMNS", "200")
    create(registry, str(tmp_path / "keys"))
    change(registry, str(tmp_path / "keys"), "stable", runs(release(1)))
    write_plan(tmp_path, registry.place)
    return Fleet(registry, tmp_path, new)


def test_a_rollout_cut_short_after_each_upload(fleet: Fleet) -> None:
    """The channel is the old one or the new one; the same call again takes the step."""
    for action in ("start", "advance", "finish"):
        before, cuts = fleet.channel(), 0
        while True:
            fleet.registry.allowed = fleet.registry.writes + cuts
            try:
                taken = fleet.step()
            except Stopped:
                fleet.registry.allowed = None
                now = fleet.channel()
                if now != before:
                    break
                cuts += 1
            else:
                fleet.registry.allowed = None
                assert taken.decision.action == action
                break
        assert cuts > 1
        after = fleet.channel()
        assert after != before
        written = fleet.registry.writes
        assert fleet.step().decision.action in ("wait", "nothing")
        assert (fleet.channel(), fleet.registry.writes) == (after, written)
        for device in DEVICES:
            if wanted(after, device) == fleet.new:
                fleet.tell(device)
    assert fleet.channel().runs == fleet.new


def test_the_names_of_its_folder_are_no_part_of_the_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "plan [v2]*"
    folder.mkdir()
    (folder / "camera-1.jsonl").write_bytes(line("camera-1"))
    plan = read_plan(write_plan(folder, "127.0.0.1:1/models/digits"))
    assert list(read_lines(plan.reports)) == [line("camera-1")]


def test_a_failing_canary_stops_it_for_good(fleet: Fleet) -> None:
    fleet.step()
    first, second = fleet.canaries()
    fleet.tell(first)
    fleet.tell(second, state=ROLLED_BACK, problem="the app ended with 3")
    taken = fleet.step()
    assert (taken.decision.action, taken.is_stopped) == ("stop", True)
    assert [failed.device for failed in taken.decision.failed] == [second]
    channel = fleet.channel()
    assert (channel.runs, channel.next, channel.stopped) == (release(1), None, (fleet.new.bundle,))
    written = fleet.registry.writes
    taken = fleet.step()
    assert (taken.decision.action, taken.is_stopped) == ("nothing", True)
    assert fleet.registry.writes == written
    fleet.tell(second, 2, wanted=release(1).bundle, current=release(1).bundle)
    assert fleet.step(again=True).decision.action == "start"
    assert fleet.channel().next is not None


def test_a_dry_run_signs_nothing(fleet: Fleet) -> None:
    written = fleet.registry.writes
    assert fleet.step(dry=True).decision.action == "start"
    assert (fleet.channel().next, fleet.registry.writes) == (None, written)


def test_a_release_that_is_not_whole_is_not_started(fleet: Fleet) -> None:
    lost = fleet.registry.manifests.pop(fleet.new.manifest)
    before = fleet.channel()
    with pytest.raises(RegistryError, match="has no manifest"):
        fleet.step()
    assert fleet.channel() == before
    fleet.registry.manifests[fleet.new.manifest] = lost
    assert fleet.step().decision.action == "start"


def test_reports_that_cannot_be_read_are_no_step(fleet: Fleet) -> None:
    fleet.step()
    before = fleet.channel()
    for device in fleet.canaries():
        fleet.tell(device)
    (fleet.folder / "odd.jsonl").mkdir()
    with pytest.raises(ReportError, match="odd.jsonl"):
        fleet.step()
    assert fleet.channel() == before


def test_forged_reports_neither_stop_nor_advance_it(fleet: Fleet) -> None:
    fleet.step()
    first, second = fleet.canaries()
    path = fleet.folder / "collected.jsonl"
    own = line(first, wanted=fleet.new.bundle, current=fleet.new.bundle)
    bad = line("stranger", state=ROLLED_BACK, wanted=fleet.new.bundle)
    path.write_bytes(own + own.replace(first.encode(), second.encode()) + bad + b"{}\n" + own[:99])
    taken = fleet.step()
    assert (taken.decision.action, taken.decision.silent) == ("wait", (second,))
    assert taken.refused == {"unlisted": 1, "forged": 1, "malformed": 1}


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    status = cli.main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_the_command(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(fleet.folder / "plan.toml")
    assert cli.main(["rollout", plan, "--dry-run"]) == 0
    assert "would be started: the first is group canary, with 2 devices" in capsys.readouterr().out
    assert cli.main(["rollout", plan]) == 0
    first, second = fleet.canaries()
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("channel stable: digits v2 for rpi")
    assert out[1].split() == [
        *("group", "percent", "devices", "healthy", "soaking"),
        *("failed", "waiting", "silent", "state"),
    ]
    assert out[2].split()[-7:] == ["2", "0", "0", "0", "0", "2", "now"]
    assert f"silent: {first}, {second}" in out
    assert out[-2] == f"no device has a report in {fleet.folder}/*.jsonl"
    assert out[-1].startswith("started: ")
    fleet.tell(first)
    (fleet.folder / "x.jsonl").write_bytes(b"?\n")
    status, told = asked(capsys, "rollout", plan)
    assert (status, told["action"], told["stopped"]) == (0, "wait", False)
    assert (told["silent"], told["reporting"], told["counting"]) == ([second], 1, 0)
    assert told["groups"][0]["healthy"] == 1
    assert told["refused_reports"] == {"malformed": 1}
    fleet.tell(second, state=ROLLED_BACK, problem="the app ended with 3", counts=counts())
    assert cli.main(["rollout", plan]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "counts for strop drift: from 1 of 2 devices" in out
    assert f"failed: {second}: rolled back: the app ended with 3" in out
    assert "reports that do not count: 1 malformed" in out
    assert out[-1].startswith("stopped: group canary: 1 of 2 devices failed")
    status, told = asked(capsys, "rollout", plan)
    assert (status, told["action"], told["stopped"]) == (1, "nothing", True)
    status, told = asked(capsys, "rollout", str(fleet.folder / "none.toml"))
    assert (status, told["error"]["kind"]) == (2, "input")


def test_the_command_stops_by_hand(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(fleet.folder / "plan.toml")
    assert cli.main(["rollout", plan, "--stop"]) == 2
    assert "there is nothing to stop" in capsys.readouterr().err
    assert cli.main(["rollout", plan]) == 0
    assert cli.main(["rollout", plan, "--stop"]) == 1
    assert fleet.channel().stopped == (fleet.new.bundle,)


def test_with_a_real_registry_and_a_real_broker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        registries.serve(tmp_path / "registry") as server,
        brokers.serve(tmp_path / "broker", "allow_anonymous true") as mosquitto,
    ):
        place, keys = server.reference().place, str(tmp_path / "keys")
        registry, broker = server.open(), parse_broker(mosquitto.url)
        push(str(bundles.image().write(tmp_path / "new.strop")), registry, "v2")
        create(registry, keys)
        plan = write_plan(tmp_path, place, mosquitto.url)
        actions = []
        for number in range(4):
            status, told = asked(capsys, "rollout", plan)
            actions.append((status, told["action"]))
            channels, state = look(registry, keys)
            channel = channels.channel(state, "stable")
            for device in DEVICES:
                asked_for = wanted(channel, device)
                if asked_for:
                    bundle = asked_for.bundle
                    publish(
                        broker,
                        device,
                        line(device, number, wanted=bundle, current=bundle),
                    )
        assert actions == [(0, "start"), (0, "advance"), (0, "finish"), (0, "nothing")]
        assert channel.runs is not None
        assert channel.next is None


def test_a_tag_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release is started only if its bundle is what the registry says, and a trusted key's."""
    module = "strop.fleet.rollout.rollout"
    with registries.serve(tmp_path / "registry") as server:
        place, keys = server.reference().place, str(tmp_path / "keys")
        registry = server.open()
        push(str(bundles.image().write(tmp_path / "new.strop")), registry, "v2")
        create(registry, keys)
        path = write_plan(tmp_path, place)
        plan, said = read_plan(path), find(registry, "v2")
        make_pair(str(tmp_path / "release"), "release")
        before = look(registry, keys)[1]
        with monkeypatch.context() as lying:
            lying.setattr(f"{module}.find", lambda *given: said._replace(model_version=9))
            with pytest.raises(RegistryError, match="is of another bundle"):
                step(plan, registry)
        with pytest.raises(BundleError, match="signed"):
            step(plan._replace(trusted_keys=str(tmp_path / "release.pub")), registry)
        assert look(registry, keys)[1] == before
        assert step(plan, registry).decision.action == "start"
        # From now on the channel is believed: not what the registry says of the same bundle.
        with monkeypatch.context() as lying:
            lying.setattr(f"{module}.find", lambda *given: said._replace(model_version=9))
            lying.setattr(f"{module}.require_right", None)
            bundle = said.bundle
            for device in DEVICES:
                append(str(tmp_path / "all.jsonl"), line(device, 1, wanted=bundle, current=bundle))
            assert [step(plan, registry).decision.action for _ in range(2)] == ["advance", "finish"]
        channels, state = look(registry, keys)
        assert channels.channel(state, "stable").runs == said


def test_a_plan_that_does_not_fit_signs_nothing(fleet: Fleet) -> None:
    fleet.step()
    plan = fleet.folder / "plan.toml"
    text = plan.read_text(encoding="utf-8")
    plan.write_text(text.replace('"canary"', '"first"'), encoding="utf-8")
    written = fleet.registry.writes
    with pytest.raises(InputError, match="is at group canary, which is not in the plan"):
        fleet.step()
    assert fleet.registry.writes == written
