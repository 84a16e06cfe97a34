"""One repository of an OCI registry (the OCI distribution spec, 1.1).

Nothing that a registry says is believed: sizes are bounded before bytes are read, and what is asked
for by its digest has that digest, or there is an error.
"""

# One call of os for each change, and no wait for pathlib:
# ruff: noqa: PTH108, PTH116

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from strop.bundle.digest import is_sha256, sha256_hex
from strop.bundle.records import decode
from strop.errors import InputError, RegistryError, printable
from strop.fleet.transport import (
    CHUNK_BYTES,
    MAX_ANSWER_BYTES,
    PAUSES_S,
    Answer,
    Passing,
    Transport,
    reason_in,
    wait,
)
from strop.install.turn import refusals

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_BLOB_TYPE = "application/octet-stream"
_WORTH_BYTES = 2**20  # a try that got so much further than any before does not count as failed
_NO_RANGES = frozenset({400, 416, 501})  # to a request for a part

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MAX_REPOSITORY = 255  # characters, with the host: what registries take

Moved = Callable[[int], None]  # told how many bytes of a blob have come


class Reference(NamedTuple):
    """What REGISTRY/REPOSITORY[:TAG][@DIGEST] names."""

    registry: str  # host, and port if there is one
    repository: str
    tag: str | None
    digest: str | None  # "sha256:<hex>"

    @property
    def place(self) -> str:
        """The repository's name."""
        return f"{self.registry}/{self.repository}"


def parse(text: str) -> Reference:
    """Read a reference, as the OCI distribution spec writes one.

    Raises:
        InputError: it is not one.
    """
    rest, at, digest = text.partition("@")
    registry, slash, path = rest.partition("/")
    path, colon, tag = path.partition(":")
    local = registry.partition(":")[0] == "localhost"
    problem = ""
    if "://" in text:
        problem = "a reference has no https:// before it"
    elif not slash or not _HOST.fullmatch(registry) or not (local or set(".:") & set(registry)):
        problem = "it does not begin with the registry's host"
    elif len(rest) > _MAX_REPOSITORY + 128 or not _REPOSITORY.fullmatch(path):
        problem = "a repository's name has lower-case letters, digits, and . _ - / between them"
    elif colon and not _TAG.fullmatch(tag):
        problem = "a tag has up to 128 letters, digits, and . _ -"
    elif at and not is_digest(digest):
        problem = "a digest is sha256: and 64 hexadecimal digits"
    if problem:
        raise InputError(
            f"{text[:300]!r} names nothing in a registry: {problem}",
            "write as registry.example.com/models/digits:v1",
        )
    return Reference(registry, path, tag or None, digest or None)


def is_digest(text: Any) -> bool:
    """Tell whether a value is a digest that strop uses: "sha256:<hex>"."""
    return type(text) is str and text.startswith("sha256:") and is_sha256(text[7:])


def digest_of(content: bytes | memoryview) -> str:
    """Return the digest of some bytes, as a registry writes it."""
    return f"sha256:{sha256_hex(content)}"


