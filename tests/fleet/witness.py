"""A witness of all that is ever current on a device: was it whole, signed, and in the channel?"""

from __future__ import annotations

import threading
from pathlib import Path

from strop.bundle import installed
from strop.bundle.digest import sha256_hex
from strop.bundle.file import parse_bundle
from strop.bundle.trust import Trust
from strop.errors import StropError


class Witness:
    """It is asked whenever a device may have changed, from any thread.

    Attributes:
        allowed: bundles that were signed into the channel, by the SHA-256 of their bytes.
        seen: how often it has looked at a bundle that was current.
        unverified: what was current and must not have been, one line each.
    """

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._lock = threading.Lock()
        self.allowed: set[str] = set()
        self.seen = 0
        self.unverified: list[str] = []

    def look(self, folder: Path) -> str | None:
        """Verify what is current in a folder of installs, and all that its history has had.

        Returns:
            The current bundle, by the SHA-256 of its bytes; None if nothing is installed.
        """
        try:
            record = installed.find(folder)
            if record is None:
                return None
            current = record.current.bundle
            data = Path(installed.bundle_path(str(folder), current)).read_bytes()
            parse_bundle(data, self._trust).check_digests()
            names = {current, sha256_hex(data), *(event.bundle for event in record.history)}
            strange = names - self.allowed
            fault = f"{strange} was never in the channel" if strange else ""
        except (StropError, OSError) as error:
            current, fault = None, str(error)
        with self._lock:
            self.seen += 1
            if fault:
                self.unverified.append(f"{folder}: {fault}")
        return current
