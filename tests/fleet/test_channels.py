"""Signed channels: what a device takes and refuses, and what a stop leaves, at any upload."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from strop.errors import ChannelError, InstallError, RegistryError
from strop.fleet import seen
from strop.fleet.artifact import Release
from strop.fleet.channel import Channel
from strop.fleet.channels import Channels, read_root, utc_now
from strop.fleet.oci import layer_of
from strop.fleet.publishing import change, create, renew, replace_key
from strop.fleet.tuf_errors import ExpiredError
from strop.fleet.tuf_files import TAG, read_manifest, write_manifest
from tests.fleet.memory import Memory
from tests.fleet.test_channel import release
from tests.reliability import disk

DAY = timedelta(days=1)


class Place:
    """A repository with channels, the folder of its keys, and devices."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = Memory()
        self.keys = str(folder / "keys")
        self.root = create(self.registry, self.keys)

    def run(self, version: int, name: str = "stable") -> Channel:
        return change(self.registry, self.keys, name, runs(release(version)))

    def device(
        self, name: str = "device", clock: Callable[[], datetime] = utc_now, root: bytes = b""
    ) -> Channels:
        return Channels(self.registry, str(self.folder / name), root or self.root, clock=clock)


def runs(new: Release) -> Callable[[Channel], Channel]:
    return lambda channel: channel._replace(runs=new)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.run(1)
    return made


def version(channels: Channels, name: str = "stable") -> int:
    channel = channels.read(name)
    assert channel.runs
    return channel.runs.model_version


def test_a_device_follows_a_channel(place: Place) -> None:
    device = place.device()
    assert (version(device), device.names()) == (1, ["stable"])
    place.run(2)
    place.run(5, "beta")
    assert (version(device), version(device, "beta")) == (2, 5)
    assert device.names() == ["beta", "stable"]


def test_a_poll_without_news_is_one_request(place: Place) -> None:
    device = place.device()
    device.read("stable")
    place.registry.requests.clear()
    device.read("stable")
    assert place.registry.requests == [TAG]


def test_a_change_to_the_same_uploads_nothing(place: Place) -> None:
    before = place.registry.writes
    assert place.run(1) == place.run(1)
    assert place.registry.writes == before


def test_there_is_no_such_channel(place: Place) -> None:
    with pytest.raises(ChannelError, match="no channel beta; it has stable"):
        place.device().read("beta")
    with pytest.raises(ChannelError, match="no channels in") as caught:
        Channels(Memory(), str(place.folder / "other"), place.root).read("stable")
    assert "--create" in caught.value.mend