class Registry:
    """One repository; use one instance in each thread.

    Args:
        reference: the repository; its tag and digest are not looked at.
        timeout_s: seconds to wait for a connection, for an answer, and for more of one.
        pauses_s: seconds to wait before each further try of what may pass by itself.

    Attributes:
        place: the repository's name, for messages.
        sent_bytes: of blobs, since this was made.
        received_bytes: the same.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        timeout_s: float = 30.0,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self.place = reference.place
        self.sent_bytes = 0
        self.received_bytes = 0
        self._pauses_s = pauses_s
        self._http = Transport(
            reference.registry, reference.repository, timeout_s=timeout_s, pauses_s=pauses_s
        )

    def manifest(self, which: str, max_bytes: int = MAX_ANSWER_BYTES) -> bytes | None:
        """Return a manifest; None if there is none.

        Args:
            which: a tag or a digest; what comes by a digest has that digest.
            max_bytes: the largest that is taken.

        Raises:
            RegistryError: the registry cannot be reached, refuses, or gives other bytes.
        """
        answer = self._http.ask(
            "GET",
            f"manifests/{_safe(which)}",
            headers={"Accept": MANIFEST_TYPE},
            max_bytes=max_bytes,
        )
        if answer.status == 404:
            return None
        self._require(answer, 200, f"give the manifest {which}")
        if is_digest(which) and digest_of(answer.body) != which:
            raise self._other_bytes(which)
        return answer.body

    def put_manifest(self, which: str, content: bytes) -> None:
        """Put a manifest under a tag, in place of the one that has the tag now.

        Args:
            which: the tag, or the manifest's own digest.
            content: the manifest; its `mediaType` says what it is.

        Raises:
            RegistryError: the registry cannot be reached, or refuses.
        """
        kind = str(decode(content, "the manifest").get("mediaType", MANIFEST_TYPE))
        answer = self._http.ask(
            "PUT", f"manifests/{_safe(which)}", body=content, headers={"Content-Type": kind}
        )
        self._require(answer, 201, f"take the manifest {which}")

    def has_blob(self, digest: str) -> bool:
        """Tell whether the repository has a blob.

        Raises:
            RegistryError: the registry cannot be reached, or refuses.
        """
        answer = self._http.ask("HEAD", f"blobs/{_safe(digest)}")
        if answer.status == 404:
            return False
        self._require(answer, 200, f"tell whether it has {digest}")
        return True

    def blob(self, digest: str, size_bytes: int) -> bytes:
        """Return a small blob, verified.

        Raises:
            RegistryError: it is not there, the registry cannot be reached, or gives other bytes.
        """
        answer = self._http.ask(
            "GET", f"blobs/{_safe(digest)}", max_bytes=max(size_bytes, CHUNK_BYTES)
        )
        self._require(answer, 200, f"give {digest}")
        self.received_bytes += len(answer.body)
        if len(answer.body) != size_bytes or digest_of(answer.body) != digest:
            raise self._other_bytes(digest)
        return answer.body

    def fetch(
        self, digest: str, size_bytes: int, path: str, moved: Moved = lambda so_far: None
    ) -> None:
        """Bring a blob into a file; what an earlier call has left there is resumed.

        If that turns out to be the start of something else, everything is fetched again, once.

        Args:
            digest: of the blob.
            size_bytes: of the blob.
            path: the file; made if it is missing.
            moved: told how many bytes are there; what it raises ends the transfer.

        Raises:
            RegistryError: the blob is not there, the registry cannot be reached, or gives other
                bytes; then the file is removed. What did come before a lost connection stays.
            InstallError: the disk refuses.
        """
        with refusals(f"write {printable(path)}"):
            resumed = self._fill(digest, size_bytes, path, moved)
            if _file_digest(path) == digest:
                return
            os.unlink(path)
            if resumed:
                self._fill(digest, size_bytes, path, moved)
                if _file_digest(path) == digest:
                    return
                os.unlink(path)
        raise self._other_bytes(digest)

    def put_blob(self, digest: str, content: bytes | memoryview) -> None:
        """Put a blob; nothing moves if it is there.

        Raises:
            RegistryError: the registry cannot be reached, or refuses.
        """
        if self.has_blob(digest):
            return
        # An upload that is lost cannot be continued: another one is begun.
        begun = self._http.ask("POST", "blobs/uploads/")
        self._require(begun, 202, "begin an upload")
        place = begun.headers.get("Location", "")
        url = f"{place}{'&' if '?' in place else '?'}digest={quote(digest, safe='')}"
        answer = self._http.ask("PUT", url, body=content, headers={"Content-Type": _BLOB_TYPE})
        self.sent_bytes += len(content)
        if answer.status != 201 and self.has_blob(digest):  # the answer to an earlier try was lost
            return
        self._require(answer, 201, f"take {digest}")

    def _fill(self, digest: str, size_bytes: int, path: str, moved: Moved) -> bool:
        """Fetch what a file lacks of a blob, and return whether it had a part of it before."""
        had = resumed = _size(path)
        if had > size_bytes:
            os.truncate(path, 0)
            had = resumed = 0
        failed, furthest = 0, had
        while had < size_bytes or not resumed:
            try:
                self._append(digest, size_bytes, path, had, moved)
                break
            except Passing as error:
                now = _size(path)
                failed = 0 if now - furthest >= _WORTH_BYTES else failed + 1
                furthest = max(furthest, now)
                if failed > len(self._pauses_s):
                    raise
                had = now
                wait(error, self._pauses_s[failed - 1] if failed else 0.0)
        return bool(resumed)

    def _append(self, digest: str, size_bytes: int, path: str, had: int, moved: Moved) -> None:
        """Ask for a blob from a place on, and append what comes to a file.

        An answer that is not the part that was asked for empties the file, so that the next try
        fetches the whole.
        """
        headers = {"Range": f"bytes={had}-"} if had else {}
        with self._http.open("GET", f"blobs/{_safe(digest)}", headers=headers) as answer:
            span = f"bytes {had}-{size_bytes - 1}/{size_bytes}"
            is_other = answer.status == 206 and answer.headers.get("Content-Range") != span
            if is_other or (had and answer.status in _NO_RANGES):
                raise self._no_part(digest, path, had)
            if answer.status == 404:
                raise RegistryError(f"{self.place} has no {digest}", "push the bundle again")
            if answer.status not in (200, 206):
                raise self._unexpected(answer.status, f"give {digest}")
            starts_over = answer.status == 200
            with open(path, "wb" if starts_over else "ab") as file:  # noqa: PTH123
                so_far = 0 if starts_over else had
                moved(so_far)
                for piece in self._http.pieces(answer):
                    so_far += len(piece)
                    self.received_bytes += len(piece)
                    if so_far > size_bytes and not starts_over:
                        raise self._no_part(digest, path, had)
                    if so_far > size_bytes:
                        raise RegistryError(
                            f"{self.place} gives more than the {size_bytes} bytes of {digest}"
                        )
                    file.write(piece)
                    moved(so_far)
            if so_far < size_bytes:
                raise Passing(f"{self.place} gives {so_far} of the {size_bytes} bytes of {digest}")

    def _no_part(self, digest: str, path: str, had: int) -> RegistryError:
        """Empty the file, and return the error of an answer that is not the rest of a blob."""
        if not had:
            return RegistryError(f"{self.place} gives a part of {digest}, and was asked for all")
        os.truncate(path, 0)
        return Passing(f"{self.place} does not give the part of {digest} that was asked for")

    def _require(self, answer: Answer, status: int, action: str) -> None:
        if answer.status != status:
            raise self._unexpected(answer.status, action, reason_in(answer.body))

    def _unexpected(self, status: int, action: str, reason: str = "") -> RegistryError:
        said = f": {reason}" if reason else ""
        return RegistryError(f"{self.place} does not {action}: it answers {status}{said}")

    def _other_bytes(self, digest: str) -> RegistryError:
        return RegistryError(
            f"{self.place} gives other bytes than those of {digest}",
            "try again; if it goes on, the registry is damaged, or somebody changes what it gives",
        )


def _safe(which: str) -> str:
    if not (_TAG.fullmatch(which) or is_digest(which)):
        raise InputError(f"{which[:300]!r} is neither a tag nor a digest")
    return which


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _file_digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"
