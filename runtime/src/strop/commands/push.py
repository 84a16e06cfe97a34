"""strop push: put a bundle into a registry."""

from __future__ import annotations

import argparse

from strop.bundle.manifest import plain
from strop.bundle.open import trust_in
from strop.commands.fleet import open_reference
from strop.commands.terminal import print_fact, print_json, print_line, progress, telling


def main(arguments: argparse.Namespace) -> int:
    """Verify a bundle, put what the registry lacks of it, and then its manifest."""
    reference, registry = open_reference(arguments.reference)
    from strop.errors import InputError
    from strop.fleet.push import push

    if reference.digest:
        raise InputError(
            f"{arguments.reference} has a digest, which a push brings about",
            "name the repository, and a tag if you like",
        )
    with progress() as show:
        done = push(
            arguments.bundle,
            registry,
            reference.tag,
            since=arguments.since,
            replace=arguments.replace,
            trust=trust_in(arguments.trusted_keys),
            progress=show,
        )
    release, place = done.release, f"{registry.place}:{done.tag}"
    with telling(f"{release.label} is {place}"):
        if arguments.json:
            print_json({"reference": place, **plain(done)})
            return 0
        print_line(f"{release.label} is {place}")
        print_fact("digest", release.manifest)
        moved = f"{done.new_members} of {done.members} members were new: {done.sent_bytes:,} bytes"
        print_fact("sent", moved)
        if done.patch_bytes is not None:
            print_fact("patch", f"from {arguments.since}: {done.patch_bytes:,} bytes")
        elif arguments.since:
            print_fact("patch", f"none from {arguments.since}: it would save less than half")
    return 0
