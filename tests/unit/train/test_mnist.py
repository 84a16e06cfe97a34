"""The data: the original bytes or an error, from any route."""

import hashlib
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train import mnist
from train.errors import DataError, OutputError
from train.storage import npz_bytes


@pytest.fixture(scope="module")
def arrays(digits: mnist.Mnist) -> dict[str, mnist.Bytes]:
    """The four arrays of a route."""
    images = [digits.train.images, digits.validation.images]
    labels = [digits.train.labels, digits.validation.labels]
    return {
        "x_train": np.concatenate(images),
        "y_train": np.concatenate(labels).astype(np.uint8),
        "x_test": digits.test.images,
        "y_test": digits.test.labels.astype(np.uint8),
    }


def silent(_: str) -> None: ...


def test_idx_bytes_are_those_of_the_original_files(arrays: dict[str, mnist.Bytes]) -> None:
    content = mnist.idx_bytes(arrays["y_test"])
    assert content[:8] == bytes([0, 0, 8, 1, 0, 0, 0x27, 0x10])
    assert hashlib.sha256(content).hexdigest() == mnist.SHA256["y_test"]
    header = mnist.idx_bytes(arrays["x_train"])[:16]
    assert header == bytes([0, 0, 8, 3, 0, 0, 0xEA, 0x60, 0, 0, 0, 28, 0, 0, 0, 28])


def test_the_parts_are_disjoint_and_are_all_there_is(
    arrays: dict[str, mnist.Bytes], digits: mnist.Mnist
) -> None:
    numbered: Any = {**arrays, "x_train": np.arange(60_000), "x_test": np.arange(60_000, 70_000)}
    parts = mnist.split(numbered)
    train, validation, test = (
        set(part.images.tolist()) for part in (parts.train, parts.validation, parts.test)
    )
    assert (len(train), len(validation), len(test)) == (55_000, 5_000, 10_000)
    assert train | validation | test == set(range(70_000))
    assert digits.validation.labels.dtype == np.int64


def test_one_wrong_pixel_is_noticed(arrays: dict[str, mnist.Bytes]) -> None:
    forged = arrays["x_test"].copy()
    forged[1234, 14, 14] ^= 1
    with pytest.raises(DataError, match="x_test is not the original MNIST"):
        mnist.verify({**arrays, "x_test": forged})


def test_a_missing_part_is_noticed(arrays: dict[str, mnist.Bytes]) -> None:
    with pytest.raises(DataError, match="y_train is missing"):
        mnist.verify({name: array for name, array in arrays.items() if name != "y_train"})


def test_the_second_route_is_taken_when_the_first_fails(arrays: dict[str, mnist.Bytes]) -> None:
    def unreachable() -> mnist.Arrays:
        raise DataError("no such host")

    said: list[str] = []
    routes = {"first": unreachable, "second": lambda: arrays}
    assert mnist.fetch(said.append, routes) is arrays
    assert said == [
        "fetching MNIST from first",
        "  failed: no such host",
        "fetching MNIST from second",
    ]


def test_forged_data_are_refused_whichever_route_brings_them(
    arrays: dict[str, mnist.Bytes],
) -> None:
    forged = {**arrays, "y_test": arrays["y_test"][::-1]}
    assert mnist.fetch(silent, {"bad": lambda: forged, "good": lambda: arrays}) is arrays
    with pytest.raises(DataError, match="bad: y_test is not the original MNIST"):
        mnist.fetch(silent, {"bad": lambda: forged})


def test_no_route_at_all_is_one_readable_line() -> None:
    def fails(why: str) -> mnist.Route:
        def route() -> mnist.Arrays:
            raise DataError(why)

        return route

    with pytest.raises(DataError) as refusal:
        mnist.fetch(silent, {"one": fails("no host"), "two": fails("no pip")})
    message = str(refusal.value)
    assert "one: no host; two: no pip" in message
    assert "data/mnist.npz" in message
    assert "\n" not in message


def test_keras_loader_is_given_up_on_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "_KERAS_LOADER", "import time; time.sleep(60)")
    monkeypatch.setattr(mnist, "_KERAS_SECONDS", 0.2)
    before = time.monotonic()
    with pytest.raises(DataError, match="no answer"):
        mnist.ROUTES["keras.datasets"]()
    assert time.monotonic() - before < 20


def test_keras_loader_reports_its_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "_KERAS_LOADER", "raise Exception('URL fetch failure')")
    with pytest.raises(DataError, match=r"^Exception: URL fetch failure$"):
        mnist.ROUTES["keras.datasets"]()


@pytest.fixture
def fetches(arrays: dict[str, mnist.Bytes], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by one at each fetch, which is answered without the network."""
    happened: list[str] = []

    def fetch(_: object) -> mnist.Arrays:
        happened.append("fetched")
        return arrays

    def stored(given: mnist.Arrays) -> bytes:  # without the second that compression takes
        buffer = io.BytesIO()
        np.savez(buffer, **given)  # type: ignore[arg-type]
        return buffer.getvalue()

    monkeypatch.setattr(mnist, "fetch", fetch)
    monkeypatch.setattr(mnist, "npz_bytes", stored)
    return happened


def test_what_was_fetched_is_kept(tmp_path: Path, fetches: list[str], digits: mnist.Mnist) -> None:
    cache = tmp_path / "data" / "mnist.npz"
    first = mnist.load(cache, silent)
    again = mnist.load(cache, silent)
    assert fetches == ["fetched"]
    assert np.array_equal(first.train.images, digits.train.images)
    assert np.array_equal(again.test.images, digits.test.images)
    assert [path.name for path in cache.parent.iterdir()] == ["mnist.npz"]


@pytest.mark.parametrize("damage", ["nothing in it", "cut short", "not an npz", "another array"])
def test_a_damaged_cache_is_fetched_again_and_says_so(
    tmp_path: Path, fetches: list[str], damage: str
) -> None:
    cache = tmp_path / "mnist.npz"
    whole = npz_bytes({"x_test": np.zeros((10, 28, 28), np.uint8)})
    content = {
        "nothing in it": b"",
        "cut short": whole[: len(whole) // 2],
        "not an npz": b"PK but not really",
        "another array": whole,
    }[damage]
    cache.write_bytes(content)
    said: list[str] = []
    assert len(mnist.load(cache, said.append).train) == 55_000
    assert fetches == ["fetched"]
    assert "is damaged and will be fetched again" in said[0]
    mnist.load(cache, silent)
    assert fetches == ["fetched"]


def test_a_cache_that_cannot_be_written_is_an_output_error(
    tmp_path: Path, fetches: list[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        mnist.load(tmp_path / "file" / "mnist.npz", silent)
    assert fetches == ["fetched"]
