"""The disk under an install: every change noted, stopped at, or undone as a power cut would.

A stand-in for `os`, in the modules that write, sees each call that changes the disk. From the calls
that were noted, `states` gives whatever a power cut may leave after any number of them, on a disk
that keeps no promise but these:

- What was flushed (fsync) is there: a file's bytes by the file's flush, a name by its folder's.
- What was not is there or not, each for itself; but of one name, no later change without the
  earlier ones. A rename is one change, of both its names.
- Bytes that were not flushed may be there in part, or be zeros, or noise.

Real file systems promise more, each something else: Pillai et al., "All File Systems Are Not
Created Equal", OSDI 2014, who replay system calls in this way (ALICE); Mohan et al., "Finding
Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018 (CrashMonkey), who replay
what reaches the disk.
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
    """One change, as it was made."""

    kind: str  # "old", "create", "content", "fsync", "sync folder", "rename", "unlink", "mkdir"
    path: str  # the file or folder, as it was named when it was opened; renamed: from
    to: str = ""  # renamed: to
    file: int = 0  # which file, whatever its name becomes
    content: bytes = b""  # all of the file's bytes, from then on


Tree = dict[str, bytes | None]  # a path, relative, and a file's bytes; None: a folder


class _Os:
    """`os`, with each call that may change the disk made by a function of ours."""

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
    """Have a function make the calls that change the disk: given the name, the call, its arguments.

    Opening is among them where it may make a file.
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
    """The process is dead: it changes nothing any more."""


@dataclass
class Life:
    over: bool = False


@contextmanager
def stopped(after: int) -> Iterator[Life]:
    """Make so many changes and then no more, as if the process were killed."""
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
    """Note every change that is made, in order."""
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
                # A new number even where the disk uses a removed file's inode again.
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
            if not number:  # the lock, from an earlier install: nobody relies on what it holds
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
    """What is in a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def plant(folder: Path, content: Tree) -> None:
    """Make a folder that holds just that."""
    folder.mkdir()
    for name, data in sorted(content.items()):
        if data is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(data)


def states(before: Tree, ops: Sequence[Op], root: Path) -> Iterator[Tree]:
    """Whatever a power cut may leave that comes after these changes; each once.

    Args:
        before: what was on the disk, flushed, beneath `root`.
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
    """The names that may be there, each with its bytes, its file's number, or None for a folder."""
    flushed: dict[str, bytes | int | None] = dict(before)
    waiting: dict[str, list[Op]] = {}  # of each folder, what is not flushed
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
        # What is in a folder that is not there is not there.
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
    """Those of the changes that may be there: of one name, none without the earlier ones."""
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
    """What a file may hold."""
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
