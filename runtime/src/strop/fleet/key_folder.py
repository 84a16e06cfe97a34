"""The folder of the keys that sign channels, on the workstation or in CI.

    root      the private key of root.json: names the keys of all roles; keep it offline
    targets   that of the channels' records: a release engineer's
    online    that of the snapshot and the timestamp: for cron or CI, which renew them
    *.pub     the public halves, for people
    root.json what devices are set up with; public
    channels-seen.json  the newest state that was verified here, so that an old one is never signed

A machine needs only the keys that it signs with, and root.json. One folder is for one repository.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from strop import durable
from strop.bundle.keys import make_pair, read_private
from strop.errors import ChannelError, InputError, printable
from strop.fleet.channels import read_root
from strop.install import lock
from strop.install.turn import holder_of, refusals

KEYS = ("root", "targets", "online")
ROLES_OF = {"root": ("root",), "targets": ("targets",), "online": ("snapshot", "timestamp")}
KEY_OF = {role: key for key, roles in ROLES_OF.items() for role in roles}
ROOT_FILE = "root.json"
_NEXT = ".next"  # how the name of a key ends that is not in a root.json yet
_WAIT_S = 10.0


class KeyFolder:
    """A folder of keys.

    Args:
        path: the folder; it need not be there yet.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def has(self, key: str) -> bool:
        """Tell whether a private key is here."""
        return os.path.lexists(self._key(key))

    def signer(self, key: str) -> CryptoSigner:
        """Read a private key.

        Raises:
            InputError: it is not here, or others may read it.
        """
        return CryptoSigner(read_private(self._key(key)))

    def signer_of(self, key: str, root: Root) -> CryptoSigner:
        """Read the private key that signs for a role, if root.json names it.

        Raises:
            InputError: it is not here, others may read it, or it is not the one in root.json.
        """
        found = self.signer(key)
        if found.public_key.keyid not in root.roles[ROLES_OF[key][0]].keyids:
            raise InputError(
                f"{printable(self._key(key))} is not the key that root.json names for it",
                "get the right one, or strop channels REPOSITORY --replace-key",
            )
        return found

    def make_missing(self) -> None:
        """Make the keys that are not here yet.

        Raises:
            InputError: one cannot be written.
        """
        with refusals(f"make keys in {printable(self.path)}"):
            durable.make_folder(self.path, 0o700)
        for key in KEYS:
            if not self.has(key):
                self._make(key, f"channels {key}")

    def make_next(self, key: str) -> CryptoSigner:
        """Return the key that is to replace one: a new one, or that of an attempt cut short."""
        if not self.has(key + _NEXT):
            self._make(key + _NEXT, f"channels {key}")
        return self.signer(key + _NEXT)

    def _make(self, key: str, comment: str) -> None:
        """Make a pair; the public half of an attempt cut short would be in the way."""
        with refusals(f"make keys in {printable(self.path)}"):
            durable.remove(f"{self._key(key)}.pub")
        make_pair(self._key(key), comment)

    def settle(self, root: Root, content: bytes) -> tuple[str, ...]:
        """Finish replacements whose new root.json is published; return the keys replaced.

        Args:
            root: the newest verified root.
            content: its bytes; root.json becomes this if it is older.
        """
        done = []
        with refusals(f"keep keys in {printable(self.path)}"):
            for key in KEYS:
                if not self.has(key + _NEXT):
                    continue
                keyid = self.signer(key + _NEXT).public_key.keyid
                if keyid in root.roles[ROLES_OF[key][0]].keyids:
                    for suffix in (".pub", ""):  # the private one last: it marks what is to do
                        with contextlib.suppress(FileNotFoundError):
                            os.replace(self._key(key + _NEXT) + suffix, self._key(key) + suffix)  # noqa: PTH105
                    done.append(key)
            if done:
                durable.sync_folder(self.path)
            if root.version > Metadata[Root].from_bytes(self.root()).signed.version:
                self.write_root(content)
        return tuple(done)

    def has_root(self) -> bool:
        """Tell whether root.json is here."""
        return os.path.lexists(self._key(ROOT_FILE))

    def root(self) -> bytes:
        """Read root.json; raises ChannelError if it is not here or is not one."""
        return read_root(self._key(ROOT_FILE))

    def write_root(self, content: bytes) -> None:
        """Write root.json; raises InstallError if the disk refuses."""
        with refusals(f"write {printable(self._key(ROOT_FILE))}"):
            durable.write(self._key(ROOT_FILE), content, 0o644)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder's lock: one process signs at a time.

        Raises:
            ChannelError: another one still signs.
        """
        place = printable(self.path)
        with contextlib.ExitStack() as stack, refusals(f"sign with the keys in {place}"):
            try:
                stack.enter_context(lock.hold(f"{self.path}/lock", _WAIT_S, lambda holder: None))
            except lock.Held as error:
                raise ChannelError(
                    f"{holder_of(str(error))} signs with the keys in {place}",
                    "try again when it has ended",
                ) from None
            yield

    def _key(self, name: str) -> str:
        return f"{self.path}/{name}"
