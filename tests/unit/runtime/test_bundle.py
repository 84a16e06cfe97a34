"""Opening a bundle: it has exactly the manifest's members, and all match their hashes."""

from __future__ import annotations

import hashlib
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from strop.bundle.archive import MAX_ARCHIVE_BYTES
from strop.bundle.file import parse_bundle
from strop.bundle.open import open_bundle
from strop.errors import BundleError
from tests import bundles


class Trap:
    """An object whose unpickling makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_valid_bundle_opens_with_its_members_verified() -> None:
    draft = bundles.image()
    bundle = parse_bundle(draft.pack())
    assert bundle.manifest.name == "shapes"
    assert bundle.read(bundle.manifest.variants[0]) == draft.files["variants/shapes.float32.npz"]
    assert bundle.array(bundle.manifest.golden.inputs[0]).shape == (bundles.SAMPLES, 4, 4)


def test_the_identity_is_the_digest_of_the_manifest() -> None:
    draft = bundles.image()
    assert parse_bundle(draft.pack()).digest == hashlib.sha256(draft.manifest()).hexdigest()


@pytest.mark.parametrize("name", sorted(bundles.image().files))
def test_a_listed_member_that_is_missing_is_named(name: str) -> None:
    draft = bundles.image()
    del draft.files[name]
    with pytest.raises(BundleError, match=f"{name} is listed in the manifest and not there"):
        parse_bundle(draft.pack())


def test_a_member_that_is_not_listed_is_named() -> None:
    draft = bundles.image()
    draft.files["stowaway"] = b""
    with pytest.raises(BundleError, match="stowaway is there and not listed in the manifest"):
        parse_bundle(draft.pack())


def test_the_signature_alone_may_be_unlisted() -> None:
    draft = bundles.image()
    draft.files["signature.json"] = b"{}"
    assert bytes(parse_bundle(draft.pack()).members["signature.json"]) == b"{}"


@pytest.mark.parametrize("name", sorted(bundles.image().files))
@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
def test_a_member_that_is_not_the_one_listed_is_named(name: str, change: str) -> None:
    draft = bundles.image()
    content = draft.files[name]
    draft.files[name] = {
        "longer": content + b"\0",
        "shorter": content[:-1],
        "other": content[:-1] + bytes([content[-1] ^ 1]),
    }[change]
    with pytest.raises(BundleError, match=f"{name} is not the file the manifest lists"):
        parse_bundle(draft.pack()).check_digests()
    if change == "other":
        bundle = parse_bundle(draft.pack())  # an unused member is not checked
        (ref,) = (ref for ref in bundle.manifest.files() if ref.file == name)
        with pytest.raises(BundleError, match=f"{name} is not the file the manifest lists"):
            bundle.read(ref)


def test_a_size_that_is_not_the_hashed_contents_is_refused() -> None:
    draft = bundles.image()
    draft.variant["bytes"] += 1
    with pytest.raises(BundleError, match="is not the file the manifest lists"):
        parse_bundle(draft.pack())


class TestArrays:
    def _array(self, content: bytes) -> object:
        draft = bundles.image()
        draft.put(draft.content["golden"]["inputs"][0], content)
        bundle = parse_bundle(draft.pack())
        return bundle.array(bundle.manifest.golden.inputs[0])

    def test_a_pickled_one_is_refused_and_not_run(self, tmp_path: Path) -> None:
        made = tmp_path / "made by a pickle"
        payload = pickle.dumps(np.array([Trap(made)], dtype=object))
        header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n"
        with pytest.raises(BundleError, match=r"golden/inputs.npy in the bundle is not an array"):
            self._array(bundles.npy_header(header) + payload)
        with pytest.raises(BundleError, match="is not an array"):
            self._array(payload)
        assert not made.exists()
        pickle.loads(payload)
        assert made.exists()  # the trap works

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"noise",
            bundles.npy(np.zeros(3))[:-1],
            bundles.npy_header("("),
            bundles.npy_header("{'descr':'<f4','fortran_order':False,'shape':(-5,)}"),
            bundles.npy_header(f"{{'descr':'<f4','fortran_order':False,'shape':({10**30},)}}"),
            bundles.npy_header(f"{{'descr':'<f4','fortran_order':False,'shape':({10**13},)}}"),
            bundles.npy_header("-" * 9000 + "1"),
            bundles.npy_header(" x\n  y\n z"),
        ],
        ids=lambda content: repr(content[:70]),
    )
    def test_any_other_nonsense_is_refused(self, content: bytes) -> None:
        with pytest.raises(BundleError, match="is not an array"):
            self._array(content)


class TestFiles:
    def test_an_empty_file_takes_no_memory_to_refuse(self, tmp_path: Path) -> None:
        (tmp_path / "empty.strop").write_bytes(b"")
        tracemalloc.start()
        with pytest.raises(BundleError, match="not a bundle"):
            open_bundle(tmp_path / "empty.strop")
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 2**20

    def test_a_bundle_opens_from_a_path_of_any_kind(self, tmp_path: Path) -> None:
        path = bundles.image().write(tmp_path / "a name with spaces \u00e9.strop")
        assert open_bundle(path).digest == open_bundle(str(path)).digest

    def test_a_missing_one_is_said_to_be_missing(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="cannot read bundle .*gone.strop: No such file"):
            open_bundle(tmp_path / "gone.strop")

    def test_one_that_is_too_large_is_refused_unread(self, tmp_path: Path) -> None:
        path = tmp_path / "large.strop"
        with path.open("wb") as file:
            file.truncate(MAX_ARCHIVE_BYTES + 1)
        tracemalloc.start()
        with pytest.raises(BundleError, match=f"more than {MAX_ARCHIVE_BYTES} bytes"):
            open_bundle(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1_000_000

    def test_a_folder_is_said_to_be_one(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="nothing is installed in .*; strop install"):
            open_bundle(tmp_path)

    def test_the_refusal_names_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "short.strop"
        path.write_bytes(bundles.image().pack()[:-100])
        with pytest.raises(BundleError, match=r"bundle .*short.strop refused: damaged"):
            open_bundle(path)
