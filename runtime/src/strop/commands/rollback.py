"""strop rollback: make the previous bundle current."""

from __future__ import annotations

import argparse

from strop.bundle.manifest import plain
from strop.commands.show import print_changed
from strop.commands.terminal import print_json, print_note, progress, telling
from strop.install.install import rollback
from strop.install.selfcheck import self_check


def main(arguments: argparse.Namespace) -> int:
    """Check the previous bundle on this device, and make it current."""
    with progress() as show:
        event = rollback(
            arguments.folder,
            check=lambda bundle: self_check(bundle, arguments.timeout, show),
            trusted_keys=arguments.trusted_keys,
            wait_s=arguments.wait,
            notify=lambda line: print_note(f"strop: {line}"),
        )
    folder = arguments.folder
    with telling(f"{event.name} v{event.model_version} for {event.target} is current in {folder}"):
        if arguments.json:
            print_json({"folder": folder, "changed": True, "current": plain(event)})
        else:
            print_changed(folder, event)
    return 0
