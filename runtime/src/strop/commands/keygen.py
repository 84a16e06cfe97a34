"""strop keygen: make a pair of keys to sign with."""

from __future__ import annotations

import argparse

from strop.bundle.keys import make_pair
from strop.commands.terminal import print_json, print_line


def main(arguments: argparse.Namespace) -> int:
    """Make a pair of keys to sign with; only the public key is printed."""
    public = make_pair(arguments.key, arguments.comment)
    if arguments.json:
        print_json(
            {
                "key": arguments.key,
                "public_key_file": f"{arguments.key}.pub",
                "public_key": public.text,
                "comment": public.comment,
            }
        )
        return 0
    print_line(f"{arguments.key}: the private key, to sign with: keep it secret, and keep a copy")
    print_line(f"{arguments.key}.pub: the public key, for the devices: {public}")
    return 0
