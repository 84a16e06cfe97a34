"""The files that everything measured opens, taken from what `make export` left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers import Absent
from strop.bundle.open import open_bundle

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "bench"

_TARGETS = {"tflite": "rpi"}  # engine -> the target whose files it runs, where that is not "cpu"


class NotMeasurable(Exception):
    """There is nothing to measure, or not now; the message says why and what would help."""


@dataclass(frozen=True)
class Files:
    """An artifact, and a folder with copies of its bundles and all their parts as single files.

    An export in the middle of a run so changes nothing.
    """

    artifact: Path
    folder: Path

    @property
    def images(self) -> Path:
        """The test set, uint8 (N, 28, 28)."""
        return self.folder / "images.npy"

    @property
    def answers(self) -> Path:
        """What Keras says of it, float32 (N, 10)."""
        return self.folder / "answers.npy"

    @property
    def labels(self) -> Path:
        """What it is, int64 (N,)."""
        return self.folder / "labels.npy"

    @property
    def one_image(self) -> Path:
        """The first image as 784 bytes."""
        return self.folder / "image.raw"

    @property
    def model(self) -> Path:
        return self.artifact / "model.keras"

    def bundle(self, engine: str) -> Path:
        return self.folder / f"{self.artifact.name}-{_TARGETS.get(engine, 'cpu')}.strop"

    def path(self, kind: str, engine: str, precision: str) -> Path:
        """The file of a kind ("tflite", "onnx", "weights", "keras", "bundle") for an engine.

        Raises:
            Absent: the bundle it would be in was refused.
        """
        if kind == "keras":
            return self.model
        bundle = self.bundle(engine)
        if not bundle.is_file():
            raise Absent(f"there is no {bundle.name}: see what `make export` says of it")
        if kind == "bundle":
            return bundle
        for path in (self.folder / bundle.stem).glob(f"{kind}-{precision}.*"):
            return path
        raise Absent(f"{bundle.name} has no {kind} file of precision {precision}")


def prepare(artifact: Path, dist: Path, folder: Path) -> Files:
    """Copy and take apart everything into `folder`, in place of what was there.

    Raises:
        NotMeasurable: the model, its data, the CPU's bundle or the wheel are not there.
        StropError: a bundle is damaged.
    """
    files = Files(artifact, folder)
    bundle = dist / files.bundle("").name
    for path in (files.model, artifact / "evaluation.npz", artifact / "calibration.npz", bundle):
        if not path.is_file():
            raise NotMeasurable(f"there is no {path}: run `make export`")
    wheel(dist)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with np.load(artifact / "evaluation.npz") as content:
        np.save(files.images, content["inputs"])
        np.save(files.answers, content["outputs"])
        np.save(files.labels, content["labels"])
        content["inputs"][:1].tofile(files.one_image)
    for copy in {files.bundle(""), files.bundle("tflite")}:
        if (dist / copy.name).is_file():
            shutil.copyfile(dist / copy.name, copy)
            _take_apart(copy)
    return files


def _take_apart(path: Path) -> None:
    bundle = open_bundle(path)
    folder = path.with_suffix("")
    folder.mkdir()
    for variant in bundle.manifest.variants:
        name = f"{variant.format}-{variant.precision}{Path(variant.file).suffix}"
        (folder / name).write_bytes(bundle.read(variant))


def wheel(dist: Path) -> Path:
    """The runtime as it ships.

    Raises:
        NotMeasurable: there is none.
    """
    for path in dist.glob("strop-*.whl"):
        return path
    raise NotMeasurable(f"there is no strop-*.whl in {dist}: run `make export`")
