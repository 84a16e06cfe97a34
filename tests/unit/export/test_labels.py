"""Names of classes, and the labels of each sample, in the form that the figures need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export.errors import SourceError
from strop_export.source.kinds import Kind
from strop_export.source.labels import names_for, read_names, truth


def kind(name: str) -> Kind:
    return Kind(name, False, 0.5 if name in ("binary", "multilabel") else None)


class TestNames:
    @pytest.mark.parametrize(
        "content",
        [b"cat\ndog\nfish\n", b"cat\ndog\nfish", b"\xef\xbb\xbfcat \r\ndog\t\r\nfish\r\n\r\n \n"],
        ids=["plain", "no last newline", "of another editor"],
    )
    def test_they_come_from_a_file(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "l.txt").write_bytes(content)
        assert read_names(tmp_path / "l.txt", ["others"]) == ("cat", "dog", "fish")

    def test_or_as_training_recorded_them(self) -> None:
        assert read_names(None, ["a", 2]) == ("a", "2")
        assert read_names(None, None) is None

    @pytest.mark.parametrize("content", [b"cat\ncat\n", b"a\n\nb\n", b"d\tog\n", b"\x1b[31m\n"])
    def test_all_are_different_printable_texts(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "l.txt").write_bytes(content)
        with pytest.raises(SourceError, match="different, non-empty, printable texts"):
            read_names(tmp_path / "l.txt", None)

    @pytest.mark.parametrize("content", [b"\xff\xfe", None])
    def test_they_can_be_read(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "l.txt").write_bytes(content)
        with pytest.raises(SourceError, match="cannot read the label file"):
            read_names(tmp_path / "l.txt", None)

    @pytest.mark.parametrize(
        ("of", "last", "given", "found"),
        [
            ("class", 3, None, ("0", "1", "2")),
            ("class", 3, ("a", "b", "c"), ("a", "b", "c")),
            ("binary", 1, None, ("0", "1")),
            ("binary", 1, ("no", "yes"), ("no", "yes")),
            ("segmentation", 1, ("no", "yes"), ("no", "yes")),
            ("segmentation", 3, None, ("0", "1", "2")),
            ("multilabel", 2, ("a", "b"), ("a", "b")),
            ("regression", 2, None, ()),
            ("regression", 2, ("x", "y"), ("x", "y")),
            ("raw", 2, ("x",), ()),
        ],
    )
    def test_one_for_each_class(self, of: str, last: int, given: Any, found: Any) -> None:
        assert names_for(kind(of), last, given, "out") == found

    @pytest.mark.parametrize(("of", "last", "count"), [("class", 3, 2), ("binary", 1, 1)])
    def test_another_number_is_refused(self, of: str, last: int, count: int) -> None:
        said = f"{count} labels were given and output 'out' has {max(last, 2)} classes"
        with pytest.raises(SourceError, match=said):
            names_for(kind(of), last, tuple(map(str, range(count))), "out")


def true(of: str, labels: Any, *shape: int) -> Any:
    return truth(np.asarray(labels), kind(of), shape, "out")


class TestTruth:
    def test_classes_as_numbers_or_one_hot(self) -> None:
        for labels in ([2, 0, 1], [2.0, 0.0, 1.0], [[2], [0], [1]], np.eye(3)[[2, 0, 1]]):
            found = true("class", labels, 3)
            assert found.tolist() == [2, 0, 1]
            assert found.dtype == np.int64

    def test_one_yes_or_no(self) -> None:
        for labels in ([1, 0], [[1], [0]], [True, False], [1.0, 0.0]):
            assert true("binary", labels, 1).tolist() == [1, 0]
            assert true("binary", labels).tolist() == [1, 0]

    def test_several(self) -> None:
        assert true("multilabel", [[True, False], [True, True]], 2).tolist() == [[1, 0], [1, 1]]

    def test_one_for_each_pixel(self) -> None:
        classes = np.arange(12).reshape(3, 2, 2) % 3
        for labels in (classes, classes[..., None], np.eye(3)[classes]):
            assert np.array_equal(true("segmentation", labels, 2, 2, 3), classes)
        assert true("segmentation", classes % 2, 2, 2, 1).shape == (3, 2, 2)

    def test_values(self) -> None:
        found = true("regression", np.array([1, 2, 3], np.int32), 1)
        assert (found.shape, found.dtype) == ((3, 1), np.float64)
        assert true("regression", [1.0, 2.0]).shape == (2,)

    def test_those_of_raw_outputs_are_as_given_for_a_metric(self) -> None:
        given = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
        assert truth(given, kind("raw"), (7,), "out") is given
        assert truth(None, kind("class"), (3,), "out") is None

    @pytest.mark.parametrize(
        ("of", "labels", "shape", "said"),
        [
            ("class", [0, 3], (3,), "integers from 0 to 2"),
            ("class", [0, -1], (3,), "integers from 0 to 2"),
            ("class", [0, 0.5], (3,), "integers from 0 to 2"),
            ("class", [[0.2, 0.3, 0.5], [1, 0, 0]], (3,), r"one-hot"),
            ("class", [[1, 1, 0], [1, 0, 0]], (3,), r"one-hot"),
            ("class", [[0, 1], [1, 0]], (3,), r"shape \(2,\)"),
            ("binary", [0, 2], (1,), "integers from 0 to 1"),
            ("binary", [[0, 1], [1, 0]], (1,), r"shape \(2,\)"),
            ("multilabel", [0, 1], (2,), r"shape \(2, 2\)"),
            ("multilabel", [[0, 2], [1, 0]], (2,), "integers from 0 to 1"),
            ("segmentation", [0, 1], (2, 2, 3), r"shape \(2, 2, 2\)"),
            ("segmentation", np.full((2, 2, 2), 255), (2, 2, 3), "integers from 0 to 2"),
            ("regression", [[1.0], [2.0]], (2,), r"shape \(2, 2\)"),
        ],
    )
    def test_others_are_refused(self, of: str, labels: Any, shape: Any, said: str) -> None:
        with pytest.raises(SourceError, match=f"labels of output 'out' are .*give .*{said}"):
            true(of, labels, *shape)
