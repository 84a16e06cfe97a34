"""strop keygen: make a pair of keys to sign with."""

from __future__ import annotations

import argparse

from strop.bundle.keys import make_pair
from strop.commands.terminal import print_json, print_line, telling


def main(arguments: argparse.Namespace) -> int:
    """Make a pair of keys to sign with; only the public key is printed."""
    public = make_pair(arguments.key, arguments.comment)
    private, public_file = arguments.key, f"{arguments.key}.pub"
    with telling(f"{private} and {public_file} are made"):
        if arguments.json:
            print_json(
                {
                    "key": private,
                    "public_key_file": public_file,
                    "public_key": public.text,
                    "comment": public.comment,
                }
            )
        else:
            print_line(f"{private}: the private key, to sign with: keep it secret, and keep a copy")
            print_line(f"{public_file}: the public key, for the devices: {public}")
    return 0
