"""The files that Keras writes, .keras and .h5, read as data: the version of Keras, and the config.

A .keras file is a ZIP with metadata.json and config.json; an .h5 file is HDF5, with the same in the
attributes of its root. Their first bytes tell them apart: Keras 2 wrote HDF5 as .keras too.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from strop_export.errors import SourceError

if TYPE_CHECKING:
    import h5py

_MOST_BYTES = 64 * 2**20  # of a config
_MOST_LARGER = 64  # times the file's size, what is in it may be when unpacked
_HDF5 = b"\x89HDF\r\n\x1a\n"
_DAMAGED = (
    *(ValueError, LookupError, RecursionError, NotImplementedError, RuntimeError, EOFError),
    *(AttributeError, TypeError, zlib.error),
)


@dataclass(frozen=True)
class Container:
    """A file that Keras wrote.

    Attributes:
        keras: the version of Keras that wrote it, 2 or 3.
        is_hdf5: whether it is HDF5, and not a ZIP.
        config: the model's class and config, which name every class that loading makes.
    """

    keras: int
    is_hdf5: bool
    config: dict[str, Any]


def read(path: Path) -> Container:
    """Read a .keras or .h5 file, without Keras.

    Raises:
        SourceError: it cannot be read, is damaged, or holds no whole model.
    """
    try:
        with path.open("rb") as file:
            is_hdf5 = _is_hdf5(file)
            version, config = (_hdf5 if is_hdf5 else _zip)(path, file)
    except (zipfile.BadZipFile, KeyError):
        raise SourceError(
            f"{path} is not a .keras or .h5 file",
            "write one with model.save('name.keras')",
        ) from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    except _DAMAGED as error:
        kind = "an .h5" if path.suffix in (".h5", ".hdf5") else "a .keras"
        raise SourceError(
            f"{path} is {kind} file that is damaged: {' '.join(str(error).split())}",
            "save the model again",
        ) from None
    major = version.partition(".")[0]
    if major not in ("2", "3"):
        raise SourceError(
            f"{path} was written by Keras {ascii(version)[1:-1]}, and export reads Keras 2 and 3",
            "load and save it there",
        )
    return Container(int(major), is_hdf5, config)


def _is_hdf5(file: IO[bytes]) -> bool:
    """Tell HDF5 from a ZIP; HDF5 may begin with other bytes, and a ZIP too.

    Raises:
        ValueError: it is both, and Keras might load the other.
    """
    import h5py

    is_hdf5 = file.read(len(_HDF5)) == _HDF5 or bool(h5py.is_hdf5(file.name))
    if is_hdf5 and zipfile.is_zipfile(file):
        raise ValueError("it is HDF5 and a ZIP at once")
    file.seek(0)
    return is_hdf5


def _zip(path: Path, _: IO[bytes]) -> tuple[str, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        largest = _MOST_BYTES + _MOST_LARGER * path.stat().st_size
        if sum(each.file_size for each in archive.infolist()) > largest:
            raise ValueError("its parts are too large")
        config = _object(archive, "config.json")
        if "metadata.json" not in archive.namelist():
            return "3", config
        version = str(_object(archive, "metadata.json").get("keras_version", "3"))
        if version.startswith("2"):  # tf-keras follows the links that Keras 3 refuses
            import h5py

            with h5py.File(BytesIO(archive.read("model.weights.h5"))) as weights:
                _check_datasets(weights, largest)
    return version, config


def _object(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    with archive.open(name) as file:
        return _decoded(file.read(_MOST_BYTES), f"its {name}")


def _hdf5(path: Path, file: IO[bytes]) -> tuple[str, dict[str, Any]]:
    import h5py

    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise ValueError(str(error)) from None
    with opened:
        _check_datasets(opened, _MOST_BYTES + _MOST_LARGER * path.stat().st_size)
        if "model_config" not in opened.attrs:
            raise SourceError(
                f"{path} holds no model, only weights perhaps",
                "save the whole model with model.save('name.h5')",
            )
        config = _decoded(_text(opened, "model_config"), "its model_config")
        version = _text(opened, "keras_version") if "keras_version" in opened.attrs else b"1"
    return version.decode("ascii", "replace"), config


def _text(file: h5py.File, name: str) -> bytes:
    value = file.attrs[name]
    text = value.encode() if isinstance(value, str) else bytes(value)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"its {name} is too long")
    return text


def _decoded(text: bytes, name: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _check_datasets(file: h5py.File, largest: int) -> None:
    """Check that all data of an HDF5 file is in the file itself, and is not too much.

    Raises:
        ValueError: there is a link, or data elsewhere, or more than `largest` bytes.
    """
    import h5py

    total = 0
    for name, link, item in _walk(file):
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name} is a link, perhaps to another file")
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ValueError(f"the data of {name} is in another file")
            total += item.nbytes
            if total > largest:
                raise ValueError("its weights are too large")


def _walk(file: h5py.File) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name and link of each item below a group, and the item, if the link is hard."""
    import h5py

    seen, waiting = set(), [file]
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            item = group[name] if isinstance(link, h5py.HardLink) else None
            yield name, link, item
            if isinstance(item, h5py.Group):
                place = h5py.h5o.get_info(item.id).addr
                if place not in seen:  # a group may hold itself
                    seen.add(place)
                    waiting.append(item)
