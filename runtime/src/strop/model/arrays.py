"""Files of arrays: .npz files as the inputs of a model, and outputs as .npy and .npz files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from os import PathLike, fsdecode, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from strop.errors import InputError
from strop.model.images import MAX_NPY_BYTES, open_file, read_samples

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec

NPY, NPZ = ".npy", ".npz"
ONLY = "inputs"  # the name that the only input may have in a file
# The earliest time that a ZIP knows: the same arrays, the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_inputs(path: str | PathLike[str], specs: tuple[InputSpec, ...]) -> Any:
    """Read one file as a model's inputs: an .npz file with an array for each input, by its name.

    For a model with one input it may also be a picture or an .npy file.

    Args:
        path: the file.
        specs: the model's inputs.

    Returns:
        What `Model.predict` takes, which checks names, shapes and dtypes.

    Raises:
        InputError: there is no such file, or it is not such a file.
        StropError: the file is a picture, and Pillow is not installed.
    """
    path = fsdecode(path)
    if Path(path).suffix == NPZ:
        known = {spec.name for spec in specs}
        arrays = {n: a for n, a in read_npz(path).items() if n in known or not _is_extra(n)}
        if len(specs) == 1 and list(arrays) == [ONLY]:  # as export reads them
            return arrays[ONLY]
        return arrays
    if len(specs) == 1:
        return read_samples(path, specs[0])
    names = ", ".join(spec.name for spec in specs)
    raise InputError(
        f"{path} is one array or picture, and the model takes {len(specs)}: {names}",
        "give it an .npz file with an array of each name",
    )


def _is_extra(name: str) -> bool:
    """Tell whether an array is one that test samples have besides the inputs, such as labels."""
    return name.partition(".")[0] in ("labels", "outputs")


def read_npz(path: str | PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read an .npz file: arrays by name. Pickled (object) arrays are refused, never loaded.

    Args:
        path: the file.

    Raises:
        InputError: there is no such file, it is none of arrays, or they are larger than
            `MAX_NPY_BYTES` together.
    """
    where = fspath(path)
    try:
        with open_file(where) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MAX_NPY_BYTES:
                raise InputError(f"{where} holds more than {MAX_NPY_BYTES} bytes", "split it")
            arrays = {}
            for entry in entries:
                name = entry.filename.removesuffix(NPY)
                if name == entry.filename or name in arrays:
                    raise ValueError(f"{entry.filename!r} is not an array, or is there twice")
                with archive.open(entry) as content:
                    arrays[name] = np.lib.format.read_array(content, allow_pickle=False)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror or error}") from None
    except Exception as error:  # the readers of ZIP and NumPy may raise anything on bad bytes
        raise InputError(f"{where} is not an .npz file of arrays: {error}") from error
    return arrays


def npy(array: NDArray[Any]) -> bytes:
    """Write an array as the content of an .npy file."""
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=False)
    return content.getvalue()


def npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write arrays by name as the content of an .npz file, stored; the same arrays, the same bytes.

    NumPy's own writer has arguments of its own among the names, and notes the time.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}{NPY}", _EPOCH), npy(array))
    return content.getvalue()
