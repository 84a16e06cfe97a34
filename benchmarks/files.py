"""The files that all cases open, copied from the output of `make export`."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers import Absent
from strop.bundle.open import open_bundle

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "bench"

_DENSE = 4096  # images without zeros: the largest batch
_TARGETS = {"tflite": "rpi"}  # engine -> the target whose files it runs, if that is not "cpu"


class NotMeasurable(Exception):
    """There is nothing to measure, or not now; the message says why and what to do."""


@dataclass(frozen=True)
class Files:
    """An artifact, and a folder with copies of its bundles and of all their parts.

    The copies make an export during a run harmless.
    """

    artifact: Path
    folder: Path

    @property
    def images(self) -> Path:
        """The test set, uint8 (N, ...): (N, 28, 28) of digits."""
        return self.folder / "images.npy"

    @property
    def dense(self) -> Path:
        """Random bytes, uint8 (N, ...), hardly any of them 0."""
        return self.folder / "dense.npy"

    @property
    def answers(self) -> Path:
        """Keras's answers to the test set, float32 (N, classes)."""
        return self.folder / "answers.npy"

    @property
    def labels(self) -> Path:
        """The true classes of the test set, int64 (N,)."""
        return self.folder / "labels.npy"

    @property
    def one_image(self) -> Path:
        """The bytes of the first image, without a header."""
        return self.folder / "image.raw"

    @property
    def classes(self) -> int:
        """The number of classes."""
        answers: tuple[int, int] = np.load(self.answers, mmap_mode="r").shape
        return answers[1]

    @property
    def model(self) -> Path:
        """The trained Keras model."""
        return self.artifact / "model.keras"

    def bundle(self, engine: str) -> Path:
        """Return the path of the bundle that an engine runs.

        Args:
            engine: the Strop engine, or "" for the CPU target's bundle.
        """
        return self.folder / f"{self.artifact.name}-{_TARGETS.get(engine, 'cpu')}.strop"

    def path(self, kind: str, engine: str, precision: str) -> Path:
        """Return the file of a kind for an engine.

        Args:
            kind: "tflite", "onnx", "weights", "plan", "keras" or "bundle".
            engine: the Strop engine that runs it, or "".
            precision: the file's precision; a bundle has all of them.

        Raises:
            Absent: its bundle was refused, or has no such file.
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
    """Copy everything into `folder`, with the bundles' parts, replacing its content.

    Args:
        artifact: the folder of the trained model and its data.
        dist: the folder of the bundles and the wheels.
        folder: the folder to write.

    Raises:
        NotMeasurable: the model, its data, the CPU's bundle or the wheel is missing.
        StropError: a bundle is damaged.
    """
    files = Files(artifact, folder)
    bundle = dist / files.bundle("").name
    for path in (files.model, artifact / "evaluation.npz", artifact / "calibration.npz", bundle):
        if not path.is_file():
            raise NotMeasurable(f"there is no {path}: run `make export`")
    wheels(dist)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with np.load(artifact / "evaluation.npz") as content:
        np.save(files.images, content["inputs"])
        np.save(files.answers, content["outputs"])
        np.save(files.labels, content["labels"])
        content["inputs"][:1].tofile(files.one_image)
        shape = content["inputs"].shape[1:]
    noise = np.random.default_rng(0).integers(256, size=(_DENSE, *shape), dtype=np.uint8)
    np.save(files.dense, noise)
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


def wheels(dist: Path) -> list[Path]:
    """Return the runtime's wheel, and the native engine's for this machine if there is one.

    Args:
        dist: the folder with the wheels in it.

    Raises:
        NotMeasurable: there is no runtime.
    """
    runtime = list(dist.glob("strop-*.whl"))
    if not runtime:
        raise NotMeasurable(f"there is no strop-*.whl in {dist}: run `make export`")
    return [*runtime, *dist.glob(f"strop_native-*_{platform.machine()}.whl")]
