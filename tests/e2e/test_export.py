"""`make export` from the outside: its output, its refusals, and the files that it leaves."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import strop
from strop.bundle.open import open_bundle
from strop_export.paths import TOLERANCES
from tests.conftest import Exported
from tests.environments import ROOT, installed, python_of, run
from tests.unit.runtime import gpus

EXPORT = (sys.executable, "-m", "strop_export")


def digests(folder: Path) -> dict[str, bytes]:
    """Everything but report.json and the folder of `make digits`, by name."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name != "report.json"]
    return {path.name: path.read_bytes() for path in files}


def test_two_exports_from_two_processes_are_the_same_bytes(edge: Exported, tmp_path: Path) -> None:
    run(*EXPORT, "--artifact", edge.artifact, "--out", tmp_path, cwd=ROOT)
    again, first = digests(tmp_path), digests(edge.dist)
    assert again.keys() == first.keys()
    assert [name for name in first if first[name] != again[name]] == []


def test_dist_holds_everything_a_device_needs(edge: Exported) -> None:
    names = {path.name for path in edge.dist.iterdir()}
    targets = {"cpu", "rpi", "rpi32", "gpu"} - edge.missing
    assert {f"mnist-mlp-{target}.strop" for target in targets} <= names
    assert {f"requirements-{target}.txt" for target in targets} <= names
    assert {"report.json", "report.md", edge.wheel.name} <= names
    machines = {name.rpartition("_")[2] for name in names if name.startswith("strop_native-")}
    assert machines == {"64.whl", "aarch64.whl", "armv7l.whl", "armv6l.whl"}
    assert {refusal["target"] for refusal in edge.report["refused"]} == edge.missing
    assert not edge.report["left_out"]


def test_a_second_run_does_no_work_again(edge: Exported) -> None:
    before = {path: path.stat().st_mtime_ns for path in edge.dist.iterdir()}
    done = run(*EXPORT, "--artifact", edge.artifact, "--out", edge.dist, cwd=ROOT)
    assert "up to date" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in edge.dist.iterdir()} == before


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """Bounds that the file of one precision misses: cpu has that variant, gpu does not."""
    bounds = TOLERANCES.read_text(encoding="utf-8")
    ours = "[mnist-mlp.dynamic]\ndisagreements = "
    assert f"{ours}0.0025" in bounds
    (tmp_path / "strict.toml").write_text(
        bounds.replace(f"{ours}0.0025", f"{ours}0.0"), encoding="utf-8"
    )
    return tmp_path / "strict.toml"


PAST = "of 10000 samples get another class than from Keras, at most 0 allowed"


def test_a_variant_past_its_tolerance_is_left_out_with_the_figures(
    edge: Exported, tmp_path: Path, strict: Path
) -> None:
    out = tmp_path / "dist"
    command = (*EXPORT, "--artifact", edge.artifact, "--out", out, "--target", "cpu")
    done = run(*command, "--tolerances", strict, cwd=ROOT)
    bundle = open_bundle(out / "mnist-mlp-cpu.strop")
    assert "dynamic" not in {variant.precision for variant in bundle.manifest.variants}
    assert len(bundle.manifest.variants) == 8
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    (note,) = report["left_out"]
    assert note["reason"].startswith("tflite dynamic on litert")
    assert PAST in note["reason"]
    assert "try more calibration samples" in note["reason"]
    assert "left out: tflite dynamic on litert" in " ".join(done.stdout.split())


