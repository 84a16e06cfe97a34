"""`python -m tools.web_networks FOLDER NETWORK...`: the files that `benchmarks.web` times.

They are MNIST's network, which is trained, and convolutional ones with random weights: the time of
a call does not depend on them. LeNet is LeNet-5 with relu; DS-CNN and ResNet-8 have the layers of
MLPerf Tiny (https://github.com/mlcommons/tiny). Nothing is proven here. FOLDER/networks.json lists
the files, Node, and the module for pages.

Exit status: 0 they are written; 2 they cannot be, and one line says why.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from strop.errors import StropError
from strop_export import bundles, source
from strop_export.formats import Names, VariantSpec, convert, quiet
from strop_export.proof import web
from strop_export.source import Files, Source

with quiet():
    import keras

_MLP = "mnist-mlp"
_SAMPLES = 100
_SUBJECTS = {"strop": "plan", "peer": "onnx"}  # each with its format

layers = keras.layers


def main() -> int:
    """Run the command line.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.web_networks", description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder")
    parser.add_argument("networks", nargs="+", choices=[_MLP, *_BUILT])
    parser.add_argument("--artifact", type=Path, default=Path("artifacts/mnist-mlp"))
    given = parser.parse_args()
    try:
        page = web.find_page()
        networks = []
        for name in given.networks:
            folder = given.folder / name
            folder.mkdir()
            networks.append(_written(name, _read(name, folder, given.artifact), folder))
    except StropError as error:
        print(error, file=sys.stderr)
        return 2
    content = {"node": str(page.node), "module": str(page.module), "networks": networks}
    (given.folder / "networks.json").write_text(json.dumps(content))
    return 0


def _written(name: str, read: Source, folder: Path) -> dict[str, Any]:
    """Write the files of a network, and describe them to the worker of the benchmark."""
    (samples,) = read.samples
    pixels = samples[:_SAMPLES].astype(np.uint8)
    pixels.tofile(folder / "samples.raw")
    names = Names(tuple(s.name for s in read.inputs), tuple(s.name for s in read.outputs))
    subjects = []
    for precision in ("int8", "float32"):
        for subject, form in _SUBJECTS.items():
            spec = VariantSpec(form, precision)
            converted = convert(read.model, spec, read.calibration, names)
            is_plan = form == "plan"  # the module opens bundles
            file = folder / f"{precision}.{'strop' if is_plan else form}"
            draft = bundles.draft(read, spec, converted, ["native"]) if is_plan else None
            file.write_bytes(draft or converted.data)
            subjects.append(
                {
                    "subject": subject,
                    "precision": precision,
                    "format": form,
                    "file": str(file),
                    "dtype": converted.inputs[0].dtype,
                    "shape": [1, *pixels.shape[1:]],
                }
            )
    return {
        "name": name,
        "samples": str(folder / "samples.raw"),
        "values": int(np.prod(pixels.shape[1:])),
        "subjects": subjects,
    }


def _read(name: str, folder: Path, artifact: Path) -> Source:
    if name == _MLP:
        return source.read(source.artifact(artifact, _MLP))
    keras.utils.set_random_seed(1)
    model = _BUILT[name]()
    draw = np.random.default_rng(1).integers(0, 256, (_SAMPLES, *model.input_shape[1:]))
    model.save(folder / "model.keras")
    np.savez(folder / "calibration.npz", image=draw.astype(np.uint8))
    return source.read(Files(name, folder / "model.keras", folder / "calibration.npz", None))


def _lenet() -> Any:
    image = keras.Input((28, 28, 1), name="image")
    hidden = layers.Rescaling(1 / 255)(image)
    hidden = layers.Conv2D(6, 5, padding="same", activation="relu")(hidden)
    hidden = layers.AveragePooling2D(2)(hidden)
    hidden = layers.Conv2D(16, 5, activation="relu")(hidden)
    hidden = layers.Flatten()(layers.AveragePooling2D(2)(hidden))
    for units in (120, 84):
        hidden = layers.Dense(units, activation="relu")(hidden)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="answer")(hidden))


def _ds_cnn() -> Any:
    image = keras.Input((49, 10, 1), name="image")
    hidden = _block(layers.Conv2D(64, (10, 4), 2, padding="same"), layers.Rescaling(1 / 255)(image))
    for _ in range(4):
        hidden = _block(layers.DepthwiseConv2D(3, padding="same"), hidden)
        hidden = _block(layers.Conv2D(64, 1), hidden)
    hidden = layers.Flatten()(layers.AveragePooling2D((25, 5))(hidden))
    return keras.Model(image, layers.Dense(12, activation="softmax", name="answer")(hidden))


def _resnet8() -> Any:
    image = keras.Input((32, 32, 3), name="image")
    hidden = _block(layers.Conv2D(16, 3, padding="same"), layers.Rescaling(1 / 255)(image))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        through = _block(layers.Conv2D(filters, 3, strides, padding="same"), hidden)
        through = layers.Conv2D(filters, 3, padding="same")(through)
        through = layers.BatchNormalization()(through)
        if strides > 1:
            hidden = layers.Conv2D(filters, 1, strides)(hidden)
        hidden = layers.ReLU()(layers.Add()([through, hidden]))
    hidden = layers.Flatten()(layers.AveragePooling2D(8)(hidden))
    return keras.Model(image, layers.Dense(10, activation="softmax", name="answer")(hidden))


def _block(layer: Any, hidden: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization()(layer(hidden)))


_BUILT: dict[str, Callable[[], Any]] = {"lenet": _lenet, "ds-cnn": _ds_cnn, "resnet-8": _resnet8}


if __name__ == "__main__":
    sys.exit(main())
