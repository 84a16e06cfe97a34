"""The record of a channel, and which device runs what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strop.errors import ChannelError, InputError
from strop.fleet.artifact import Release
from strop.fleet.channel import (
    MAX_STOPPED,
    Channel,
    Next,
    bucket,
    check_channel,
    check_name,
    empty,
    read_channel,
    wanted,
)


def release(version: int = 1, name: str = "digits", target: str = "rpi") -> Release:
    return Release(f"sha256:{version:064x}", f"{version + 1000:064x}", 5000, name, version, target)


CHANNEL = Channel(
    1, "stable", release(1), Next(release(2), 10.0, "early"), (f"{7:064x}", f"{8:064x}")
)


def test_a_record_gives_itself_back() -> None:
    for channel in (empty("stable"), CHANNEL, CHANNEL._replace(next=None)):
        assert read_channel(channel.to_json(), "stable") == channel
        assert check_channel(channel) == channel


def changed(path: str, value: Any) -> bytes:
    content = json.loads(CHANNEL.to_json())
    *parents, last = path.split(".")
    place = content
    for parent in parents:
        place = place[parent]
    place[last] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("schema", 2, "has schema 2; this strop reads 1"),
        ("schema", True, "has schema True"),
        ("more", 1, "unknown field 'more'"),
        ("runs.more", 1, "unknown field 'more'"),
        ("channel", "other", "it is of channel other"),
        ("runs.manifest", "sha256:00", "not named by its SHA-256"),
        ("runs.manifest", f"sha512:{1:064x}", "not named by its SHA-256"),
        ("runs.bundle", "../../etc", "not named by its SHA-256"),
        ("runs.bundle_bytes", 0, "0 bytes"),
        ("runs.bundle_bytes", 2**40, "bytes"),
        ("runs.bundle_bytes", 5.0, "float instead of int"),
        ("runs.model_version", -1, "model_version -1"),
        ("runs.name", " ", "no name"),
        ("runs.name", "x\x1b[2J", "cannot be printed"),
        ("runs.target", "y" * 201, "no name or target"),
        ("next.release.name", "faces", "rolls out faces for rpi"),
        ("next.percent", 100.5, "100.5 percent"),
        ("next.percent", -1, "-1.0 percent"),
        ("next.percent", True, "bool instead of float"),
        ("next.group", "", "group has no name"),
        ("stopped", [release(2).bundle], "rolls out a bundle that is stopped"),
        ("stopped", ["x"], "stopped bundle is not named"),
        ("stopped", [f"{7:064x}"] * 2, "there twice"),
        ("stopped", [f"{i:064x}" for i in range(MAX_STOPPED + 1)], "too many"),
    ],
)
def test_devices_refuse_a_record_that_is_not_one(path: str, value: Any, said: str) -> None:
    with pytest.raises(ChannelError, match="channel stable|channel") as caught:
        read_channel(changed(path, value), "stable")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"null", b"x" * (64 * 1024 + 1)])
def test_devices_refuse_what_is_not_a_record(content: bytes) -> None:
    with pytest.raises(ChannelError):
        read_channel(content, "stable")


def test_nothing_is_signed_that_devices_refuse() -> None:
    with pytest.raises(InputError, match="101"):
        check_channel(CHANNEL._replace(next=Next(release(2), 101.0, "early")))


@pytest.mark.parametrize(
    "name", ["", "Stable", "a/b", "../a", ".a", "a.", "a b", "a\n", "x" * 65, "ü"]
)
def test_names_that_no_channel_has(name: str) -> None:
    with pytest.raises(InputError):
        check_name(name)


def test_places_are_even_and_differ_from_bundle_to_bundle() -> None:
    devices = [f"device-{i}" for i in range(4000)]
    first, second = (
        [bucket(device, release(version).bundle) for device in devices] for version in (1, 2)
    )
    for places in (first, second):
        assert all(0 <= place < 100 for place in places)
        for percent in (1, 10, 50):
            share = sum(place < percent for place in places) / len(places) * 100
            assert abs(share - percent) < 3 * (percent * (100 - percent) / len(places)) ** 0.5
    both = sum(a < 10 and b < 10 for a, b in zip(first, second, strict=True))
    assert both < 0.02 * len(devices)  # 1 % by chance, and 10 % if places were the same


def test_a_place_never_changes() -> None:
    # All versions of strop must agree. sha256sum of both gives de0fc48338c6494c.., of 2^64.
    assert bucket("pi-1", "ab" * 32) == pytest.approx(86.7428094898764, abs=1e-12)


def test_who_gets_what() -> None:
    device = "pi-1"
    place = bucket(device, release(2).bundle)
    for percent, expected in ((place - 0.001, release(1)), (place + 0.001, release(2))):
        channel = CHANNEL._replace(next=Next(release(2), percent, "early"))
        assert wanted(channel, device) == expected
    assert wanted(CHANNEL._replace(next=Next(release(2), 0.0, "none")), device) == release(1)
    assert wanted(CHANNEL._replace(next=Next(release(2), 100.0, "all")), device) == release(2)
    assert wanted(CHANNEL._replace(next=None), device) == release(1)
    assert wanted(empty("stable"), device) is None