def test_or_else_the_target_is_refused_where_that_is_asked_for_and_leaves_no_bundle(
    edge: Exported, tmp_path: Path, strict: Path
) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    (out / "mnist-mlp-cpu.strop").write_bytes(b"an earlier export's")
    done = run(
        *(*EXPORT, "--artifact", edge.artifact, "--out", out, "--target", "cpu"),
        *("--target", "gpu", "--tolerances", strict, "--strict"),
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert "mnist-mlp-cpu.strop refused: tflite dynamic on litert" in said
    assert PAST in said
    assert not (out / "mnist-mlp-cpu.strop").exists()
    assert (out / "mnist-mlp-gpu.strop").exists()  # its variants keep their bounds
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [refusal["target"] for refusal in report["refused"]] == ["cpu"]
    assert {row["target"] for row in report["variants"]} == {"gpu"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--target", "toaster"],
            "there is no target 'toaster'; there are cpu, gpu, mcu, rpi",
        ),
        (["--artifact", "/nowhere"], "/nowhere is not an artifact directory"),
        (["--model", "x.keras"], "x.keras needs --calibration"),
        (["--labels", "labels.txt"], "--labels goes with a model"),
        (["--model", "none.keras", "--calibration", "none.npz"], "cannot read the model file"),
        (["--tolerances", "none.toml"], "cannot read none.toml"),
        (["--tolerances", "/bin/sh"], "/bin/sh: not TOML"),
        (
            ["--model", "x.keras", "--calibration", "x.npz", "--name", "../x"],
            "'../x' is not a valid",
        ),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line_and_exit_2(
    edge_artifact: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    if not {"--model", "--artifact"}.intersection(arguments):
        arguments = ["--artifact", str(edge_artifact), *arguments]
    done = run(*EXPORT, "--out", tmp_path / "dist", *arguments, cwd=ROOT, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_model_of_one_s_own_never_runs_train(head: str, tmp_path: Path) -> None:
    """A convolution on pictures: the variant that the reference cannot run is left out by name."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    classes = 3 if head == "softmax" else 1
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(classes, activation=head),
        ]
    )
    model.save(tmp_path / "shapes.keras")
    pixels = np.random.default_rng(1).integers(0, 256, (200, 8, 8, 1), np.uint8)
    half = pixels[1::2].astype(np.float32)  # they also judge, as there are no others
    np.savez(tmp_path / "calibration.npz", inputs=pixels)
    names = ["round", "square", "flat"] if classes == 3 else ["round", "square"]
    (tmp_path / "labels.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    out = tmp_path / "dist"
    done = run(
        *(*EXPORT, "--model", tmp_path / "shapes.keras", "--out", out, "--target", "cpu"),
        *("--calibration", tmp_path / "calibration.npz", "--labels", tmp_path / "labels.txt"),
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    left_out = {note["reason"].partition(":")[0]: note["reason"] for note in report["left_out"]}
    assert "Conv2D" in left_out["weights float32"]
    assert not [reason for reason in left_out if reason.startswith("plan")]
    plans = {(v["precision"], v["engine"]) for v in report["variants"] if v["format"] == "plan"}
    assert plans == {("int8", "native"), ("float32", "native")}
    assert open_bundle(out / "shapes-cpu.strop").manifest.engines[:2] == ("litert", "native")
    assert "self-evaluated: judged on 100 of the calibration samples" in done.stdout
    assert "\ncalibration: " in done.stdout
    assert report["keras"]["self_evaluated"]
    assert report["keras"]["samples"] == len(half)
    expected = np.asarray(model(pixels[:5].astype(np.float32)))
    with strop.load(out / "shapes-cpu.strop", engine="onnx", precision="float32") as loaded:
        assert loaded.labels == tuple(names)
        assert np.abs(loaded.predict(pixels[:5]) - expected).max() <= 1e-5


def test_without_a_gpu_the_report_says_how_a_device_proves_its_files(
    edge_artifact: Path, tmp_path: Path
) -> None:
    command = (*EXPORT, "--artifact", edge_artifact, "--out", tmp_path, "--target", "gpu")
    done = run(*command, cwd=ROOT, env={**os.environ, **gpus.NONE})
    said = (
        "no GPU adapter here: proven on the CPU path alone; "
        "on the device: strop check mnist-mlp-gpu.strop --device gpu"
    )
    assert f"mnist-mlp-gpu.strop: {said}" in done.stdout.splitlines()
    assert f"- **mnist-mlp-gpu.strop**: {said}" in (tmp_path / "report.md").read_text("utf-8")
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert {(row["device"], row["adapter"]) for row in report["variants"]} == {("cpu", "")}
    (note,) = report["not_on_gpu"]
    assert (note["target"], note["format"]) == ("gpu", None)
    manifest = open_bundle(tmp_path / "mnist-mlp-gpu.strop").manifest
    *made_for_gpus, reference = manifest.variants
    assert reference.devices == ("cpu",)
    for variant in made_for_gpus:
        assert variant.devices == ("cpu", "gpu")
        assert variant.inputs[0].dtype == "uint8"
        (golden,) = variant.golden
        assert golden.tolerance == ({"float32": 1e-4, "float16": 0.05}[variant.precision],)
    assert "onnxruntime-webgpu==" in (tmp_path / "requirements-gpu.txt").read_text("ascii")


def test_a_gpu_proves_what_it_can_and_the_report_names_the_rest(
    edge_artifact: Path, tmp_path: Path
) -> None:
    """The adapter has no 16-bit floats in shaders, which ONNX Runtime needs."""
    environment = {**os.environ, **gpus.software()}
    gpus.webgpu_python()
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        command = (*EXPORT, "--artifact", edge_artifact, "--out", out, "--target", "gpu")
        done = run(*command, cwd=ROOT, env=environment)
    assert digests(outs[0]) == digests(outs[1])
    report = json.loads((outs[0] / "report.json").read_bytes())
    page = (outs[0] / "report.md").read_text(encoding="utf-8")
    on_gpu = [row for row in report["variants"] if row["device"] == "gpu"]
    assert [(row["engine"], row["precision"]) for row in on_gpu] == [
        ("onnx", "float32"),
        ("litert", "float32"),
        ("litert", "float16"),
    ]
    for row in on_gpu:
        assert "SwiftShader" in row["adapter"]
        assert row["samples"] == 10_000
        assert row["disagreements"] == 0
        assert row["max_abs_error"] <= {"float32": 1e-5, "float16": 0.05}[row["precision"]]
        assert f"| {row['engine']} {row['engine_version']} gpu, software |" in page
    assert done.stdout.count("software") == len(on_gpu) + 1  # the note names the adapter too
    (note,) = report["not_on_gpu"]
    assert (note["format"], note["precision"], note["engine"]) == ("onnx", "float16", "onnx")
    assert "shader-f16" in note["reason"]
    assert "onnx float16 not proven on the GPU by onnx: " in done.stdout
    assert "on the device: strop check mnist-mlp-gpu.strop --device gpu" in done.stdout
    again = run(*command, cwd=ROOT, env=environment)
    assert "nothing to do" in again.stdout
    elsewhere = run(*command, cwd=ROOT, env={**os.environ, **gpus.NONE})
    assert "converting to onnx float32" in elsewhere.stdout  # other GPUs, another proof
    assert "no GPU adapter here" in elsewhere.stdout


def test_train_export_install_check_predict(tmp_path: Path) -> None:
    """From nothing to an answer on a device, with one pass of training."""
    artifact, out = tmp_path / "quick", tmp_path / "dist"
    run(
        *(sys.executable, "-m", "train", "--recipe", "edge", "--seed", "5", "--epochs", "1"),
        *("--out", artifact),
        cwd=ROOT,
    )
    loose = tmp_path / "loose.toml"  # one pass leaves many close calls
    text = TOLERANCES.read_text(encoding="utf-8")
    for precision in ("float16", "dynamic", "int8"):
        text += f"\n[quick.{precision}]\ndisagreements = 0.05\naccuracy_loss = 0.05\n"
        text += "engine_changes = 0.01\nplain = true\n"
    loose.write_text(text, encoding="utf-8")
    run(
        *(*EXPORT, "--artifact", artifact, "--out", out, "--target", "cpu"),
        *("--tolerances", loose),
        cwd=ROOT,
    )
    (wheel,) = out.glob("strop-*.whl")
    python = installed("litert", python_of((3, 11), (3, 12), (3, 13)), f"{wheel}[litert]")
    bundle = out / "quick-cpu.strop"
    run(python, "-m", "strop", "check", bundle, cwd=tmp_path)
    with np.load(artifact / "evaluation.npz") as evaluation:
        np.save(tmp_path / "images.npy", evaluation["inputs"][:200])
        keras_says = evaluation["outputs"][:200].argmax(axis=1)
    said = run(python, "-m", "strop", "run", bundle, tmp_path / "images.npy", "--json").stdout
    labels = [int(prediction["label"]) for prediction in json.loads(said)["predictions"]]
    assert np.mean(labels == keras_says) >= 0.95


def test_a_full_disk_while_writing_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on file size simulates the full disk: the same call gives the same error."""
    path = tmp_path / "bundle.strop"
    path.write_bytes(b"what was there")
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from strop_export import dist, errors\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    dist.write(Path(sys.argv[1]), bytes(5000))\n"
        "except errors.ExportError as error:\n"
        "    print(error)\n"
    )
    done = run(sys.executable, "-c", script, path)
    assert f"cannot write {path}: File too large" in done.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle.strop"]
    assert path.read_bytes() == b"what was there"
