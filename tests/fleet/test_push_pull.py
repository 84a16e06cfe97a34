"""Bundles to a real registry and back, and what is done about one that lies."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from oras.provider import Registry as Oras

from strop.bundle.open import open_bundle
from strop.errors import BundleError, InputError, InstallError, RegistryError
from strop.fleet import patch
from strop.fleet.artifact import Release, patch_tag, read_manifest, read_patch_manifest
from strop.fleet.pull import Pulled, find, pull
from strop.fleet.push import push
from strop.fleet.registry import Registry, digest_of, parse
from tests import bundles
from tests.fleet import liar
from tests.fleet.liar import Lie
from tests.fleet.registries import Running, tags

LARGE_BYTES = 400_000  # of the variant: weights that no compression makes smaller


def bundle(folder: Path, name: str, *, version: int = 1, changed: int = 0) -> str:
    """Write a bundle whose model is large; so many bytes of it differ from the first one's."""
    draft = bundles.image()
    weights = np.random.default_rng(7).integers(0, 256, LARGE_BYTES, dtype=np.uint8)
    weights[:changed] += 1
    draft.add_variant("tflite", "float32", ["litert"], weights.tobytes())
    draft.content["model_version"] = version
    return str(draft.write(folder / name))


@pytest.fixture
def old(tmp_path: Path) -> str:
    return bundle(tmp_path, "old.strop")


@pytest.fixture
def new(tmp_path: Path) -> str:
    return bundle(tmp_path, "new.strop", version=2, changed=5000)


@pytest.fixture
def registry(running: Running, repository: str) -> Registry:
    return running.open(repository)


def pulled(
    registry: Registry, which: str, folder: Path, base: str | None = None
) -> tuple[bytes, Pulled]:
    path = folder / "pulled.strop"
    done = pull(registry, find(registry, which), str(path), parts=f"{folder}/parts", base=base)
    assert os.listdir(folder / "parts") == []  # noqa: PTH208
    return path.read_bytes(), done


def test_what_is_pulled_is_what_was_pushed(registry: Registry, old: str, tmp_path: Path) -> None:
    done = push(old, registry)
    assert done.tag == "v1-cpu"
    assert done.new_members == done.members - 2  # some golden files are the same
    data, how = pulled(registry, "v1-cpu", tmp_path)
    assert data == Path(old).read_bytes()
    assert how == (done.sent_bytes - 2, "members")  # {} is the artifact's config
    assert pulled(registry, done.release.manifest, tmp_path)[0] == data
    assert len(data) == done.release.bundle_bytes


def test_a_push_again_moves_nothing(
    running: Running, registry: Registry, repository: str, old: str
) -> None:
    first = push(old, registry)
    with liar.before(running.host) as lying:
        second = push(old, Registry(parse(f"{lying.host}/{repository}")))
    assert (second.sent_bytes, second.new_members) == (0, 0)
    assert second.release == first.release
    assert {method for method, _, _ in lying.asked} == {"GET", "HEAD"}


def test_a_retrained_model_moves_what_changed(
    registry: Registry, old: str, new: str, tmp_path: Path
) -> None:
    push(old, registry)
    done = push(new, registry)
    assert done.new_members == 2  # the model and the manifest
    assert LARGE_BYTES < done.sent_bytes < LARGE_BYTES + 10_000
    data, how = pulled(registry, "v2-cpu", tmp_path, base=old)
    assert data == Path(new).read_bytes()
    assert how == (done.sent_bytes, "members")


def test_a_patch_moves_less(registry: Registry, old: str, new: str, tmp_path: Path) -> None:
    push(old, registry)
    done = push(new, registry, since="v1-cpu")
    assert done.patch_bytes is not None
    assert done.patch_bytes < 10_000
    data, how = pulled(registry, "v2-cpu", tmp_path, base=old)
    assert data == Path(new).read_bytes()
    assert how == (done.patch_bytes, "patch")
    without, by = pulled(registry, "v2-cpu", tmp_path)  # no base, no patch
    assert (without, by.by) == (data, "members")
    tag = patch_tag(find(registry, "v2-cpu").bundle, find(registry, "v1-cpu").bundle)
    assert tag in tags(registry)


def test_a_patch_that_saves_too_little_is_not_put(
    registry: Registry, old: str, tmp_path: Path
) -> None:
    other = bundle(tmp_path, "other.strop", version=2, changed=LARGE_BYTES)
    # Each byte plus one: zstd finds nothing to copy.
    push(old, registry)
    assert push(other, registry, since="v1-cpu").patch_bytes is None
    assert tags(registry) == ["v1-cpu", "v2-cpu"]


def test_a_damaged_base_is_not_used(registry: Registry, old: str, new: str, tmp_path: Path) -> None:
    push(old, registry)
    push(new, registry, since="v1-cpu")
    bad = tmp_path / "bad.strop"
    bad.write_bytes(Path(old).read_bytes()[:-1])
    for base in (str(bad), str(tmp_path / "none"), str(tmp_path)):
        data, how = pulled(registry, "v2-cpu", tmp_path, base=base)
        assert data == Path(new).read_bytes()
        assert how.by == "members"


