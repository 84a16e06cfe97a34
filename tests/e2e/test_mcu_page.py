"""docs/devices/mcu.md, followed to the letter: from a Keras model to a board that proves itself."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from native.mcu.build import BOARDS
from strop.bundle.file import read_bundle
from strop.diagnostics.replay import proven_outputs
from strop_export.firmware.cpus import CPUS
from tests.environments import ROOT, run
from tests.markdown import Block, blocks, require_sample
from tests.needs import unavailable

TEXT = (ROOT / "docs" / "devices" / "mcu.md").read_text(encoding="utf-8")
PORT = "/dev/pts/3"
NEEDED = {"gcc": "gcc", "cmake": "cmake", "qemu-system-arm": "qemu-system-arm"}
MADE_HERE = {"dist", "build", "artifacts"}  # not linked: the page makes its own


def _marked(mark: str) -> list[Block]:
    return [block for block in blocks(TEXT) if block.mark == mark]


@pytest.fixture(scope="module")
def checkout(edge_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like this repository, with the files that the page begins with."""
    for program, package in NEEDED.items():
        if not shutil.which(program):
            unavailable(f"there is no {program}", f"apt install {package}")
    folder = tmp_path_factory.mktemp("checkout")
    for path in ROOT.iterdir():
        if path.name not in MADE_HERE:
            (folder / path.name).symlink_to(path)
    shutil.copy(edge_artifact / "model.keras", folder / "my.keras")
    for given, name in (("calibration", "my"), ("evaluation", "test")):
        with np.load(edge_artifact / f"{given}.npz") as content:
            kept = {key: content[key] for key in ("inputs", "labels") if key in content.files}
        np.savez(folder / f"{name}.npz", **kept)
    return folder


def _type(block: Block, folder: Path) -> str:
    """Run the lines of a block, but for those that install packages; return what they print."""
    lines = [line for line in block.lines if not line.startswith("sudo ")]
    return "".join(run("sh", "-c", line, cwd=folder).stdout for line in lines)


@contextmanager
def _emulated(block: Block, folder: Path) -> Iterator[str]:
    """Run the lines of a block, leave the last one running, and yield the port that it names."""
    *first, last = block.lines
    for line in first:
        run("sh", "-c", line, cwd=folder)
    with subprocess.Popen(last.split(), cwd=folder, stdout=subprocess.PIPE, text=True) as emulator:
        try:
            assert emulator.stdout
            found = re.search(r"/dev/\S+", emulator.stdout.readline())
            assert found
            yield found[0]
        finally:
            emulator.send_signal(signal.SIGKILL)


def _without_crcs(text: str) -> str:
    return re.sub(r"\b[0-9a-f]{8}\b", "CRC", text)


def test_a_model_becomes_firmware_that_prints_the_digit_and_proves_itself(checkout: Path) -> None:
    export, build, cmake = _marked("run")
    digit, table = _marked("printed")

    said = _type(export, checkout)
    (sizes,) = (block for block in blocks(TEXT) if "bytes that the model needs" in block.text)
    require_sample(sizes.lines, said)
    bundle = read_bundle(str(checkout / "dist" / "digits-mcu.strop"))
    assert f"of {bundle.manifest.golden.samples} in the bundle" in table.text
    probabilities = proven_outputs(bundle, bundle.manifest.variants[0])[0][0]
    proven = f"class {probabilities.argmax()}: {probabilities.max():g}"

    assert re.fullmatch(r"class \d: [\d.]+\n", digit.text)
    assert _type(build, checkout).splitlines()[-1] == proven
    assert _type(cmake, checkout).splitlines()[-1] == proven

    (served,), (asked,) = _marked("serve"), _marked("ask")
    with _emulated(served, checkout) as port:
        command = asked.text.replace(PORT, port)
        assert command != asked.text
        printed = run("sh", "-c", command, cwd=checkout).stdout
    wanted = _without_crcs(table.text.replace(PORT, port))
    require_sample(wanted.splitlines(), _without_crcs(printed))

    _the_folder_is_as_the_page_says(checkout)


def _the_folder_is_as_the_page_says(checkout: Path) -> None:
    folder = checkout / "dist" / "digits-mcu"
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \|$", TEXT, re.M)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    files = {name for name in named if name.endswith((".c", ".h", ".txt", ".properties", "/"))}
    assert {"main.c", "src/digits.h", "tflm/"} <= files
    assert [name for name in files if not (folder / name).exists()] == []

    (snippet, sketch) = (block for block in blocks(TEXT) if block.saved_as)
    (checkout / snippet.saved_as).write_text(snippet.text)
    strict = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only")
    run("gcc", *strict, "-I", folder / "src", snippet.saved_as, cwd=checkout)
    made = (folder / "examples" / "selfcheck" / sketch.saved_as).read_text()
    assert made.partition("\n")[2] == sketch.text


def test_the_page_names_what_there_is() -> None:
    assert {cpu.title for cpu in CPUS} <= set(re.findall(r"^(\S+)  +[\d,]", TEXT, re.M))
    assert "mps2-an385" in BOARDS
    for package in NEEDED.values():
        assert re.search(rf"^sudo apt install .*\b{package}\b", TEXT, re.M)
