"""strop verify: check a bundle against the trusted keys."""

from __future__ import annotations

import argparse

from strop.bundle.open import TRUST_FILE, TRUST_VARIABLE, configured_trust, open_bundle
from strop.commands.show import signature
from strop.commands.terminal import print_fact, print_json, print_line
from strop.errors import InputError


def main(arguments: argparse.Namespace) -> int:
    """Check every member against the manifest, and the signature against the trusted keys."""
    if arguments.trusted_keys is None and configured_trust() is None:
        raise InputError(
            "no trusted keys are configured",
            f"give --trusted-keys FILE, name the file in {TRUST_VARIABLE}, or put it at "
            f"{TRUST_FILE}",
        )
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    bundle.check_digests()
    content = bundle.manifest
    if arguments.json:
        print_json(
            {
                "bundle": arguments.bundle,
                "digest": bundle.digest,
                "name": content.name,
                "model_version": content.model_version,
                "target": content.target,
                "signature": signature(bundle),
            }
        )
        return 0
    print_line(f"{content.name} v{content.model_version} for {content.target}")
    print_fact("digest", bundle.digest)
    print_fact("signed", f"by {bundle.signed_by}, verified")
    return 0
