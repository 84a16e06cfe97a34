"""strop history: what was installed in a folder, and when."""

from __future__ import annotations

import argparse

from strop.bundle import installed
from strop.bundle.manifest import plain
from strop.commands.show import print_json, print_table


def main(arguments: argparse.Namespace) -> int:
    """Show what was installed, newest first, and what a rollback would go to."""
    folder = arguments.folder
    record = installed.read(folder)
    if arguments.json:
        print_json({"folder": folder, "bundles": record.bundles, "history": plain(record.history)})
        return 0
    rows = [("", "time (UTC)", "action", "model", "target", "digest", "checked on", "max error")]
    for i, event in enumerate(reversed(record.history)):
        rows.append(
            (
                "" if i else "*",
                event.time,
                event.action,
                f"{event.name} v{event.model_version}",
                event.target,
                event.digest[:12],
                ", ".join(dict.fromkeys(checked.engine for checked in event.checked)),
                f"{max((checked.max_abs_error for checked in event.checked), default=0.0):.2g}",
            )
        )
    print_table(rows)
    earlier = len(record.bundles) - 1
    print(
        f"* is current; strop rollback can go back {'once' if earlier == 1 else f'{earlier} times'}"
        if earlier
        else "* is current, and there is none before it to go back to"
    )
    return 0