def test_a_wrong_root_is_refused(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other")
    with pytest.raises(ChannelError, match="not signed by the keys"):
        place.device(root=other.root).read("stable")
    with pytest.raises(ChannelError, match="not a file of TUF's"):
        place.device("second", root=b"{}").read("stable")
    path = tmp_path / "root.json"
    for content in (b"", b"{}", place.registry.blobs[digest(place, "timestamp.json")]):
        path.write_bytes(content)
        with pytest.raises(ChannelError, match=r"is not a root\.json"):
            read_root(str(path))


def digest(place: Place, name: str) -> str:
    return read_manifest(place.registry.manifests[TAG])[name].digest


def test_older_channels_are_refused(place: Place) -> None:
    old = place.registry.copy()
    place.run(2)
    device = place.device()
    assert version(device) == 2
    place.registry.become(old)
    for one in (device, place.device()):  # in this process, and after a restart
        with pytest.raises(ChannelError, match="older than those seen here: timestamp") as caught:
            one.read("stable")
        assert not isinstance(caught.value, ExpiredError)


def test_withheld_channels_expire(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    device = place.device()
    assert version(device) == 1
    turn_clock(monkeypatch, 8 * DAY)
    with pytest.raises(ExpiredError, match=r"timestamp\.json was valid until .* the clock") as told:
        device.read("stable")
    assert "--renew" in told.value.mend
    assert "clock" in told.value.mend


def turn_clock(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Turn the clock that TUF's client, the device and the workstation have."""

    class Turned(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return real.now(tz) + by

    real = datetime
    monkeypatch.setattr("tuf.ngclient._internal.trusted_metadata_set.datetime.datetime", Turned)
    monkeypatch.setattr("strop.fleet.channels.datetime", Turned)


def test_two_states_do_not_mix(place: Place) -> None:
    old = read_manifest(place.registry.manifests[TAG])
    place.run(2)
    new = read_manifest(place.registry.manifests[TAG])
    for kind in ("snapshot", "targets"):
        files = dict(new)
        (name,) = (one for one in new if kind in one)
        (older,) = (one for one in old if kind in one)
        files[name] = old[older]._replace(name=name)
        place.registry.manifests[TAG] = write_manifest(files.values())
        with pytest.raises(ChannelError, match="files of two states"):
            place.device(kind).read("stable")
        del files[name]
        place.registry.manifests[TAG] = write_manifest(files.values())
        with pytest.raises(RegistryError, match=f"lacks {name}"):
            place.device(kind).read("stable")
    place.registry.manifests[TAG] = write_manifest(new.values())
    assert version(place.device("snapshot")) == 2


def test_another_record_under_a_channels_digest_is_refused(place: Place) -> None:
    key = digest(place, "channels/stable.json")
    wrong = place.registry.blobs[key].replace(b"digits", b"faulty")
    honest = place.registry.blob

    def lie(digest: str, size_bytes: int) -> bytes:
        return wrong if digest == key else honest(digest, size_bytes)

    place.registry.blob = lie  # type: ignore[method-assign]
    with pytest.raises(ChannelError, match="another record for channel stable than was signed"):
        place.device().read("stable")


@pytest.mark.parametrize("kind", ["timestamp", "snapshot", "targets", "root"])
def test_a_changed_byte_in_a_file_is_refused(place: Place, kind: str) -> None:
    if kind == "root":
        replace_key(place.registry, place.keys, "root")
    files = read_manifest(place.registry.manifests[TAG])
    name = "2.root.json" if kind == "root" else next(one for one in files if kind in one)
    content = json.loads(place.registry.blobs[files[name].digest])
    content["signed"]["version"] += 0 if kind == "root" else 1
    content["signed"]["expires"] = "2999-01-01T00:00:00Z"
    forged = json.dumps(content).encode()
    files[name] = layer_of(name, forged)
    place.registry.blobs[files[name].digest] = forged
    place.registry.manifests[TAG] = write_manifest(files.values())
    with pytest.raises((ChannelError, RegistryError)):
        place.device().read("stable")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"layers": 5}',
        b'{"layers": [{}]}',
        b'{"layers": [{"digest": "sha256:00", "size": 1}]}',
        write_manifest([layer_of("a", b"x"), layer_of("a", b"x")]),
        write_manifest([layer_of("timestamp.json", b"x" * (2**20 + 1))]),
        write_manifest([layer_of(f"{i}", b"x") for i in range(2001)]),
    ],
)
def test_a_hostile_manifest_is_refused(place: Place, content: bytes) -> None:
    place.registry.manifests[TAG] = content
    with pytest.raises(RegistryError, match=r"strop\.channels"):
        place.device().read("stable")


def test_a_dead_registry_is_told_as_it_is(place: Place) -> None:
    place.registry.manifest = dead  # type: ignore[method-assign]
    with pytest.raises(RegistryError, match="^it is down$"):
        place.device().read("stable")


def dead(which: str, max_bytes: int = 0) -> bytes:
    raise RegistryError("it is down")


def test_a_clock_in_the_past_does_not_make_old_channels_new(place: Place) -> None:
    past = datetime(1970, 1, 2, tzinfo=UTC)
    ahead = utc_now() + 2 * DAY  # the renewal below is good for one day
    assert version(place.device(clock=lambda: ahead)) == 1
    renew(place.registry, place.keys, days=1)
    with pytest.raises(ExpiredError, match=r"says 1970-01-02T00:00:00Z, and it was 20") as caught:
        place.device(clock=lambda: past).read("stable")
    assert f"{ahead:%Y-%m-%dT%H:%M}" in str(caught.value)
    renew(place.registry, place.keys, days=7)
    assert version(place.device(clock=lambda: past)) == 1


def test_a_clock_that_is_wrong_once_leaves_no_mark(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert version(place.device()) == 1
    with monkeypatch.context() as future:
        turn_clock(future, 40 * 365 * DAY)
        with pytest.raises(ExpiredError, match="set the clock of this machine if it is wrong"):
            place.device().read("stable")
    assert version(place.device()) == 1


def test_the_time_is_written_at_most_once_an_hour(place: Place) -> None:
    now = utc_now()
    path = place.folder / "device" / seen.NAME
    place.device(clock=lambda: now).read("stable")
    first = path.read_bytes()
    place.device(clock=lambda: now + timedelta(minutes=59)).read("stable")
    assert path.read_bytes() == first
    place.device(clock=lambda: now + timedelta(minutes=61)).read("stable")
    assert path.read_bytes() != first


def test_a_torn_memory_is_never_taken_for_none(place: Place) -> None:
    old = place.registry.copy()
    place.run(2)
    place.device().read("stable")
    path = place.folder / "device" / seen.NAME
    whole = path.read_bytes()
    place.registry.become(old)
    for torn in (b"", whole[:100], whole[:-30], whole.replace(b"A", b"*")):
        path.write_bytes(torn)
        with pytest.raises(ChannelError, match=r"channels-seen\.json is damaged.*remove it"):
            place.device().read("stable")
    path.unlink()  # as the message says: now the older state is new here
    assert version(place.device()) == 1


def test_what_tuf_leaves_elsewhere_does_not_matter(place: Place, tmp_path: Path) -> None:
    # A folder holds one file: there is no cache of TUF's that could be torn.
    place.device().read("stable")
    assert [path.name for path in (tmp_path / "device").iterdir()] == [seen.NAME]


def test_a_full_disk_stops_before_anything_is_believed(place: Place) -> None:
    place.device().read("stable")
    path = place.folder / "device" / seen.NAME
    before = path.read_bytes()
    place.run(2)
    with disk.full(place.folder, 0), pytest.raises(InstallError, match="No space left"):
        place.device().read("stable")
    assert path.read_bytes() == before
    assert version(place.device()) == 2


def test_a_power_cut_at_any_change_leaves_the_old_memory_or_the_new_one(
    place: Place, tmp_path: Path
) -> None:
    place.device().read("stable")
    folder = tmp_path / "device"
    before = disk.tree(folder)
    old = place.registry.copy()
    place.run(2)
    with disk.noted() as ops:
        place.device().read("stable")
    tried = 0
    for count in range(len(ops) + 1):
        for number, state in enumerate(disk.states(before, ops[:count], folder)):
            name = f"cut-{count}-{number}"
            disk.plant(tmp_path / name, state)
            new = state[seen.NAME] != before[seen.NAME]
            if new:
                new_registry = place.registry.copy()
                place.registry.become(old)
                with pytest.raises(ChannelError, match="older than those seen"):
                    place.device(name).read("stable")
                place.registry.become(new_registry)
            assert version(place.device(name)) == 2
            tried += 1
    assert tried > 10
    assert new  # the last state, after which nothing is lost


def test_a_stop_at_any_change_leaves_a_device_that_reads_on(place: Place, tmp_path: Path) -> None:
    for after in range(20):
        name = f"stopped-{after}"
        with disk.stopped(after) as life:
            place.device(name).read("stable")
        assert version(place.device(name)) == 1
        if not life.over:
            break
    assert 2 < after < 19
