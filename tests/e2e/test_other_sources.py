"""Models that Keras 2 and TensorFlow saved are exported whole, and proven against their answers.

tf-keras writes the models in a process of its own, with its answers to the samples.
"""

from __future__ import annotations

import json
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export.__main__ import main
from tests.board_file import write_board
from tests.environments import run

WRITER = """
import sys
import numpy as np
import tensorflow as tf
import tf_keras as keras

layers, folder = keras.layers, sys.argv[1]
keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
picture = random.integers(0, 256, (200, 8, 8, 1), np.uint8)
left, right = random.normal(size=(2, 200, 4)).astype(np.float32)


def answers(name, model, *inputs):
    found = tf.nest.flatten(model(list(inputs) if len(inputs) > 1 else inputs[0], training=False))
    np.savez(f"{folder}/{name}.npz", *found)


x = pixels = keras.Input((8, 8, 1), name="picture")
for layer in (
    layers.Rescaling(1 / 255),
    layers.Conv2D(4, 3, padding="same", use_bias=False),
    layers.BatchNormalization(),
    layers.ReLU(),
    layers.DepthwiseConv2D(3, strides=2),
    layers.BatchNormalization(),
    layers.Flatten(),
    layers.Dense(3, activation="softmax"),
):
    x = layer(x)
model = keras.Model(pixels, x)
for layer in model.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
model.save(f"{folder}/depthwise.h5")
np.savez(f"{folder}/depthwise-samples.npz", inputs=picture)
answers("depthwise", model, picture[1::2].astype(np.float32))

ends = [keras.Input((4,), name="left"), keras.Input((4,), name="right")]
both = layers.Concatenate()([layers.Dense(8, activation="relu")(ends[0]), ends[1]])
model = keras.Model(
    ends,
    {
        "side": layers.Dense(3, activation="softmax", name="side")(both),
        "size": layers.Dense(1, name="size")(both),
    },
)
model.save(f"{folder}/two.keras")
tf.saved_model.save(model, f"{folder}/saved")
for name in ("two", "saved"):
    np.savez(f"{folder}/{name}-samples.npz", left=left, right=right)
    answers(name, model, left[1::2], right[1::2])
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    run(sys.executable, "-c", WRITER, folder)
    write_board(folder, "float32")
    return folder


@pytest.mark.parametrize(
    ("model", "target", "kinds", "plans", "left_out"),
    [
        (
            *("depthwise.h5", "cpu", {"probabilities": "class"}, {"float32", "int8"}),
            "layer 'conv2d' (Conv2D)",
        ),
        ("two.keras", "board", {"side": "class", "size": "regression"}, set(), ""),
        (
            *("saved", "cpu", {"side": "class", "size": "regression"}, {"float32"}),
            "2 inputs and 2 outputs",
        ),
    ],
)
def test_it_is_exported_whole(
    written: Path,
    model: str,
    target: str,
    kinds: dict[str, str],
    plans: set[str],
    left_out: str,
    capsys: Any,
) -> None:
    name = Path(model).stem
    samples, out = written / f"{name}-samples.npz", written / f"dist-{name}"
    asked = written / "board.toml" if target == "board" else target
    command = ["--model", written / model, "--calibration", samples, "--target", asked]
    precisions = ("float32", "int8") if target == "cpu" else ("float32",)
    command += ["--precision", ",".join(precisions), "--max-drop", "10", "--out", out]
    assert main([str(part) for part in command]) == 0
    assert left_out in capsys.readouterr().out
    with zipfile.ZipFile(out / f"{name}-{target}.strop") as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        golden = [_array(bundle, path) for path in _golden(bundle, "inputs")]
        keras = [_array(bundle, path) for path in _golden(bundle, "keras")]
    assert {each["name"]: each["kind"] for each in manifest["outputs"]} == kinds
    files = {(each["format"], each["precision"]) for each in manifest["variants"]}
    formats = ("tflite", "onnx") if target == "cpu" else ("tflite",)
    wanted_files = {(form, kind) for form in formats for kind in precisions}
    assert files == wanted_files | {("plan", kind) for kind in plans}
    assert "tf-keras" in manifest["export"]["versions"]
    # The reference is what the framework itself answered.
    with np.load(samples) as given, np.load(written / f"{name}.npz") as answered:
        inputs = [given[each][1::2] for each in given.files]
        wanted = [answered[each] for each in answered.files]
    where = {
        tuple(row.tobytes() for row in rows): i for i, rows in enumerate(zip(*inputs, strict=True))
    }
    places = [where[tuple(row.tobytes() for row in rows)] for rows in zip(*golden, strict=True)]
    assert len(places) >= 50
    for ours, theirs in zip(keras, wanted, strict=True):
        assert np.allclose(ours, theirs[places], rtol=0, atol=2e-6)


def _golden(bundle: zipfile.ZipFile, part: str) -> list[str]:
    return sorted(name for name in bundle.namelist() if name.startswith(f"golden/{part}."))


def _array(bundle: zipfile.ZipFile, name: str) -> Any:
    return np.load(BytesIO(bundle.read(name)), allow_pickle=False)
