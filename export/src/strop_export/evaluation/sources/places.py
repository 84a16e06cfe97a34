"""The files that paths name, on this machine or in a store that pyarrow reads.

A path with `*`, `?` or `[` is a pattern of files: `*` matches within a name, `**` any folders. A
URI, such as s3://bucket/shards/*.parquet, names a store; there `?` starts its options.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pyarrow as pa
from pyarrow import fs

from strop_export.errors import EvaluationError, reason
from strop_export.evaluation.sources.base import Found

ENDINGS = {
    "parquet": (".parquet", ".pq"),
    "tfrecord": (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz"),
}
_TAKEN = "give .parquet, .pq, .tfrecord or .tfrecords files, or a folder of pictures"


class Place(NamedTuple):
    """A path in a file system, and the way back from the file system's names to ours."""

    system: Any  # a pyarrow.fs.FileSystem
    path: str  # as the file system names it
    root: str = ""  # as the file system names what `address` does; unused on this machine
    address: str = ""  # of a URI, the scheme and the host; "" on this machine
    options: str = ""  # of a URI, from the question mark on

    def name(self, path: str) -> str:
        """Return the name, from anywhere, of another path of the file system."""
        if not self.address:
            return path
        return f"{self.address}/{quote(path.removeprefix(self.root).lstrip('/'))}{self.options}"


def locate(path: str) -> Place:
    """Find the file system of a path or URI.

    Raises:
        EvaluationError: the path is empty, or the URI is not one that pyarrow reads, or has a
            password.
    """
    if not path:  # of an unset variable; it would be the working directory
        raise EvaluationError("a path of the data is empty", _TAKEN)
    if "://" not in path:
        return Place(fs.LocalFileSystem(), os.path.abspath(path))  # noqa: PTH100  keeps links
    whole, mark, options = path.partition("?")
    scheme, _, rest = whole.partition("://")
    host, _, inner = rest.partition("/")
    if scheme == "file":
        return Place(fs.LocalFileSystem(), unquote(f"/{inner}"))
    if ":" in host.rpartition("@")[0]:  # reports name the paths
        raise EvaluationError(
            f"a URI of {scheme}:// has a password",
            "leave it out, and set the store's environment variables or configuration",
        )
    address = f"{scheme}://{host}"
    try:
        system, root = _system(f"{address}{mark}{options}")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise EvaluationError(
            f"cannot open {path}: {reason(error)}", "give a path, or a URI such as s3://bucket/name"
        ) from None
    full = f"{root.rstrip('/')}/{unquote(inner)}".rstrip("/")
    return Place(system, full, root, address, mark + options)


@lru_cache
def _system(uri: str) -> tuple[Any, str]:
    """Open a store once, as each opening makes its connections anew."""
    system, root = fs.FileSystem.from_uri(uri)
    return system, root


def find(paths: Sequence[str]) -> tuple[str, list[Found]]:
    """Find the files that paths and patterns name, each once, sorted.

    Returns:
        Their format, "parquet", "tfrecord" or "folder", and the files or folders.

    Raises:
        EvaluationError: a path names nothing, files are of unknown or different formats, or the
            store cannot be read.
    """
    found: dict[str, Found] = {}
    formats: dict[str, str] = {}  # the first path of each
    for path in paths:
        for kind, each in _named(path):
            found[each.path] = each
            formats.setdefault(kind, each.path)
    if not found:
        raise EvaluationError("no data was given", _TAKEN)
    if len(formats) > 1:
        said = " and ".join(f"{kind} ({path})" for kind, path in formats.items())
        raise EvaluationError(f"the data are of several formats: {said}", "evaluate one at a time")
    (kind,) = formats
    return kind, sorted(found.values())


def files_below(folder: str) -> list[Found]:
    """Return all files below a folder, with paths relative to it, sorted.

    Raises:
        EvaluationError: the folder cannot be read.
    """
    place = locate(folder)
    return sorted(
        Found("/".join(parts), info.size or 0, info.mtime_ns or 0)
        for parts, info in _below(place, place.path, recursive=True)
    )


