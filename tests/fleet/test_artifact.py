"""Manifests that a registry may give."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.errors import RegistryError
from strop.fleet.artifact import BUNDLE_TYPE, read_manifest, read_patch_manifest

DIGEST = f"sha256:{'1' * 64}"
LAYER = {
    "mediaType": "application/vnd.strop.member.v1",
    "digest": DIGEST,
    "size": 10,
    "annotations": {"org.opencontainers.image.title": "manifest.json"},
}
GOOD: dict[str, Any] = {
    "schemaVersion": 2,
    "artifactType": BUNDLE_TYPE,
    "layers": [LAYER],
    "annotations": {
        "org.opencontainers.image.title": "digits",
        "org.opencontainers.image.version": "3",
        "vnd.strop.target": "rpi",
        "vnd.strop.bundle.sha256": "2" * 64,
        "vnd.strop.bundle.bytes": "1000",
    },
}


def test_a_good_one() -> None:
    found = read_manifest(json.dumps(GOOD).encode())
    assert found.release[1:] == ("2" * 64, 1000, "digits", 3, "rpi")
    assert found.release.label == "digits-rpi v3"
    assert found.layers == (("manifest.json", DIGEST, 10),)


def layer(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda m: m["layers"][0].update(changes)


def note(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda m: m["annotations"].update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(artifactType="application/vnd.other"),
        lambda m: m.pop("artifactType"),
        lambda m: m.update(artifactType=["x"] * 1000),
        lambda m: m.pop("layers"),
        lambda m: m.update(layers={}),
        lambda m: m.update(layers=[7]),
        lambda m: m.update(layers=[LAYER] * 2),
        lambda m: m.update(layers=[LAYER] * 1025),
        lambda m: m.update(  # few bytes, and in memory many times the last one's
            layers=[
                {**LAYER, "size": 0, "annotations": {"org.opencontainers.image.title": f"{i}"}}
                for i in range(1000)
            ]
            + [LAYER]
        ),
        lambda m: m.pop("annotations"),
        lambda m: m.update(annotations=[]),
        lambda m: m["annotations"].pop("vnd.strop.target"),
        note("vnd.strop.bundle.sha256", "2" * 63),
        note("vnd.strop.bundle.sha256", "A" * 64),
        note("vnd.strop.bundle.bytes", "0"),
        note("vnd.strop.bundle.bytes", "-1"),
        note("vnd.strop.bundle.bytes", "9"),
        note("vnd.strop.bundle.bytes", "9" * 15),
        note("vnd.strop.bundle.bytes", "9" * 10_000),
        note("vnd.strop.bundle.bytes", 1000),
        note("vnd.strop.bundle.bytes", "\u0663"),
        note("org.opencontainers.image.version", "1.5"),
        note("org.opencontainers.image.title", "a\x1b[1m"),
        note("org.opencontainers.image.title", ""),
        note("org.opencontainers.image.title", "a" * 201),
        layer(digest="sha512:" + "1" * 128),
        layer(digest=None),
        layer(digest="sha256:../../x"),
        layer(size=-1),
        layer(size=True),
        layer(size=1e3),
        layer(size=2**70),
        layer(size="10"),
        layer(annotations=None),
        layer(annotations={}),
        layer(annotations={"org.opencontainers.image.title": "a\nb"}),
    ],
)
def test_a_bad_one(change: Callable[[dict[str, Any]], None]) -> None:
    made = copy.deepcopy(GOOD)
    change(made)
    with pytest.raises(RegistryError) as caught:
        read_manifest(json.dumps(made).encode())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    for read in (read_manifest, read_patch_manifest):
        with pytest.raises(RegistryError):
            read(content)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(["layers", "annotations", "artifactType"]), _VALUES)
def test_any_json(field: str, value: Any) -> None:
    """A list of no layers is a manifest; what it leads to is no bundle."""
    try:
        read_manifest(json.dumps({**GOOD, field: value}).encode())
    except RegistryError:
        return
    assert value == [] or value == GOOD[field]
