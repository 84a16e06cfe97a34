"""The result of `strop tune` for a bundle on this device, kept in the user's cache.

The file is a hint, and its bytes are hostile: they can only choose among what the verified bundle
proves and this device has installed. A file that is damaged, or that is of another device or of
other engines, is ignored with a warning. To forget it, delete it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from strop import engines
from strop.bundle.file import Bundle
from strop.bundle.files import read_file
from strop.bundle.manifest import Manifest, plain
from strop.bundle.records import read_record
from strop.device import cpu
from strop.device.cpu import Cpu
from strop.errors import BundleError, StropError, one_line, warn
from strop.model.tuned_path import table_path
from strop.versions import __version__

if TYPE_CHECKING:  # slow to import, and `strop.load` does without
    from pathlib import Path

SCHEMA = 2
MAX_BYTES = 2**18  # a table of ours is some 5 kB
_MAX_US = 1e9  # a quarter of an hour; no call that anyone tunes takes longer
# Joining pays from here on: below, HTTP takes most of the time of a request.
_LONG_US = 200.0
_LEAST_GAIN = 1.3
_MAX_REASON = 200  # characters of a reason, which may quote a damaged file


class Row(NamedTuple):
    """One candidate: a variant on an engine with so many threads, and its median."""

    engine: str
    file: str
    precision: str
    format: str
    device: str  # "cpu" or "gpu"
    adapter: str  # the GPU's name; empty on the CPU
    threads: int
    p50_us: float  # of a whole batch


class Joined(NamedTuple):
    """The times of the best candidate, with one sample in a call and with several."""

    samples: int
    one_us: float  # of a call with one sample
    several_us: float  # of a call with so many samples

    @property
    def pays(self) -> bool:
        """Whether a server gains by joining requests: a call takes long, and joined ones less."""
        gain = self.samples * self.one_us / self.several_us
        return self.one_us >= _LONG_US and gain >= _LEAST_GAIN


class Table(NamedTuple):
    """The whole table, as the file holds it."""

    schema: int
    bundle: str  # its digest
    strop: str
    cpu: Cpu
    engines: dict[str, str]  # the bundle's engines that were installed, and their releases
    batch: int  # samples per call
    device: str  # that tuning was told to keep to: "cpu" or "gpu"; else "auto"
    rows: tuple[Row, ...]  # best first
    joined: Joined | None


def recall(bundle: Bundle, device: str | None = None) -> tuple[Row, ...]:
    """Read the candidates remembered for a bundle on this device.

    What cannot be used is ignored with a StropWarning that says why, and the mend.

    Args:
        bundle: verified.
        device: "cpu" or "gpu": the candidates on that device. None: those on both, of which the
            faster goes first; there are none if tuning kept to one device and compared nothing.

    Returns:
        The candidates, best first; empty if none are remembered, which is not an error.
    """
    table = _table(bundle)
    if table is None:
        return ()
    if device is None:
        return table.rows if table.device == engines.AUTO else ()
    return tuple(row for row in table.rows if row.device == device)


def recall_joined(bundle: Bundle) -> Joined | None:
    """Return what the best candidate takes for several samples; None if that is not known here."""
    table = _table(bundle)
    return table.joined if table else None


def _table(bundle: Bundle) -> Table | None:
    """Read the table of a bundle; None without one that is true here."""
    path = table_path(bundle.digest)
    if path is None:
        return None
    try:
        data = _read(path)
        if data is None:
            return None
        table = _parse(data)
        _require_true_here(table, bundle)
    except BundleError as error:
        ignore(bundle, str(error))
        return None
    return table


def ignore(bundle: Bundle, reason: str) -> None:
    """Warn that the remembered result of a bundle is not used, and why."""
    manifest = bundle.manifest
    warn(
        f"what strop tune found for {manifest.name}-{manifest.target} is ignored: "
        f"{one_line(reason)[:_MAX_REASON]}; run strop tune again, or delete "
        f"{table_path(bundle.digest)}"
    )


def remember(
    bundle: Bundle,
    rows: Sequence[Row],
    batch: int = 1,
    device: str = engines.AUTO,
    joined: Joined | None = None,
) -> Path:
    """Keep a table for this device; it replaces any older one.

    Args:
        bundle: verified; its digest names the file.
        rows: best first.
        batch: samples per call, as timed.
        device: the one that tuning was told to keep to, "cpu" or "gpu"; else "auto".
        joined: what the best one takes for several samples; None: it was not timed.

    Returns:
        The path of the table.

    Raises:
        StropError: it cannot be written.
    """
    from pathlib import Path

    from strop import durable

    place = table_path(bundle.digest)
    if place is None:
        raise StropError(
            "the winner cannot be remembered: neither XDG_CACHE_HOME nor HOME is an absolute path",
            "set one",
        )
    path = Path(place)
    here = installed(bundle.manifest)
    machine = cpu.this_cpu()
    facts = (SCHEMA, bundle.digest, __version__, machine, here, batch, device)
    table = Table(*facts, tuple(rows), joined)
    content = json.dumps(plain(table), indent=2, allow_nan=False).encode("ascii") + b"\n"
    try:
        # For this user alone, as the XDG specification asks.
        durable.make_folder(str(path.parent), mode=0o700)
        durable.write(place, content, mode=0o600)
    except OSError as error:
        raise StropError(
            f"the winner cannot be remembered in {path}: {error.strerror or error}",
            "set XDG_CACHE_HOME to a folder that can be written",
        ) from None
    return path


def installed(manifest: Manifest) -> dict[str, str]:
    """List the bundle's engines that are installed here, in its order, with their releases.

    The fake engine is never one of them.
    """
    known = [n for n in manifest.engines if n in engines.NAMES and n != engines.FAKE]
    return {n: engines.installed_release(n) for n in known if engines.is_installed(n)}


def _read(path: str) -> bytes | None:
    """Read the file's bytes; None if there is no such file.

    Raises:
        BundleError: it cannot be read, is too large, or is not a regular file.
    """
    try:
        return read_file(path, MAX_BYTES, links=False)[0]
    except OSError as error:
        if not os.path.lexists(path):  # a home that may not be entered is as good as none
            return None
        raise BundleError(f"it cannot be read: {error.strerror or error}") from None


def _parse(data: bytes) -> Table:
    """Read a table, as strictly as a manifest."""
    table: Table = read_record(Table, data, "it", schema=SCHEMA, max_bytes=MAX_BYTES, mend="")
    return table


def _require_true_here(table: Table, bundle: Bundle) -> None:
    """Raise BundleError unless the table is of this bundle, and all it depends on is unchanged."""

    def need(true: bool, otherwise: str) -> None:
        if not true:
            raise BundleError(otherwise)

    need(table.bundle == bundle.digest, "it is of another bundle")
    need(table.strop == __version__, "it was made by another version of strop")
    now = cpu.this_cpu()
    this = f"{now.model or now.machine} x {now.cores}"
    need(table.cpu == now, f"it was made on another CPU than {this}")
    here = installed(bundle.manifest)
    releases = ", ".join(here.values())
    need(table.engines == here, f"other engines were installed than {releases}")
    need(table.batch >= 1, "its batch is not valid")
    need(table.device in engines.ASKABLE, "its device is not valid")
    if table.joined:
        need(table.joined.samples > 1, "its number of joined samples is not valid")
        times_us = (table.joined.one_us, table.joined.several_us)
        need(all(0 < us <= _MAX_US for us in times_us), "a duration of joined samples is not valid")
    variants = {variant.file: variant for variant in bundle.manifest.variants}
    seen = set()
    for row in table.rows:
        variant = variants.get(row.file)
        proven = variant and row.engine in variant.engines and row.engine in here
        if variant is None or not proven:
            raise BundleError("it has a variant that is not proven on an installed engine")
        need(
            row.device in variant.devices and bool(row.adapter) == (row.device == engines.GPU),
            f"it has {row.file} on a device that the file is not made for",
        )
        need(
            table.device in (engines.AUTO, row.device),
            f"it has a row on the {row.device}, and is for the {table.device}",
        )
        kind = (variant.precision, variant.format)
        need((row.precision, row.format) == kind, f"it takes {row.file} for another variant")
        need(1 <= row.threads <= now.cores, "a number of threads is not valid")
        need(0 < row.p50_us <= _MAX_US, "a duration is not valid")
        seen.add((row.engine, row.file, row.device, row.threads))
    need(bool(seen) and len(seen) == len(table.rows), "it has no rows, or one twice")
