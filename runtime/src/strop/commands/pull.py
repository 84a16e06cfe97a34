"""strop pull: fetch a bundle from a registry."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from strop.bundle.file import parse_bundle, read_bundle
from strop.bundle.manifest import plain
from strop.bundle.open import trust_in
from strop.commands.fleet import open_reference, release_in_channel
from strop.commands.terminal import print_fact, print_json, print_line, progress, telling
from strop.errors import InputError

if TYPE_CHECKING:
    from strop.fleet.artifact import Release
    from strop.fleet.registry import Reference, Registry


def main(arguments: argparse.Namespace) -> int:
    """Find the release, fetch what is not here, verify it, and write the file."""
    reference, registry = open_reference(arguments.reference)
    from strop.fleet.pull import pull

    output, base = arguments.output, arguments.base
    trust = trust_in(arguments.trusted_keys)
    if base:
        read_bundle(base)  # or say what is wrong with it
    release = _release(arguments, reference, registry)
    parts = f"{output}.parts"  # a call that was interrupted is resumed from there
    with progress() as show:
        done = pull(
            registry,
            release,
            output,
            parts=parts,
            base=base or output,
            progress=show,
            check=lambda data: parse_bundle(data, trust).check_digests(),
        )
    with contextlib.suppress(OSError):
        Path(parts).rmdir()
    with telling(f"{output} is {release.label}"):
        if arguments.json:
            print_json(
                {"repository": registry.place, "output": output, **plain(release), **plain(done)}
            )
        else:
            print_line(f"{output} is {release.label}")
            print_fact("digest", release.manifest)
            how = "as a patch" if done.by == "patch" else "the members that were not here"
            print_fact("got", f"{done.received_bytes:,} bytes: {how}")
    return 0


def _release(arguments: argparse.Namespace, reference: Reference, registry: Registry) -> Release:
    """Return the release that is asked for: by a channel, a digest or a tag."""
    from strop.fleet.pull import find

    which = reference.digest or reference.tag
    if arguments.channel and which:
        raise InputError(
            f"{arguments.reference} and --channel both name a release", "leave one of them out"
        )
    if bool(arguments.channel) != bool(arguments.root):
        raise InputError("a channel is verified from a root.json", "give --channel and --root")
    if arguments.channel:
        return release_in_channel(registry, arguments.root, arguments.channel)
    if not which:
        raise InputError(
            f"{arguments.reference} names no release",
            "add :TAG or @DIGEST, or give --channel and --root",
        )
    return find(registry, which)
