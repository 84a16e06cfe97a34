"""The disk under an install: every change is recorded, stopped at, or undone as by a power cut.

A replacement of `os`, in the modules that write, sees each call that changes the disk. From the
recorded calls, `states` returns all states that a power cut may leave after any number of them, on
a disk with only these guarantees:

- Flushed data (fsync) is there: a file's bytes after the file's flush, a name after its folder's.
- Each unflushed change is there or not, independently; but for one name, no later change without
  the earlier ones. A rename is one change of both its names.
- Unflushed bytes may be there in part, or be zeros or noise.

Real file systems guarantee more, in different ways: Pillai et al., "All File Systems Are Not
Created Equal", OSDI 2014, who replay system calls in this way (ALICE); Mohan et al., "Finding
Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018 (CrashMonkey), who replay
the writes that reach the disk.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from strop import durable
from strop.install import lock

CHANGES = ("open", "write", "pwrite", "ftruncate", "fsync", "replace", "unlink", "mkdir")

Around = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]


class Op(NamedTuple):
    """One recorded change."""

    kind: str  # "old", "create", "content", "fsync", "sync folder", "rename", "unlink", "mkdir"
    path: str  # the file or folder, as it was named when it was opened; renamed: from
    to: str = ""  # renamed: to
    file: int = 0  # which file, whatever its name becomes
    content: bytes = b""  # all of the file's bytes, from then on


Tree = dict[str, bytes | None]  # a path, relative, and a file's bytes; None: a folder


class _Os:
    """`os`, with our own function for each call that may change the disk."""

    def __init__(self, inner: Any, around: Around) -> None:
        self._inner = inner
        self._around = around

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in CHANGES:
            return value
        return lambda *arguments: self._around(name, value, arguments)


@contextmanager
def around(function: Around) -> Iterator[None]:
    """Route the calls that change the disk through a function of (name, call, arguments).

    They include opening, if it may make a file.
    """

    def changes(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "open" and not arguments[1] & os.O_CREAT:
            return call(*arguments)
        return function(name, call, arguments)

    modules: tuple[Any, ...] = (durable, lock)
    inner = modules[0].os
    for module in modules:
        module.os = _Os(inner, changes)
    try:
        yield
    finally:
        for module in modules:
            module.os = inner


class Stopped(BaseException):
    """The process is dead, and changes nothing more."""


@dataclass
class Life:
    over: bool = False


@contextmanager
def stopped(after: int) -> Iterator[Life]:
    """Make a number of changes, then stop as if the process were killed."""
    life = Life()
    made = itertools.count()

    def count(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if life.over or next(made) == after:
            life.over = True
            raise Stopped
        return call(*arguments)

    with suppress(Stopped), around(count):
        yield life


@contextmanager
def full(root: Path, room_bytes: int) -> Iterator[None]:
    """Let the files beneath a folder grow by so many bytes in all; then the disk is full."""

    def used_bytes() -> int:
        return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())

    most_bytes = used_bytes() + room_bytes

    def refuse(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name in ("write", "pwrite"):
            descriptor, content, *offset = arguments
            start = offset[0] if offset else os.lseek(descriptor, 0, os.SEEK_CUR)
            grows_bytes = max(0, start + len(content) - os.fstat(descriptor).st_size)
            if grows_bytes and used_bytes() + grows_bytes > most_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(*arguments)

    with around(refuse):
        yield


@contextmanager
def noted() -> Iterator[list[Op]]:
    """Record every change, in order."""
    ops: list[Op] = []
    files: dict[tuple[int, int], int] = {}  # device and inode -> our number
    contents: dict[int, bytearray] = {}

    def note(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        fresh = name == "open" and not Path(arguments[0]).exists()
        if name in ("write", "ftruncate"):
            _note_old(arguments[0], ops, files, contents)
        result = call(*arguments)
        if name == "replace":
            ops.append(Op("rename", *arguments))
        elif name in ("unlink", "mkdir"):
            ops.append(Op(name, arguments[0]))
        elif name == "open":
            if fresh:
                # A new number, even if the disk reuses a removed file's inode.
                number = len(contents) + 1
                found = os.fstat(result)
                files[found.st_dev, found.st_ino] = number
                contents[number] = bytearray()
                ops.append(Op("create", arguments[0], file=number))
        else:
            path = str(Path(f"/proc/self/fd/{arguments[0]}").readlink())
            if Path(path).is_dir():
                assert name == "fsync"
                ops.append(Op("sync folder", path))
                return result
            found = os.fstat(arguments[0])
            number = files.get((found.st_dev, found.st_ino), 0)
            if not number:  # the lock of an earlier install, whose content is not used
                return result
            if name == "fsync":
                ops.append(Op("fsync", path, file=number))
            else:
                ops.append(Op("content", path, file=number, content=Path(path).read_bytes()))
        return result

    with around(note):
        yield ops


def _note_old(
    descriptor: int,
    ops: list[Op],
    files: dict[tuple[int, int], int],
    contents: dict[int, bytearray],
) -> None:
    """Number a file from before, as it is; but not the lock: nobody relies on what it holds."""
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    found = os.fstat(descriptor)
    place = found.st_dev, found.st_ino
    if place not in files and path.name != "lock":
        files[place] = number = len(contents) + 1
        contents[number] = bytearray()
        ops.append(Op("old", str(path), file=number, content=path.read_bytes()))


def tree(folder: Path) -> Tree:
    """Return the content of a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def plant(folder: Path, content: Tree) -> None:
    """Make a folder with that content."""
    folder.mkdir()
    for name, data in sorted(content.items()):
        if data is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(data)


