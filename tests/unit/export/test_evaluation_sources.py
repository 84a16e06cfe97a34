"""The plan of an evaluation's data: files, formats, columns and their types."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from strop_export.errors import EvaluationError
from strop_export.evaluation.sources import Columns, Unit, read
from tests.unit.export.sources_kit import (
    made,
    output,
    pixels,
    planned,
    source,
    table,
    whole,
    write,
)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards, one of them in a folder, and one hidden file."""
    (tmp_path / "more" / "deep").mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "more/deep/c.pq", ".hidden.parquet"):
        write(tmp_path / name, table(3))
    return tmp_path


def names(data: Any, folder: Path) -> list[str]:
    return [str(Path(unit.path).relative_to(folder)) for unit in data.units]


class TestPaths:
    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("*.parquet", ["a.parquet", "b.parquet"]),
            ("[b-z].parquet", ["b.parquet"]),
            ("?.parquet", ["a.parquet", "b.parquet"]),
            ("**/*", ["a.parquet", "b.parquet", "more/deep/c.pq"]),
            ("**/*.pq", ["more/deep/c.pq"]),
            ("*/*/*.pq", ["more/deep/c.pq"]),
            (".*.parquet", [".hidden.parquet"]),
            ("b.parquet", ["b.parquet"]),
        ],
    )
    def test_patterns_find_files_in_order(
        self, pattern: str, found: list[str], shards: Path
    ) -> None:
        assert names(planned(shards / pattern, made()), shards) == found

    def test_each_file_is_read_once(self, shards: Path) -> None:
        paths = [str(shards / name) for name in ("b.parquet", "*.parquet", "b.parquet")]
        assert names(planned(paths, made()), shards) == ["a.parquet", "b.parquet"]

    def test_a_relative_path_is_found_from_any_folder(
        self, shards: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(shards)
        data = planned("*.parquet", made())
        monkeypatch.chdir("/")
        assert len(whole(data, made()).inputs[0]) == 6

    def test_a_file_whose_name_is_a_pattern_is_that_file(self, shards: Path) -> None:
        write(shards / "[a].parquet", table(3))
        assert names(planned(shards / "[a].parquet", made()), shards) == ["[a].parquet"]

    def test_a_file_uri_is_a_path(self, shards: Path) -> None:
        write(shards / "a b.parquet", table(3))
        assert names(planned(f"file://{shards}/a%20*.parquet", made()), shards) == ["a b.parquet"]

    @pytest.mark.parametrize(
        ("paths", "said"),
        [
            ([], "no data was given; give .parquet"),
            (["*.csv"], r"there is no file .*\*.csv; give"),
            (["a.csv"], "there is no file .*a.csv; give"),
            (["notes.txt"], "notes.txt is of no format that is known; give .parquet"),
            (["a.parquet", "x.tfrecord"], "several formats: parquet .*a.parquet.* and tfrecord"),
            (["out.parquet"], r"out.parquet is a folder; give the files in it, '.*parquet/\*'"),
            (["more"], r"more holds no pictures .*; for other files give a pattern: '.*/\*.parq"),
            (["\udcff.parquet"], r"cannot read .*: UnicodeEncodeError"),
            (["a\0b.parquet"], "(cannot read|there is no file) "),
            (["ftp://host/x.parquet"], "cannot open ftp://host/x.parquet: .*; give a path, or a"),
        ],
    )
    def test_what_is_not_there_or_not_known_is_said(
        self, paths: list[str], said: str, shards: Path
    ) -> None:
        (shards / "notes.txt").touch()
        (shards / "x.tfrecord").touch()
        (shards / "out.parquet").mkdir()
        given = [path if "://" in path else str(shards / path) for path in paths]
        with pytest.raises(EvaluationError, match=said):
            planned(given, made())

    def test_a_password_in_a_uri_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(EvaluationError, match="has a password; leave it out") as error:
            planned("s3://me:hush@bucket/*.parquet", made())
        assert "hush" not in str(error.value)

    @pytest.mark.skipif(os.getuid() == 0, reason="root reads all files")
    def test_a_file_that_may_not_be_read_is_an_error(self, shards: Path) -> None:
        (shards / "a.parquet").chmod(0)
        with pytest.raises(EvaluationError, match="cannot open .*a.parquet"):
            planned(shards / "*.parquet", made())


class TestColumns:
    @pytest.mark.parametrize("name", ["image", "input", "inputs", "features", "x"])
    def test_the_input_s_is_found(self, name: str, tmp_path: Path) -> None:
        columns = table(3)
        path = write(tmp_path / "a.parquet", {name: columns["image"], "other": columns["label"]})
        assert planned(path, made([source("x")])).columns == (((name,), (None,), ()))

    def test_the_input_s_own_name_comes_first(self, tmp_path: Path) -> None:
        columns = table(3)
        path = write(tmp_path / "a.parquet", {"image": columns["label"], "x": columns["image"]})
        assert planned(path, made([source("x")])).columns.inputs == ("x",)

    @pytest.mark.parametrize(
        ("there", "found"),
        [
            (["label"], "label"),
            (["labels"], "labels"),
            (["class"], "class"),
            (["label.class"], "label.class"),
            (["label.class", "label", "class"], "label.class"),
            (["class", "label"], "label"),
            ([], None),
        ],
    )
    def test_the_labels_are_found(
        self, there: list[str], found: str | None, tmp_path: Path
    ) -> None:
        columns = table(3)
        path = write(
            tmp_path / "a.parquet",
            {"image": columns["image"], **dict.fromkeys(there, columns["label"])},
        )
        data = planned(path, made())
        assert data.columns.labels == (found,)
        (labels,) = whole(data, made()).labels
        assert (labels is None) == (found is None)

    def test_those_of_several_outputs_go_by_their_names(self, tmp_path: Path) -> None:
        outputs = [output("class", [None, 3]), output("regression", [None, 2], range=None)]
        manifest = made((), outputs)
        columns = {**table(3), "labels.class": [0, 1, 2], "regression": [[1.0, 2.0]] * 3}
        path = write(tmp_path / "a.parquet", columns)
        data = planned(path, manifest)
        assert data.columns.labels == ("labels.class", "regression")
        classes, values = whole(data, manifest).labels
        assert classes.tolist() == [0, 1, 2]
        assert values.dtype == np.float64

    def test_the_only_one_needs_no_name(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", {"pixels": table(3)["image"], "truth": [0, 1, 2]})
        columns = planned(path, made(), inputs={"": "pixels"}, labels={"": "truth"}).columns
        assert (columns.inputs, columns.labels) == (("pixels",), ("truth",))

    def test_one_of_several_needs_a_name(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", table(3))
        with pytest.raises(EvaluationError, match="--input a could be input image or b") as refused:
            planned(path, made([source(), source("b")]), inputs={"": "a"})
        assert refused.value.mend == "write --input NAME=COLUMN"

    def test_an_input_is_no_label_unless_that_is_asked_for(self, tmp_path: Path) -> None:
        manifest = made(
            [source("x", [2], "float32")], [output("regression", [None, 2], name="x", range=None)]
        )
        path = write(tmp_path / "a.parquet", {"x": [[1.0, 2.0]]})
        assert planned(path, manifest).columns.labels == (None,)
        assert planned(path, manifest, labels={"x": "x"}).columns.labels == ("x",)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"inputs": {"image": "nope"}}, "no column 'nope'; the columns are image, label"),
            ({"inputs": {"image": "a,image"}}, "no column 'a'; the columns are image, label"),
            ({"labels": {"class": "nope"}}, "no column 'nope'; the columns are image, label"),
            ({"slices": ["nope"]}, "no column 'nope'; the columns are image, label"),
            ({"inputs": {"nope": "image"}}, "no input 'nope'; its inputs are image"),
            ({"labels": {"nope": "label"}}, "no output 'nope'; its outputs are class"),
            ({"inputs": {"": "a", "image": "b"}}, "input 'image' has two columns, 'a' and 'b'"),
            ({"labels": {"": "nope"}}, "no column 'nope'; the columns are image, label"),
            ({"inputs": {"image": "label"}}, r"'label' cannot be input 'image', uint8 \(4, 4\): "),
            ({"inputs": {"image": "image,label"}}, "2 columns were given for 16 values"),
            ({"labels": {"class": "lists"}}, "'lists' cannot be the labels of output 'class', a c"),
            ({"slices": ["lists"]}, "'lists' cannot be slices: "),
        ],
    )
    def test_what_is_not_there_or_cannot_be_is_said_before_any_work(
        self, options: Any, said: str, tmp_path: Path
    ) -> None:
        lists = pa.array([[[1]]] * 3, pa.list_(pa.list_(pa.int64())))
        path = write(tmp_path / "a.parquet", {**table(3), "lists": lists})
        with pytest.raises(EvaluationError, match=said):
            planned(path, made(), **options)

    @pytest.mark.parametrize(
        ("there", "said"),
        [
            (["inputs", "features"], "input 'x': inputs and features could all be it; the columns"),
            (["pixels"], "input 'x': no column has its name; .* pixels; name it: --input x=COL"),
        ],
    )
    def test_an_input_that_nobody_can_tell_is_asked_for(
        self, there: list[str], said: str, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "a.parquet", dict.fromkeys(there, table(3)["image"]))
        with pytest.raises(EvaluationError, match=said):
            planned(path, made([source("x")]))

    def test_a_column_that_is_there_twice_is_none(self, tmp_path: Path) -> None:
        column = table(3)["image"]
        twice = pa.Table.from_arrays([column, column], ["image", "image"])
        path = write(tmp_path / "a.parquet", twice)
        with pytest.raises(EvaluationError, match="no column has its name"):
            planned(path, made())

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            (pa.string(), "it is string, not numbers"),
            (pa.binary(15), "it holds 15 bytes, and a sample has 16"),
            (pa.list_(pa.uint8(), 15), r"which cannot have the shape \(4, 4\)"),
            (pa.list_(pa.list_(pa.list_(pa.uint8()))), "which cannot have the shape"),
            (pa.list_(pa.string()), "not numbers"),
            (pa.struct({"path": pa.string()}), "not numbers"),
            (pa.struct({"bytes": pa.binary()}), "it holds pictures, and the model takes none"),
            (pa.fixed_shape_tensor(pa.uint8(), [2, 8]), "which cannot have the shape"),
        ],
    )
    def test_the_types_that_an_input_cannot_be(self, kind: Any, said: str, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", {"image": pa.nulls(3, kind)})
        with pytest.raises(EvaluationError, match=said):
            planned(path, made([source()]))

    def test_a_float_input_takes_no_lists_of_integers(self, tmp_path: Path) -> None:
        """They are pixels that nobody scaled, most likely; `Model.predict` refuses them too."""
        path = write(tmp_path / "a.parquet", {"image": [[1, 2]]})
        with pytest.raises(EvaluationError, match="holds integers, and the model takes float32"):
            planned(path, made([source(shape=[2], dtype="float32")]))

    @pytest.mark.parametrize(
        ("other", "said"),
        [
            ({"image": table(3)["image"]}, "b.parquet has no column 'label', which .*a.parquet"),
            (
                {**table(3), "label": ["a", "b", "c"]},
                "column 'label' is string in .*b.parquet, and int64 in .*a.parquet",
            ),
        ],
    )
    def test_all_files_have_the_same(self, other: Any, said: str, tmp_path: Path) -> None:
        write(tmp_path / "a.parquet", table(3))
        write(tmp_path / "b.parquet", other)
        with pytest.raises(EvaluationError, match=said):
            planned(tmp_path / "*.parquet", made())

    def test_dictionaries_of_any_size_are_one_type(self, tmp_path: Path) -> None:
        """Writers of categories choose the width of the index by their number."""
        for name, index in (("a", pa.int8()), ("b", pa.int32())):
            texts = pa.array(["circle"] * 3).cast(pa.dictionary(index, pa.string()))
            write(tmp_path / f"{name}.parquet", {**table(3), "label": texts})
        data = planned(tmp_path / "*.parquet", made())
        assert whole(data, made()).labels[0].tolist() == [0] * 6

    def test_other_columns_may_differ(self, tmp_path: Path) -> None:
        write(tmp_path / "a.parquet", table(3))
        write(tmp_path / "b.parquet", {"more": [1, 2, 3], **table(3)})
        assert len(planned(tmp_path / "*.parquet", made()).units) == 2


class TestPlan:
    def test_a_file_that_cannot_be_read_is_set_aside(self, shards: Path) -> None:
        (shards / "b.parquet").write_bytes(b"PAR1" * 9)
        data = planned(shards / "*.parquet", made())
        assert names(data, shards) == ["a.parquet"]
        (bad,) = data.bad
        assert bad[:3] == (str(shards / "b.parquet"), 0, None)
        assert re.match("its footer ", bad.reason)

    def test_none_that_can_be_read_is_an_error(self, shards: Path) -> None:
        (shards / "b.parquet").write_bytes(b"")
        with pytest.raises(EvaluationError, match="none of 1 files can be read; .*b.parquet: its"):
            planned(shards / "b.parquet", made())

    def test_the_digest_tells_whether_the_data_changed(self, shards: Path) -> None:
        def digest(**options: Any) -> str:
            return planned(shards / "*.parquet", made(), **options).digest

        first = digest()
        assert first == digest()
        assert first != digest(slices=["label"])
        os.utime(shards / "a.parquet", ns=(1, 1))
        changed = digest()
        assert changed != first
        write(shards / "c.parquet", table(3))
        assert digest() != changed

    def test_progress_is_shown_at_the_end(self, shards: Path) -> None:
        lines: list[str] = []
        planned(shards / "*.parquet", made(), progress=lines.append)
        assert lines[-1] == "looked at 2 of 2 files"

    def test_all_of_it_crosses_to_other_processes(self, shards: Path) -> None:
        data = planned(shards / "*.parquet", made())
        assert pickle.loads(pickle.dumps(data)) == data
        assert isinstance(data.units[0], Unit)

    def test_a_worker_imports_no_tensorflow(self, shards: Path) -> None:
        Image.fromarray(pixels(1)[0]).save(shards / "more" / "a.png")
        code = (
            "import sys; from tests.unit.export.sources_kit import *\n"
            "for path in sys.argv[1:]: whole(planned(path, made()), made())\n"
            "assert 'PIL' in sys.modules\n"
            "assert not {'tensorflow', 'keras', 'onnx', 'ray', 'pandas'} & set(sys.modules)"
        )
        given = [shards / "*.parquet", shards / "more"]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, given)],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("package", ["pyarrow", "google_crc32c", "google.protobuf"])
    def test_a_missing_library_is_named(
        self, package: str, shards: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(EvaluationError, match=f"{package}, which is not installed") as refused:
            planned(shards / "*.parquet", made())
        assert refused.value.mend == "pip install 'strop-export[evaluate]'"
        unit = Unit("parquet", "a", 0, 1)
        with pytest.raises(EvaluationError, match=f"{package}, which is not installed"):
            read(unit, Columns((), (), ()), made(), batch=1)