def test_a_tag_is_not_moved_by_accident(registry: Registry, old: str, new: str) -> None:
    first = push(old, registry, "stable")
    with pytest.raises(InputError, match="--replace moves it"):
        push(new, registry, "stable")
    assert find(registry, "stable") == first.release
    assert not registry.has_blob(digest_of(b"{}x"))
    push(new, registry, "stable", replace=True)
    assert find(registry, "stable").model_version == 2
    with pytest.raises(InputError, match="is this bundle"):
        push(new, registry, "x", since="stable")
    with pytest.raises(RegistryError, match="has no v9"):
        push(new, registry, "x", since="v9")
    assert tags(registry) == ["stable"]


def test_a_damaged_bundle_is_not_pushed(registry: Registry, old: str) -> None:
    Path(old).write_bytes(Path(old).read_bytes()[:-1])
    with pytest.raises(BundleError, match="refused: damaged"):
        push(old, registry)
    assert tags(registry) == []
    with pytest.raises(BundleError, match="cannot read bundle"):
        push(f"{old}.none", registry)


@pytest.mark.parametrize(
    ("part", "lie"),
    [
        ("/blobs/", liar.corrupt),
        ("/blobs/", liar.instead(b"")),
        ("/blobs/", liar.cut(0)),
        ("/blobs/", liar.endless),
        ("/blobs/", liar.answer(404)),
        ("/blobs/", liar.answer(500)),
        ("/manifests/sha256", liar.corrupt),
        ("/manifests/sha256", liar.answer(404)),
        ("/manifests/sha256", liar.endless),
        ("/manifests/patch", liar.endless),
    ],
)
def test_a_lie_leaves_nothing(
    running: Running, repository: str, registry: Registry, old: str, new: str, tmp_path: Path,
    part: str, lie: Lie,
) -> None:  # fmt: skip
    push(old, registry)
    push(new, registry, since="v1-cpu")
    release = find(registry, "v2-cpu")
    path = tmp_path / "here.strop"
    path.write_bytes(b"before")
    with liar.before(running.host) as lying:
        lying.lie(part, lie)
        client = Registry(parse(f"{lying.host}/{repository}"), timeout_s=2, pauses_s=(0.0,))
        with pytest.raises(RegistryError) as caught:
            pull(client, release, str(path), parts=f"{tmp_path}/parts", base=old)
        assert str(caught.value).isprintable()
    assert path.read_bytes() == b"before"
    pull(
        registry, release, str(path), parts=f"{tmp_path}/parts", base=old
    )  # what is left is no harm
    assert path.read_bytes() == Path(new).read_bytes()


def test_an_interrupted_pull_goes_on(
    running: Running, repository: str, registry: Registry, old: str, tmp_path: Path
) -> None:
    push(old, registry)
    release = find(registry, "v1-cpu")
    path, parts = str(tmp_path / "here.strop"), tmp_path / "parts"
    with liar.before(running.host) as lying:
        lying.lie("/blobs/", liar.cut(50_000))
        client = Registry(parse(f"{lying.host}/{repository}"), timeout_s=30, pauses_s=())
        with pytest.raises(RegistryError):
            pull(client, release, path, parts=str(parts))
    (parts / "stray").write_bytes(b"of another release")
    so_far = sum(file.stat().st_size for file in parts.iterdir())
    before = registry.received_bytes
    done = pull(registry, release, path, parts=str(parts))
    assert Path(path).read_bytes() == Path(old).read_bytes()
    assert done.received_bytes == registry.received_bytes - before < LARGE_BYTES
    assert so_far > 50_000
    assert not any(parts.iterdir())


@pytest.mark.parametrize("what", ["damaged", "of another size", "to another bundle", "a bomb"])
def test_a_wrong_patch_is_no_reason_to_go_without(
    registry: Registry, old: str, new: str, tmp_path: Path, what: str
) -> None:
    push(old, registry)
    push(new, registry)
    base, wanted = Path(old).read_bytes(), Path(new).read_bytes()
    made = {
        "damaged": b"\x28\xb5\x2f\xfd" + bytes(100),
        "of another size": patch.make(wanted + b"x", base),
        "to another bundle": patch.make(base[:-1] + b"0", base),
        "a bomb": patch.make(bytes(16 * 2**20), base),
    }[what]
    content = registry.manifest("v2-cpu")
    assert content
    put_patch(registry, content, made, find(registry, "v1-cpu"))
    data, how = pulled(registry, "v2-cpu", tmp_path, base=old)
    assert (data, how.by) == (wanted, "members")


def put_patch(registry: Registry, content: bytes, made: bytes, old: Release) -> None:
    from strop.fleet.artifact import write_patch_manifest

    tag = patch_tag(read_manifest(content).release.bundle, old.bundle)
    registry.put_blob(digest_of(made), made)
    registry.put_manifest(tag, write_patch_manifest(content, made, tag))


