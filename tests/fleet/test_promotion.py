"""Promoting: whole releases only, and no older or stopped one by accident."""

from __future__ import annotations

import pytest

from strop.bundle.file import parse_bundle
from strop.errors import ChannelError, InputError, RegistryError
from strop.fleet.artifact import Release, write_manifest
from strop.fleet.channel import Channel, Next, empty
from strop.fleet.promotion import promote, require_whole, runs_of
from strop.fleet.publishing import change, look
from strop.fleet.registry import digest_of
from tests.bundles import image
from tests.fleet.memory import Memory
from tests.fleet.test_channel import release
from tests.fleet.test_channels import Place, place, runs

__all__ = ["place"]

CHANNEL = Channel(1, "stable", release(2), Next(release(3), 10.0, "early"), (release(4).bundle,))


def test_it_runs_everywhere_and_the_rollout_ends() -> None:
    assert promote(CHANNEL, release(3)) == CHANNEL._replace(runs=release(3), next=None)
    assert promote(empty("new"), release(1)) == empty("new")._replace(runs=release(1))


def test_an_older_one_is_promoted_on_purpose_only() -> None:
    with pytest.raises(InputError, match="runs v2, and digits v1 is older; --allow-downgrade"):
        promote(CHANNEL, release(1))
    assert promote(CHANNEL, release(1), allow_downgrade=True).runs == release(1)


def test_a_stopped_one_is_promoted_on_purpose_only() -> None:
    with pytest.raises(InputError, match="has stopped digits v4; --allow-stopped"):
        promote(CHANNEL, release(4))
    after = promote(CHANNEL, release(4), allow_stopped=True)
    assert (after.runs, after.stopped) == (release(4), ())


def pushed(registry: Memory, contents: tuple[bytes, ...] = (b"one", b"two")) -> Release:
    for content in (b"{}", *contents):
        registry.put_blob(digest_of(content), content)
    members = {f"member-{number}": content for number, content in enumerate(contents)}
    manifest = write_manifest(parse_bundle(image().pack()).manifest, b"".join(contents), members)
    registry.manifests[digest_of(manifest)] = manifest
    return release(1)._replace(manifest=digest_of(manifest))


def test_a_release_must_be_whole() -> None:
    registry = Memory()
    found = pushed(registry)
    require_whole(registry, found)
    with pytest.raises(RegistryError, match="has no manifest sha256"):
        require_whole(registry, release(1))
    for content in (b"{}", b"one", b"two"):
        kept = registry.blobs.pop(digest_of(content))
        with pytest.raises(RegistryError, match=f"lacks {digest_of(content)}; push"):
            require_whole(registry, found)
        registry.blobs[digest_of(content)] = kept


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"layers": [1]}',
        b'{"layers": [{"digest": "md5:1"}]}',
        b'{"layers": []}',
    ],
)
def test_a_manifest_that_is_not_one_is_refused(content: bytes) -> None:
    registry = Memory()
    registry.manifests[release(1).manifest] = content
    with pytest.raises(RegistryError):
        require_whole(registry, release(1))


def test_a_channel_is_a_source(place: Place) -> None:
    change(place.registry, place.keys, "soon", lambda c: c._replace(next=Next(release(1), 1, "a")))
    channels, state = look(place.registry, place.keys)
    assert runs_of(channels, state, "stable") == release(1)
    with pytest.raises(ChannelError, match="soon runs nothing yet"):
        runs_of(channels, state, "soon")
    with pytest.raises(ChannelError, match="no channel beta"):
        runs_of(channels, state, "beta")
    change(place.registry, place.keys, "beta", runs(release(1)))