def states(before: Tree, ops: Sequence[Op], root: Path) -> Iterator[Tree]:
    """Yield all states that a power cut after these changes may leave, each once.

    Args:
        before: the flushed content of the disk under `root`.
    """
    seen: set[frozenset[tuple[str, bytes | None]]] = set()
    for choice in _names(before, ops, root):
        numbers = sorted({what for what in choice.values() if isinstance(what, int)})
        options = [_contents(ops, number) for number in numbers]
        for contents in itertools.product(*options):
            held = dict(zip(numbers, contents, strict=True))
            state = {
                name: held[what] if isinstance(what, int) else what for name, what in choice.items()
            }
            key = frozenset(state.items())
            if key not in seen:
                seen.add(key)
                yield state


def _names(before: Tree, ops: Sequence[Op], root: Path) -> Iterator[dict[str, bytes | int | None]]:
    """Yield the possible sets of names: with bytes, a file's number, or None for a folder."""
    flushed: dict[str, bytes | int | None] = dict(before)
    waiting: dict[str, list[Op]] = {}  # the unflushed changes of each folder
    for op in ops:
        if op.kind == "old":
            flushed[str(Path(op.path).relative_to(root))] = op.file
        elif op.kind == "sync folder":
            for earlier in waiting.pop(op.path, []):
                _apply(flushed, earlier, root)
        elif op.kind in ("create", "rename", "unlink", "mkdir"):
            assert not op.to or Path(op.to).parent == Path(op.path).parent
            waiting.setdefault(str(Path(op.path).parent), []).append(op)
    for kept in itertools.product(*(list(_subsets(changes)) for changes in waiting.values())):
        names = dict(flushed)
        for op in itertools.chain(*kept):
            _apply(names, op, root)
        # A missing folder has no content.
        yield {
            name: what
            for name, what in names.items()
            if all(str(above) in names for above in Path(name).parents if str(above) != ".")
        }


def _apply(names: dict[str, bytes | int | None], op: Op, root: Path) -> None:
    name = str(Path(op.path).relative_to(root))
    if op.kind == "rename":
        names[str(Path(op.to).relative_to(root))] = names.pop(name)
    elif op.kind == "unlink":
        del names[name]
    else:
        names[name] = op.file if op.kind == "create" else None


def _subsets(ops: Sequence[Op]) -> Iterator[tuple[Op, ...]]:
    """Yield the sets of changes that may be there: for one name, none without the earlier ones."""
    for keep in itertools.product((False, True), repeat=len(ops)):
        lost: set[str] = set()
        for op, kept in zip(ops, keep, strict=True):
            touched = {op.path, op.to} - {""}
            if not kept:
                lost |= touched
            elif lost & touched:
                break
        else:
            yield tuple(itertools.compress(ops, keep))


def _contents(ops: Sequence[Op], number: int) -> list[bytes]:
    """Yield the possible contents of a file."""
    flushed = b""
    written: list[bytes] = []
    for op in ops:
        if op.file == number and op.kind == "old":
            flushed = op.content
        elif op.file == number and op.kind == "fsync":
            flushed, written = (written or [flushed])[-1], []
        elif op.file == number and op.kind == "content":
            written.append(op.content)
    found = [flushed]
    for content in written:
        size, half = len(content), len(content) // 2
        found += [b"", content[:half], content[: size - 1], content, bytes(size)]
        found += [content[:half] + bytes(size - half), b"\xa5" * size]
    return list(dict.fromkeys(found))
