"""`python -m strop_export.floors [ENGINE ...]`: measure the engines' releases, write the tables.

This takes a while: it installs each release of `releases.py` into a separate environment under
.cache/, tries the files that `probes.py` makes, and removes the release. It keeps results in
.cache/, so no release is measured twice. It needs python3.11, and python3.10 for older releases.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
from collections.abc import Mapping

from strop_export.errors import ExportError
from strop_export.floors.measure import measure
from strop_export.floors.releases import PACKAGES, PYTHONS, RELEASES
from strop_export.paths import FLOORS, cache


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status: 0 the tables are written, 2 an engine cannot be measured, 130 after ^C.
    """
    description = (__doc__ or "").split("\n\n")[1]
    parser = argparse.ArgumentParser(prog="python -m strop_export.floors", description=description)
    parser.add_argument("engine", nargs="*", help=f"{', '.join(RELEASES)} (default: all)")
    engines = parser.parse_args(argv).engine or list(RELEASES)
    cache("floors").mkdir(parents=True, exist_ok=True)
    try:
        for engine in engines:
            if engine not in RELEASES:
                raise ExportError(
                    f"no releases of {engine!r} are listed", f"choose {', '.join(RELEASES)}"
                )
            highest = {}
            for release in RELEASES[engine]:
                print(f"  {engine} {release}", flush=True)
                highest[release] = measure(engine, release)
            path = FLOORS / f"{engine}.toml"
            path.write_text(to_toml(engine, highest), encoding="ascii")
            print(f"{path} has the versions that {len(highest)} releases take")
    except KeyboardInterrupt:
        print("floors: stopped; the results so far are kept", file=sys.stderr)
        return 130
    except ExportError as error:
        print(f"floors: {error}", file=sys.stderr)
        return 2
    return 0


def to_toml(engine: str, highest: Mapping[str, Mapping[str, int]]) -> str:
    """Return the table of an engine as TOML text.

    For each name, it lists only the releases at which the highest version changes.

    Args:
        engine: the engine's name.
        highest: release -> name -> highest version, the releases in ascending order.
    """
    lines = [
        f"# The highest versions that releases of {PACKAGES[engine]} take. Written by",
        f"# `python -m strop_export.floors {engine}` on {datetime.date.today()}; do not edit.",
        f"# Each release was installed ({' or '.join(PYTHONS)}, {platform.machine()}) and tried on",
        "# one-claim files (probes.py). NAME = { RELEASE = VERSION }: from that release on.",
        "releases = [",
        *(f'    "{release}",' for release in highest),
        "]",
        "",
        "[highest]",
    ]
    for name in sorted({name for taken in highest.values() for name in taken}):
        changes: dict[str, int] = {}
        for release, taken in highest.items():
            version = taken.get(name, 0)
            if version != (list(changes.values()) or [0])[-1]:
                changes[release] = version
        entries = ", ".join(f'"{release}" = {version}' for release, version in changes.items())
        lines.append(f"{name} = {{ {entries} }}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
