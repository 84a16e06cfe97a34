"""With configured trust, only bundles signed by a trusted key are accepted: no changed bit."""

from __future__ import annotations

import random
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strop.bundle import archive, signing
from strop.bundle.file import parse_bundle
from strop.bundle.trust import Trust
from strop.errors import BundleError
from tests import bundles
from tests.figures import Record

MUTANTS = 10_000


def _flipped(content: bytes) -> Iterator[bytes]:
    """Yield every copy with one flipped bit."""
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def _mutant(content: bytes, number: int) -> bytes:
    """Return the content with one to three pieces changed, removed, doubled or inserted."""
    chance = random.Random(number)
    changed = content
    while changed == content:
        for _ in range(chance.randint(1, 3)):
            start = chance.randrange(len(changed) + 1)
            end = min(len(changed), start + chance.choice((0, 0, 1, 2, 8, 64)))
            piece = chance.choice(
                (b"", changed[start:end] * 2, chance.randbytes(end - start or 1), b"0", b"\n")
            )
            changed = changed[:start] + piece + changed[end:]
    return changed


def test_no_changed_signature_or_manifest_is_taken_for_a_signed_one(figure: Record) -> None:
    """Each is repacked with a matching digest, as by an attacker who knows the format."""
    draft = bundles.image()
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    trust = Trust((signing.public_half(key),), "the keys of the test")
    members = {archive.MANIFEST: draft.manifest(), **draft.files}
    members["signature.json"] = signing.sign(draft.manifest(), key)
    assert parse_bundle(archive.pack(members), trust).signed_by == trust.keys[0]
    tried, through = 0, []
    for name in ("signature.json", archive.MANIFEST):
        right = members[name]
        pieces = (_mutant(right, number) for number in range(MUTANTS // 2))
        for mutants in (_flipped(right), pieces):
            for mutant in mutants:
                tried += 1
                try:
                    parse_bundle(archive.pack({**members, name: mutant}), trust)
                    through.append((name, mutant))
                except BundleError:
                    pass
    figure("changed signatures and signed manifests, refused under trust", tried, len(through))
    assert through == []