def test_a_patch_is_bounded(old: str, new: str) -> None:
    base, wanted = Path(old).read_bytes(), Path(new).read_bytes()
    made = patch.make(wanted, base)
    assert patch.apply(made, base, len(wanted)) == wanted
    for size in (len(wanted) - 1, len(wanted) + 1, 0):
        with pytest.raises(RegistryError, match="does not lead to|is damaged"):
            patch.apply(made, base, size)
    with pytest.raises(RegistryError):
        patch.apply(made + b"x", base, len(wanted))
    with pytest.raises(RegistryError):
        patch.apply(made[:-1], base, len(wanted))
    with pytest.raises(RegistryError):
        patch.apply(b"", base, len(wanted))
    with pytest.raises(RegistryError):
        patch.apply(patch.make(bytes(2**20), base), base, 1000)


def test_a_manifest_of_another_bundle(
    registry: Registry, old: str, new: str, tmp_path: Path
) -> None:
    """A signed channel says what the bundle is; the manifest cannot say otherwise."""
    push(old, registry)
    release = find(registry, "v1-cpu")
    for changed in (
        release._replace(bundle="0" * 64),
        release._replace(bundle_bytes=1),
        release._replace(model_version=9),
    ):
        with pytest.raises(RegistryError, match="is of another bundle"):
            pull(registry, changed, str(tmp_path / "x"), parts=str(tmp_path / "parts"))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\\b", "x"])
def test_members_that_are_not_the_bundles(
    registry: Registry, old: str, tmp_path: Path, name: str
) -> None:
    """A manifest may name layers as it likes: they are never names of files."""
    push(old, registry)
    content = registry.manifest("v1-cpu")
    assert content
    forged = content.replace(
        b'"variants/float32.tflite"', b'"' + name.replace("\\", "\\\\").encode() + b'"'
    )
    assert forged != content
    registry.put_manifest("forged", forged)
    with pytest.raises(RegistryError, match="is not a bundle|is not the bundle"):
        pull(registry, find(registry, "forged"), str(tmp_path / "x"), parts=str(tmp_path / "parts"))
    assert {p.name for p in tmp_path.iterdir()} == {"old.strop", "parts"}
    assert not any((tmp_path / "parts").iterdir())


def test_a_check_that_refuses(registry: Registry, old: str, tmp_path: Path) -> None:
    push(old, registry)

    def refuse(data: bytes) -> None:
        raise BundleError("not signed")

    with pytest.raises(BundleError, match="from 127.* not signed"):
        pull(
            registry,
            find(registry, "v1-cpu"),
            str(tmp_path / "x"),
            parts=str(tmp_path / "parts"),
            check=refuse,
        )
    assert not (tmp_path / "x").exists()


def test_another_client_reads_our_artifacts(
    running: Running, repository: str, registry: Registry, old: str, tmp_path: Path
) -> None:
    """oras-py finds the same members; the layout is not ours alone."""
    push(old, registry)
    files = Oras(insecure=True).pull(
        f"{running.host}/{repository}:v1-cpu", outdir=str(tmp_path / "o")
    )
    found = {Path(f).relative_to(tmp_path / "o").as_posix(): Path(f).read_bytes() for f in files}
    assert found == {name: bytes(data) for name, data in open_bundle(old).members.items()}


def test_the_manifest_of_a_bundle_stays_the_same(old: str) -> None:
    """Its digest is what channels sign."""
    from strop.fleet.artifact import write_manifest

    small = bundles.image()
    data = small.pack()
    path = Path(old)
    path.write_bytes(data)
    opened = open_bundle(path)
    content = write_manifest(opened.manifest, data, opened.members)
    assert content == write_manifest(opened.manifest, data, opened.members)
    found = read_manifest(content)
    assert found.release == Release(
        digest_of(content), digest_of(data)[7:], len(data), "shapes", 1, "cpu"
    )
    assert [layer.name for layer in found.layers] == list(opened.members)
    with pytest.raises(RegistryError, match="is not application/vnd.strop.patch"):
        read_patch_manifest(content)


def test_a_layer_of_a_member_that_is_here_says_its_size(
    registry: Registry, old: str, tmp_path: Path
) -> None:
    """A thousand of them could else fill the memory, for a manifest that promises few bytes."""
    content = registry.manifest(push(old, registry).release.manifest)
    assert content is not None
    manifest = json.loads(content)
    for layer in manifest["layers"]:
        layer["size"] = 0
    forged = json.dumps(manifest).encode()
    registry.put_manifest("forged", forged)
    with pytest.raises(RegistryError, match="malformed: .* does not have 0 bytes"):
        pulled(registry, "forged", tmp_path, base=old)


def test_two_pulls_into_one_folder(registry: Registry, old: str, tmp_path: Path) -> None:
    """The second one ends before it touches what the first one has."""
    release = push(old, registry).release
    parts, path = str(tmp_path / "parts"), str(tmp_path / "pulled")
    refused: list[str] = []

    def second(step: str) -> None:
        if not refused:
            with pytest.raises(InstallError, match="another process is pulling") as caught:
                pull(registry, release, path, parts=parts)
            refused.append(caught.value.problem)

    pull(registry, release, path, parts=parts, progress=second)
    assert refused
    assert Path(path).read_bytes() == Path(old).read_bytes()
