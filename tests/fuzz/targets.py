"""The targets of atheris, each in a separate process.

    python -m tests.fuzz.targets NAME SECONDS FOLDER

These are the readers that see a file's bytes first. They may raise only BundleError, and must write
an accepted file again with the same bytes. FOLDER gets the initial files, and any input that breaks
this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["strop"]):
    from strop.bundle import archive, schema
    from strop.bundle.archive import MANIFEST
    from strop.bundle.file import parse_bundle
    from strop.errors import BundleError

from tests import bundles

_LARGEST_BYTES = 2**14
_DRAFTS = (bundles.image(), bundles.vector())


def zip_reader(data: bytes) -> None:
    """Read an archive, after correcting its digest, which no random input would match."""
    sealed = bundles.reseal(data + bytes(64))
    try:
        members = archive.unpack(sealed)
    except BundleError:
        return
    assert archive.pack({name: bytes(content) for name, content in members.items()}) == sealed


def manifest(data: bytes) -> None:
    try:
        read = schema.parse(data)
    except BundleError:
        return
    assert schema.parse(read.to_json()) == read


def bundle(data: bytes) -> None:
    """Read a bundle with any manifest, with matching digests."""
    members = {MANIFEST: data, **_DRAFTS[len(data) % len(_DRAFTS)].files}
    try:
        parsed = parse_bundle(archive.pack(members))
        parsed.check_digests()
    except BundleError:
        return
    assert {name: bytes(content) for name, content in parsed.members.items()} == members


TARGETS: dict[str, Callable[[bytes], None]] = {
    "zip": zip_reader,
    "manifest": manifest,
    "bundle": bundle,
}


def main(name: str, seconds: str, folder: Path) -> None:
    for number, draft in enumerate(_DRAFTS):
        whole = draft.pack()[:-64]
        (folder / f"seed-{number}").write_bytes(whole if name == "zip" else draft.manifest())
    atheris.Setup(
        [
            name,
            str(folder),
            f"-max_total_time={seconds}",
            f"-max_len={_LARGEST_BYTES}",
            f"-artifact_prefix={folder}/found-",
            *("-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"),
        ],
        TARGETS[name],
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
