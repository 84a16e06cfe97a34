"""Small untrained models on disk, and their samples."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export import source
from strop_export.conversion import Converter
from strop_export.formats import quiet
from tests.environments import ROOT

with quiet():
    import keras as keras

SAMPLES = 100  # half calibrate and half judge, if there are no others


def floats(*shape: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(SAMPLES, *shape)).astype(np.float32)


def pixels(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (SAMPLES, *shape), np.uint8)


def saved(
    folder: Path,
    model: Any,
    calibration: dict[str, NDArray[Any]],
    evaluation: dict[str, NDArray[Any]] | None = None,
    *,
    names: str = "",
    custom: Path | None = None,
) -> source.Files:
    """Write the files of a source."""
    given: dict[str, Any] = {"calibration": calibration, "evaluation": evaluation}
    model.save(folder / "m.keras")
    for part, arrays in given.items():
        if arrays is not None:
            np.savez(folder / f"{part}.npz", **arrays)
    if names:
        (folder / "labels.txt").write_text(names, encoding="utf-8")
    return source.Files(
        "m",
        folder / "m.keras",
        folder / "calibration.npz",
        folder / "evaluation.npz" if evaluation is not None else None,
        folder / "labels.txt" if names else None,
        custom=custom,
    )


def read(
    folder: Path,
    model: Any,
    calibration: dict[str, NDArray[Any]],
    evaluation: dict[str, NDArray[Any]] | None = None,
    *,
    names: str = "",
    **options: Any,
) -> source.Source:
    return source.read(saved(folder, model, calibration, evaluation, names=names), **options)


@contextmanager
def converting(
    model: source.Source,
    folder: Path,
    held_out: Sequence[NDArray[Any]] | None = None,
    unseen: int | None = None,
) -> Iterator[Converter]:
    """Yield a converter that has its model."""
    with Converter(folder) as converter:
        converter.take(model, held_out, unseen)
        yield converter


def chain(shape: tuple[int | None, ...], *layers: Any, dtype: str = "float32") -> Any:
    keras.utils.set_random_seed(7)
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])


def dense(units: int, activation: Any = None, **options: Any) -> Any:
    return keras.layers.Dense(units, activation, **options)


def two_by_two(**structure: Any) -> Any:
    """Inputs "left" (4,) and "right" (2,); outputs of layers "what" and "where"."""
    keras.utils.set_random_seed(7)
    left, right = keras.Input((4,), name="left"), keras.Input((2,), name="right")
    both = keras.layers.Concatenate()([left, right])
    what = dense(3, "softmax", name="what")(both)
    where = dense(5, name="where")(both)
    outputs = {"what": what, "where": where} if structure.get("named") else [what, where]
    inputs = {"left": left, "right": right} if structure.get("named") else [left, right]
    return keras.Model(inputs, outputs)


def refused_before_tensorflow(files: source.Files, **options: Any) -> str:
    """Read a source in another process, and check that TensorFlow and Keras were never loaded.

    Returns:
        The error message.
    """
    script = (
        "import sys\n"
        "from pathlib import Path, PosixPath\n"
        "from strop_export import source\n"
        "from strop_export.source import Files\n"
        "from strop_export.errors import SourceError\n"
        "try:\n"
        f"    source.read({files!r}, **{options!r})\n"
        "except SourceError as error:\n"
        "    print(error)\n"
        "else:\n"
        "    sys.exit('it was read')\n"
        "loaded = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "sys.exit(f'{loaded} are loaded' if loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    return line
