"""strop sign: sign a bundle."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path

from strop import durable
from strop.bundle import archive
from strop.bundle.file import SIGNATURE, Bundle, parse_bundle, read_bundle
from strop.bundle.keys import read_private
from strop.bundle.signing import public_half, read_signature, sign
from strop.bundle.trust import PublicKey, Trust
from strop.commands.terminal import print_json, print_line, telling
from strop.errors import BundleError, InputError, printable


def main(arguments: argparse.Namespace) -> int:
    """Check every member against the manifest, then sign the bundle, in place or as a copy."""
    key = read_private(arguments.key)
    public = public_half(key)
    source = Path(arguments.bundle).resolve()  # not the link that may lead to it
    if source.is_dir():
        raise InputError(
            f"{printable(arguments.bundle)} is a folder", "sign the bundle, then install it"
        )
    bundle = read_bundle(arguments.bundle)
    bundle.check_digests()
    if not arguments.replace:
        _require_free(bundle, public, arguments.bundle)
    signature = sign(bytes(bundle.members[archive.MANIFEST]), key)
    data = archive.pack({**bundle.members, SIGNATURE: signature})
    parse_bundle(data, Trust((public,), "the key it was signed with"))  # as a device does
    path = arguments.output or arguments.bundle
    try:
        mode = stat.S_IMODE(source.stat().st_mode)
        durable.write(arguments.output or str(source), data, mode)
    except OSError as error:
        raise InputError(f"cannot write {printable(path)}: {error.strerror or error}") from None
    with telling(f"{path} is signed"):
        if arguments.json:
            print_json({"bundle": path, "digest": bundle.digest, "public_key": public.text})
        else:
            print_line(f"{path}: signed by {public}")
    return 0


def _require_free(bundle: Bundle, public: PublicKey, path: str) -> None:
    """Raise if another key has signed the bundle.

    Raises:
        BundleError: its signature cannot be read.
        InputError: another key has signed it.
    """
    content = bundle.members.get(SIGNATURE)
    if content is None:
        return
    mend = "--replace replaces that signature"
    try:
        other = read_signature(content).key
    except BundleError as error:
        raise BundleError(f"bundle {printable(path)}: {error.problem}", mend) from None
    if other != public:
        raise InputError(f"bundle {printable(path)} is signed by another key, {other}", mend)
