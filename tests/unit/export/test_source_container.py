"""Files of Keras are read as data: which Keras wrote them, and what they would run or read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.source import container, header
from strop_export.source.header import Input

INPUT = {
    "class_name": "InputLayer",
    "config": {"name": "sensor", "batch_input_shape": [None, 4], "dtype": "float32"},
}


def model_of(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [INPUT, *layers]}}


def hdf5(path: Path, *layers: dict[str, Any], version: str = "2.13.1") -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps(model_of(*layers))
        file.create_group("model_weights").create_dataset("kernel", data=np.ones((4, 2)))
    return path


def check(path: Path, **options: Any) -> header.Header:
    return header.check(source.Loading(path, **options))


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.keras"])
def test_hdf5_is_known_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Keras 2 wrote HDF5 under any name."""
    found = check(hdf5(tmp_path / name))
    assert found == header.Header("keras2", (Input("sensor", (4,), "float32"),))


def test_the_version_is_that_of_the_writer(tmp_path: Path) -> None:
    assert check(hdf5(tmp_path / "m.h5", version="3.4.0")).framework == "keras"
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(model_of()))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.5"}))
    assert check(tmp_path / "m.keras").framework == "keras"
    with pytest.raises(SourceError, match="written by Keras 1.2.2, and export reads Keras 2 and 3"):
        check(hdf5(tmp_path / "m.h5", version="1.2.2"))


def test_weights_alone_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["kernel"] = np.ones(3)
    with pytest.raises(SourceError, match="holds no model, only weights perhaps; save the whole"):
        check(tmp_path / "m.h5")


def external(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(bytes(32))
    file.create_dataset("w", (4,), "f8", external=[(str(folder / "secret"), 0, 32)])


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "w", (4,))
    file.create_virtual_dataset("w", layout)


def linked(file: h5py.File, folder: Path) -> None:
    file["model_weights/w"] = h5py.ExternalLink(str(folder / "other.h5"), "/w")


def soft(file: h5py.File, _: Path) -> None:
    file["model_weights/w"] = h5py.SoftLink("/model_weights/kernel")


def huge(file: h5py.File, _: Path) -> None:
    file.create_dataset("w", (2**40,), "f8", chunks=(1024,))  # a few bytes on disk


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (external, "the data of w is in another file"),
        (virtual, "the data of w is in another file"),
        (linked, "w is a link, perhaps to another file"),
        (soft, "w is a link"),
        (huge, "its weights are too large"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_data_elsewhere_is_refused(
    tmp_path: Path, act: Callable[[h5py.File, Path], None], said: str, zipped: bool
) -> None:
    path = hdf5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        act(file, tmp_path)
    if zipped:
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(model_of()))
            archive.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
            archive.write(path, "model.weights.h5")
        path = tmp_path / "m.keras"
    with pytest.raises(SourceError, match=f"file that is damaged: {said}"):
        container.read(path)


@pytest.mark.parametrize("version", ["2.13.1", "3.4.0", None])
def test_a_small_file_of_many_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    monkeypatch.setattr(container, "_MOST_BYTES", 2**16)
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(model_of()))
        if version:
            archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("model.weights.h5", bytes(2**20))
    with pytest.raises(SourceError, match="file that is damaged: its parts are too large"):
        container.read(tmp_path / "m.keras")


def test_a_group_that_holds_itself_is_read(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file["model_weights/again"] = file["model_weights"]
    container.read(path)


@pytest.mark.parametrize("cut", [9, 100, 1000])
def test_half_a_file_is_refused_in_one_line(tmp_path: Path, cut: int) -> None:
    path = hdf5(tmp_path / "m.h5")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SourceError, match=r"m\.h5 is an \.h5 file that is damaged") as raised:
        check(path)
    assert "\n" not in str(raised.value)


LAMBDA = {
    "class_name": "Lambda",
    "config": {"name": "l", "function": ["4wEAAAA=", None, None], "function_type": "lambda"},
}
WORDS = {"class_name": "StringLookup", "config": {"name": "s", "vocabulary": "/etc/passwd"}}
OWN = {"class_name": "mine>Doubled", "config": {"name": "d"}}


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (LAMBDA, "holds a Lambda layer, which is Python code .*--trust"),
        ({"class_name": "Dense", "config": {"activation": LAMBDA}}, "holds a Lambda layer"),
        ({"class_name": "TFSMLayer", "config": {"filepath": "/"}}, "holds a TFSMLayer"),
        (WORDS, "reads the file '/etc/passwd' when it is loaded; .*--trust"),
        (OWN, r"Keras 2 with Doubled \(layer 'd'\), which .*tf.saved_model.save"),
    ],
)
def test_code_in_hdf5_is_refused(tmp_path: Path, layer: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        check(hdf5(tmp_path / "m.h5", layer))


def test_trust_lets_code_pass(tmp_path: Path) -> None:
    check(hdf5(tmp_path / "m.h5", LAMBDA, WORDS), trust=True)
