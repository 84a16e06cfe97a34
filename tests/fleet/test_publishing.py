"""Signing channels: stopped after any upload, by two at once, and for a registry that lies."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata

from strop.errors import ChannelError, InputError, RegistryError
from strop.fleet import roles
from strop.fleet.channel import Next, empty
from strop.fleet.channels import Channels, utc_now
from strop.fleet.key_folder import KeyFolder
from strop.fleet.oci import layer_of
from strop.fleet.publishing import change, create, look, renew, replace_key
from strop.fleet.registry import digest_of
from strop.fleet.tuf_errors import ROLES, ExpiredError
from strop.fleet.tuf_files import TAG, read_manifest, write_manifest
from tests.fleet.memory import Memory, Stopped
from tests.fleet.test_channel import release
from tests.fleet.test_channels import DAY, Place, place, runs, turn_clock, version

__all__ = ["place"]


def test_a_creation_stopped_after_any_upload_is_completed_by_the_same_command(
    tmp_path: Path,
) -> None:
    for stop in itertools.count():
        registry, keys = Memory(), str(tmp_path / f"keys-{stop}")
        registry.allowed = stop
        try:
            create(registry, keys)
        except Stopped:
            assert registry.manifests == {}
        else:
            break
        registry.allowed = None
        root = create(registry, keys)
        assert root == create(registry, keys) == KeyFolder(keys).root()
        change(registry, keys, "stable", runs(release(1)))
        assert version(Channels(registry, str(tmp_path / f"device-{stop}"), root)) == 1
    assert stop == 6  # root, targets, snapshot, timestamp, config and the manifest


def test_a_change_stopped_after_any_upload_is_completed_by_the_same_command(place: Place) -> None:
    start = place.registry.copy()
    shutil.copytree(place.keys, place.folder / "keys-before")
    for stop in itertools.count():
        place.registry.become(start)
        shutil.rmtree(place.keys)
        shutil.copytree(place.folder / "keys-before", place.keys)
        place.registry.writes, place.registry.allowed = 0, stop
        try:
            place.run(2)
        except Stopped:
            assert version(place.device(f"device-{stop}")) == 1  # the old state, and whole
        else:
            break
        place.registry.allowed = None
        place.run(2)
        assert version(place.device(f"device-{stop}")) == 2
    assert stop == 5  # record, targets, snapshot, timestamp and the manifest


@pytest.mark.parametrize("key", ["root", "targets", "online"])
def test_a_replaced_key_is_followed_by_devices_and_a_stop_leaves_no_gap(
    place: Place, key: str
) -> None:
    start = place.registry.copy()
    shutil.copytree(place.keys, place.folder / "keys-before")
    for stop in itertools.count():
        place.registry.become(start)
        shutil.rmtree(place.keys)
        shutil.copytree(place.folder / "keys-before", place.keys)
        old = KeyFolder(place.keys).signer(key).public_key.keyid
        device = place.device(f"device-{stop}")
        assert version(device) == 1
        place.registry.writes, place.registry.allowed = 0, stop
        try:
            replace_key(place.registry, place.keys, key)
            stopped = False
        except Stopped:
            stopped = True
        assert version(device) == 1  # at every point
        place.registry.allowed = None
        if stopped:
            replace_key(place.registry, place.keys, key)
        assert KeyFolder(place.keys).signer(key).public_key.keyid != old
        assert not list(Path(place.keys).glob("*.next*"))
        state = look(place.registry, place.keys)[1]
        assert state.root.signed.version == 2
        place.run(2)
        assert version(device) == 2  # set up with the first root
        assert version(place.device(f"new-{stop}", root=KeyFolder(place.keys).root())) == 2
        if not stopped:
            break
    assert stop >= 3


def test_a_replaced_key_signs_nothing_more(place: Place) -> None:
    stolen = place.folder / "stolen"
    shutil.copytree(place.keys, stolen)
    replace_key(place.registry, place.keys, "targets")
    replace_key(place.registry, place.keys, "online")
    for command in (
        lambda: change(place.registry, str(stolen), "stable", runs(release(9))),
        lambda: renew(place.registry, str(stolen)),
    ):
        with pytest.raises(InputError, match=r"not the key that root\.json names"):
            command()
    # A registry that publishes what the old keys sign: that is the state from before, or a fork.
    thief = Memory()
    thief.become(place.registry)
    before = Place(place.folder / "elsewhere")
    assert before.root != place.root
    thief.manifests[TAG] = before.registry.manifests[TAG]
    thief.blobs.update(before.registry.blobs)
    with pytest.raises(ChannelError, match="not signed by the keys"):
        Channels(thief, str(place.folder / "victim"), place.root).read("stable")


def test_keys_replaced_many_times_are_followed_one_by_one(place: Place) -> None:
    device = place.device()
    device.read("stable")
    for key in ("root", "online", "root", "targets", "online"):
        replace_key(place.registry, place.keys, key)
    place.run(3)
    assert version(device) == version(place.device("new")) == 3
    files = read_manifest(place.registry.manifests[TAG])
    assert sorted(name for name in files if "root" in name) == [
        f"{number}.root.json" for number in range(1, 7)
    ]


def test_a_published_replacement_is_finished_after_a_stop(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        settle = KeyFolder.settle
        calls = iter((settle, stop_here))
        cut.setattr(KeyFolder, "settle", lambda *arguments: next(calls)(*arguments))
        with pytest.raises(Stopped):
            replace_key(place.registry, place.keys, "online")
    assert (Path(place.keys) / "online.next").exists()
    assert replace_key(place.registry, place.keys, "online").roles == ()  # not replaced once more
    assert not (Path(place.keys) / "online.next").exists()
    assert look(place.registry, place.keys)[1].root.signed.version == 2
    renew(place.registry, place.keys)


def stop_here(*arguments: object) -> tuple[str, ...]:
    raise Stopped


def test_the_online_key_alone_renews(place: Place) -> None:
    job = place.folder / "job"
    job.mkdir(mode=0o700)
    for name in ("online", "root.json"):
        shutil.copy(Path(place.keys) / name, job / name)
    before = look(place.registry, place.keys)[1]
    done = renew(place.registry, str(job))
    assert done.roles == ("snapshot", "timestamp")
    assert done.state.timestamp.signed.version == before.timestamp.signed.version + 1
    assert version(place.device()) == 1
    for command in (
        lambda: change(place.registry, str(job), "stable", runs(release(2))),
        lambda: replace_key(place.registry, str(job), "online"),
    ):
        with pytest.raises(InputError, match="cannot read the key"):
            command()


@pytest.mark.parametrize(
    ("days", "signed"),
    [
        (1, ("snapshot", "timestamp")),
        (16, ("snapshot", "timestamp")),
        (46, ("targets", "snapshot", "timestamp")),
        (183, ("root", "targets", "snapshot", "timestamp")),
        (400, ("root", "targets", "snapshot", "timestamp")),
    ],
)
def test_what_is_due_is_renewed_even_if_it_is_expired(
    place: Place, monkeypatch: pytest.MonkeyPatch, days: int, signed: tuple[str, ...]
) -> None:
    device = place.device()
    device.read("stable")
    turn_clock(monkeypatch, days * DAY)
    for module in ("publishing", "basis"):
        monkeypatch.setattr(f"strop.fleet.{module}.utc_now", lambda: utc_now_turned(days))
    if days > 7:
        with pytest.raises(ExpiredError):
            device.read("stable")
    done = renew(place.registry, place.keys)
    assert done.roles == signed
    assert version(device) == 1
    for role in signed:
        assert roles.share_left(role, done.state.signed(role), utc_now_turned(days)) > 0.99


def utc_now_turned(days: int) -> datetime:
    return datetime.now(UTC) + days * DAY


def test_an_expired_state_that_this_folder_has_not_seen_is_not_signed_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = place.registry.copy()
    place.run(2)
    fresh = place.folder / "fresh"
    shutil.copytree(place.keys, fresh)
    (fresh / "channels-seen.json").unlink()
    turn_clock(monkeypatch, 8 * DAY)
    place.registry.become(old)  # it lies: version 2 is withheld
    for keys in (place.keys, str(fresh)):
        with pytest.raises(ChannelError):
            renew(place.registry, keys)
    assert place.registry.manifests == old.manifests


def test_a_registry_that_gives_an_old_state_gets_nothing_signed(place: Place) -> None:
    old = place.registry.copy()
    place.run(2)
    place.registry.become(old)
    for command in (
        lambda: place.run(3),
        lambda: renew(place.registry, place.keys),
        lambda: replace_key(place.registry, place.keys, "online"),
    ):
        with pytest.raises(ChannelError, match="older than those seen"):
            command()
    assert (place.registry.manifests, place.registry.blobs) == (old.manifests, old.blobs)


@pytest.mark.parametrize("days", [0, 30])
def test_a_registry_restored_from_a_backup_is_signed_again_on_purpose(
    place: Place, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    backup = place.registry.copy()
    device = place.device()
    for number in (2, 3, 4):
        place.run(number)
        assert version(device) == number
    place.registry.become(backup)
    turn_clock(monkeypatch, days * DAY)
    for module in ("publishing", "basis"):
        monkeypatch.setattr(f"strop.fleet.{module}.utc_now", lambda: utc_now_turned(days))
    with pytest.raises(ChannelError) as caught:
        renew(place.registry, place.keys)
    assert "--renew --accept-older" in caught.value.mend
    done = renew(place.registry, place.keys, accept_older=True)
    assert done.roles == ("targets", "snapshot", "timestamp")
    assert version(device) == 1  # what the backup says: every device takes it
    place.run(5)
    assert version(device) == 5


def test_nothing_but_what_the_keys_signed_is_accepted_as_older(place: Place) -> None:
    files = read_manifest(place.registry.manifests[TAG])
    other = Place(place.folder / "other")
    place.registry.blobs.update(other.registry.blobs)
    theirs = read_manifest(other.registry.manifests[TAG])
    for kind in ("timestamp", "snapshot", "targets"):
        (name,) = (one for one in files if kind in one)
        (instead,) = (one for one in theirs if kind in one)
        for wrong in (theirs[instead], files["1.root.json"]):
            layers = {**files, name: wrong._replace(name=name)}
            place.registry.manifests[TAG] = write_manifest(layers.values())
            before = place.registry.copy()
            with pytest.raises(ChannelError, match=f"{name} is not the file that the keys"):
                renew(place.registry, place.keys, accept_older=True)
            assert place.registry.manifests == before.manifests


def test_a_thief_of_the_online_key_stops_a_device_until_the_key_is_replaced(place: Place) -> None:
    device = place.device()
    assert version(device) == 1
    good = place.registry.copy()
    stolen = KeyFolder(place.keys).signer("online")
    state = look(place.registry, place.keys)[1]
    snapshot, timestamp = state.snapshot.signed, state.timestamp.signed
    snapshot.version = timestamp.version = 2**40
    snapshot.meta["targets.json"].version = 2**40  # signed, but the thief has no such targets
    content = roles.sign(snapshot, (stolen,), utc_now())
    timestamp.snapshot_meta = roles.describe(2**40, content)
    files = {
        f"{2**40}.snapshot.json": content,
        "timestamp.json": roles.sign(timestamp, (stolen,), utc_now()),
    }
    for file in files.values():
        place.registry.put_blob(digest_of(file), file)
    layers = [layer_of(name, file) for name, file in files.items()]
    kept = {**state.layers, **{layer.name: layer for layer in layers}}
    place.registry.manifests[TAG] = write_manifest(kept.values())
    with pytest.raises((ChannelError, RegistryError)):
        device.read("stable")
    with pytest.raises((ChannelError, RegistryError)):
        place.run(2)
    place.registry.become(good)
    renew(place.registry, place.keys, accept_older=True)
    replace_key(place.registry, place.keys, "online")
    place.run(2)
    assert version(device) == version(place.device("new")) == 2


def test_days_of_a_timestamp_last(place: Place) -> None:
    renew(place.registry, place.keys, days=2)
    for act in (lambda: renew(place.registry, place.keys), lambda: place.run(2)):
        act()
        timestamp = look(place.registry, place.keys)[1].timestamp.signed
        assert 1.9 * DAY < timestamp.expires - utc_now() <= 2 * DAY


def test_two_processes_take_turns(place: Place) -> None:
    def act(name: str) -> None:
        change(place.registry, place.keys, name, runs(release(1)))

    names = [f"channel-{number}" for number in range(6)]
    threads = [threading.Thread(target=act, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(place.device().names()) == {"stable", *names}


def test_a_second_process_gives_up_with_one_line(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strop.fleet.key_folder._WAIT_S", 0.1)
    with (
        KeyFolder(place.keys).alone(),
        pytest.raises(ChannelError, match=r"process \d+ signs with the keys"),
    ):
        place.run(2)


def other_machine(place: Place) -> Callable[[], None]:
    """Let a machine with the same keys sign at that moment."""
    keys = str(place.folder / "other")
    shutil.copytree(place.keys, keys)

    def act() -> None:
        place.registry.before_put = lambda: None
        change(place.registry, keys, "theirs", runs(release(1)))

    return act


def test_a_machine_that_signs_while_another_does_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = other_machine(place)

    def mine(channel: object) -> object:
        act()
        return empty("mine")._replace(runs=release(1))

    with pytest.raises(ChannelError, match="another machine changed the channels"):
        change(place.registry, place.keys, "mine", mine)  # type: ignore[arg-type]
    change(place.registry, place.keys, "mine", runs(release(1)))  # as the message says
    assert place.device().names() == ["mine", "stable", "theirs"]


def test_a_machine_whose_change_was_overwritten_is_told_and_devices_go_on(place: Place) -> None:
    device = place.device()
    first = place.registry.copy()
    second = str(place.folder / "other")
    shutil.copytree(place.keys, second)
    change(place.registry, place.keys, "mine", runs(release(1)))
    assert device.names() == ["mine", "stable"]
    mine = place.registry.copy()
    place.registry.become(first)  # the other machine read just before, and puts just after
    change(place.registry, second, "theirs", runs(release(1)))
    place.registry.blobs.update(mine.blobs)
    assert device.names() == ["mine", "stable"]  # of the same version: what it has stays
    with pytest.raises(ChannelError, match="another machine signed version 3"):
        place.run(2)
    renew(place.registry, second)
    assert device.names() == ["stable", "theirs"]
    change(place.registry, place.keys, "mine", runs(release(1)))
    assert device.names() == ["mine", "stable", "theirs"]


def test_a_channel_is_of_one_model_and_one_target(place: Place) -> None:
    for other in (release(2, name="faces"), release(2, target="cpu")):
        with pytest.raises(InputError, match="make another channel"):
            change(place.registry, place.keys, "stable", runs(other))
        with pytest.raises(InputError, match="cannot be signed: .* rolls out"):
            change(
                place.registry,
                place.keys,
                "stable",
                lambda channel: channel._replace(next=Next(other, 1.0, "all")),  # noqa: B023
            )
    with pytest.raises(InputError, match="gives a record of other"):
        change(place.registry, place.keys, "stable", lambda channel: empty("other"))


def test_channels_are_made_once(place: Place, tmp_path: Path) -> None:
    assert create(place.registry, place.keys) == place.root
    with pytest.raises(ChannelError, match="has channels already"):
        create(place.registry, str(tmp_path / "others"))
    assert not (tmp_path / "others").exists()
    with pytest.raises(ChannelError, match="have signed channels that"):
        create(Memory(), place.keys)


def test_keys_are_for_their_owner_alone(place: Place) -> None:
    for name in ("root", "targets", "online"):
        path = Path(place.keys) / name
        assert path.stat().st_mode & 0o777 == 0o600
    (Path(place.keys) / "targets").chmod(0o640)
    with pytest.raises(InputError, match="other users may read"):
        place.run(2)


def test_files_hold_no_secret(place: Place) -> None:
    secrets = [
        (Path(place.keys) / name).read_text().splitlines()[1]
        for name in ("root", "targets", "online")
    ]
    for content in (*place.registry.blobs.values(), *place.registry.manifests.values()):
        assert not any(secret.encode() in content for secret in secrets)


def test_every_file_names_its_days(place: Place) -> None:
    state = look(place.registry, place.keys)[1]
    assert [roles.days_of(role, state.signed(role)) for role in ROLES] == [365, 7, 7, 90]
    for role in ROLES:
        metadata = Metadata.from_bytes(state.files[role])
        assert metadata.signed.expires - utc_now() > (roles.DAYS[role] - 0.1) * DAY
