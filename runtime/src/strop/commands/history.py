"""strop history: list what was installed in a folder, and when."""

from __future__ import annotations

import argparse

from strop.bundle import installed
from strop.bundle.manifest import plain
from strop.commands.terminal import print_json, print_line, print_table


def main(arguments: argparse.Namespace) -> int:
    """Show what was installed, newest first, and the bundle for a rollback."""
    folder = arguments.folder
    record = installed.read(folder)
    if arguments.json:
        print_json({"folder": folder, "bundles": record.bundles, "history": plain(record.history)})
        return 0
    rows = []
    for i, event in enumerate(reversed(record.history)):
        rows.append(
            (
                "" if i else "*",
                event.time,
                event.action,
                f"{event.name} v{event.model_version}",
                event.target,
                event.digest[:12],
                f"{max((checked.max_abs_error for checked in event.checked), default=0.0):.2g}",
                ", ".join(dict.fromkeys(checked.engine for checked in event.checked)),
            )
        )
    header = ("", "time (UTC)", "action", "model", "target", "digest", "max error", "checked on")
    print_table(rows, header)
    earlier = len(record.bundles) - 1
    print_line(
        f"* is current; strop rollback can go back {'once' if earlier == 1 else f'{earlier} times'}"
        if earlier
        else "* is current, and there is none before it to go back to"
    )
    return 0