def _named(path: str) -> Iterator[tuple[str, Found]]:
    """Yield the format of each file that a path or pattern names, and the file."""
    place = locate(path)
    try:
        info = place.system.get_file_info(place.path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise EvaluationError(f"cannot read {path}: {reason(error)}") from None
    if info.type == fs.FileType.Directory:
        if place.path.endswith((*ENDINGS["parquet"], *ENDINGS["tfrecord"])):
            raise EvaluationError(f"{path} is a folder", f"give the files in it, '{path}/*'")
        yield "folder", _found(place, info)
        return
    if info.type == fs.FileType.File:
        yield _format(place.path), _found(place, info)
        return
    matched = [_found(place, each) for each in _matching(place)]
    if not matched:
        raise EvaluationError(f"there is no file {path}", _TAKEN)
    for each in matched:
        yield _format(each.path.removesuffix(place.options)), each


def _format(path: str) -> str:
    for kind, endings in ENDINGS.items():
        if path.lower().endswith(endings):
            return kind
    raise EvaluationError(f"{path} is of no format that is known", _TAKEN)


def _found(place: Place, info: Any) -> Found:
    return Found(place.name(info.path), info.size or 0, info.mtime_ns or 0)


def _matching(place: Place) -> Iterator[Any]:
    parts = place.path.split("/")
    fixed = next((i for i, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    wanted = parts[fixed:]
    if not wanted:
        return
    for found, info in _below(
        place, "/".join(parts[:fixed]) or "/", recursive=len(wanted) > 1 or "**" in wanted
    ):
        if _matches(found, wanted):
            yield info


def _below(place: Place, folder: str, *, recursive: bool) -> Iterator[tuple[list[str], Any]]:
    """Yield the files of a folder: the parts of their relative path, and what is known of them."""
    try:
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=recursive)
        infos = place.system.get_file_info(selector)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise EvaluationError(
            f"cannot read the folder {place.name(folder)}: {reason(error)}"
        ) from None
    for info in infos:
        if info.type == fs.FileType.File:
            yield info.path.removeprefix(folder).lstrip("/").split("/"), info


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """Tell whether a path matches; `*` matches no name with a dot first, as in a shell."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        ways = range(len(parts) + 1)
        return any(_matches(parts[skip:], pattern[1:]) for skip in ways)
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


class Watched:
    """A file open for reading, which remembers whether reading itself failed.

    A library that decodes a file raises the same errors for bad bytes and for a store that does not
    answer. Bad bytes are rows to set aside. A store that does not answer ends the work: counted as
    bad rows, it would give other results the next time.
    """

    closed = False

    def __init__(self, path: str) -> None:
        """Open a file.

        Args:
            path: an absolute path or a URI, as `find` returns it.

        Raises:
            EvaluationError: it cannot be opened.
        """
        self.path = path
        self.failure: Exception | None = None
        place = locate(path)
        try:
            self._file = place.system.open_input_file(place.path)
            self.size = self._file.size()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise EvaluationError(f"cannot open {path}: {reason(error)}") from None

    def read(self, size: int = -1) -> bytes:
        """Read bytes from where the file is."""
        return bytes(self._tried(self._file.read, size))

    def read_buffer(self, size: int = -1) -> Any:
        """Read bytes from where the file is, into a pyarrow.Buffer."""
        return self._tried(self._file.read_buffer, size)

    def _tried(self, call: Any, size: int) -> Any:
        try:
            left = max(0, self.size - self._file.tell())  # so much is allocated at most
            return call(min(size, left) if size >= 0 else left)
        except Exception as error:
            self.failure = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the file."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the place in the file."""
        return int(self._file.tell())

    def readable(self) -> bool:
        """Tell that the file can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that the file can seek."""
        return True

    def writable(self) -> bool:
        """Tell that the file cannot be written."""
        return False

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._file.close()

    def blame(self) -> None:
        """Raise, if reading itself failed.

        Raises:
            EvaluationError: the file could not be read.
        """
        if self.failure is not None:
            raise EvaluationError(
                f"cannot read {self.path}: {reason(self.failure)}", "try again"
            ) from self.failure
