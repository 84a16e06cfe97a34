"""Atomic writes: a file or folder is there complete, or not at all."""

import contextlib
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.errors import OutputError
from train.paths import shown

# The oldest time that a ZIP member can have: the same arrays give the same bytes on any day.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@contextlib.contextmanager
def writing(what: Path) -> Iterator[None]:
    """Turn an ``OSError`` in the block (full disk, read-only folder) into one readable line.

    Args:
        what: the path being written, for the message.

    Raises:
        OutputError: naming ``what`` and the system's reason.
    """
    try:
        yield
    except OSError as error:
        # h5py reports a failed write as a paragraph; only its errno is useful.
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise OutputError(
            f"cannot write {shown(what)}: {reason}. No partial file was left there; "
            f"free some space, or choose another place with --out, and run it again"
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path``, then rename it into place.

    Raises:
        OutputError: if it cannot be written; an earlier ``path`` is then unchanged.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)  # mkstemp's 0600 would surprise other users of the checkout
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def renamed_when_complete(folder: Path) -> Iterator[Path]:
    """Make a folder under another name; rename it to ``folder`` when the block ends.

    If the block fails, the folder is removed.

    Args:
        folder: the final name; its parent folders are made.

    Raises:
        OutputError: if it cannot be written.
    """
    partial = folder.with_suffix(".partial")
    with writing(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack arrays into a compressed ``.npz`` whose bytes depend only on the arrays.

    Args:
        arrays: by name, of any shape and dtype except objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=_ZIP_EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def put_in_place(finished: Path, target: Path) -> None:
    """Rename the folder ``finished`` to ``target``, replacing an earlier one.

    The earlier folder is moved aside first: a reader finds the old one, the new one, or, for the
    instant between two renames, none, but never a mixture.

    Raises:
        OutputError: if it cannot be renamed; the earlier folder is then back in place.
    """
    aside = target.with_name(f".{target.name}.replaced")
    with writing(target):
        shutil.rmtree(aside, ignore_errors=True)
        if target.exists():
            target.rename(aside)
        try:
            finished.rename(target)
        except OSError:
            if aside.exists():
                aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
