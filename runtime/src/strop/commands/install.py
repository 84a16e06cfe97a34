"""strop install: make a bundle the current one of a folder."""

from __future__ import annotations

import argparse

from strop.bundle import installed
from strop.bundle.manifest import plain
from strop.commands.show import print_changed
from strop.commands.terminal import print_json, print_line, print_note, progress, telling
from strop.install.install import install
from strop.install.selfcheck import self_check


def main(arguments: argparse.Namespace) -> int:
    """Verify a bundle, check it on this device, and make it current."""
    folder = arguments.into
    with progress() as show:
        event = install(
            arguments.bundle,
            folder,
            check=lambda bundle: self_check(bundle, arguments.timeout, show),
            trusted_keys=arguments.trusted_keys,
            allow_downgrade=arguments.allow_downgrade,
            keep=arguments.keep,
            wait_s=arguments.wait,
            notify=lambda line: print_note(f"strop: {line}"),
        )
    current = event or installed.read(folder).current
    it = f"{current.name} v{current.model_version} for {current.target}"
    with telling(f"{it} is current in {folder}"):
        if arguments.json:
            print_json({"folder": folder, "changed": event is not None, "current": plain(current)})
        elif event is None:
            print_line(f"{it} is current in {folder} already: nothing to do")
        else:
            print_changed(folder, event)
    return 0
