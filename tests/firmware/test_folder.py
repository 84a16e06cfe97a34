"""The folder of C: names, the header in C++, the programs, the build by CMake, other layouts."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export.firmware.folder import Golden, files
from strop_export.firmware.names import comment, model_identifier, string, tensor_identifiers
from strop_export.formats.plan import Plan, Step, Tensor
from strop_export.formats.plan_reader import read_plan
from tests.contract import plan_referee, plan_sample
from tests.firmware.kit import Compiler, compare, write
from tests.needs import unavailable

CLASHES = ["int", "main", "printf", "j0", "model", "arrays", "pair 2", "output", "a*/b", "??/"]
HOSTILE = [
    *CLASHES,
    *("class", "", "9 lives", "数字", "Zahlen für später", "size_t", "/*", "// \\", 'quote"s'),
    *("new\nline", "\u202egnp", "strop_model", "run", "x" * 300, "arena", "best"),
]
CXX = ["g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
READ = [*CXX, "-fsyntax-only", "-x", "c++"]
# What Arduino's own header has.
ARDUINO = """
struct {
    void begin(long) {}
    template <typename T> void println(T) {}
} Serial;
void delay(unsigned long) {}
"""


def two_ends(first: str, second: str) -> bytes:
    """Make a plan of two inputs and one output."""
    tensors = [
        Tensor("float32", (3,), name=first),
        Tensor("int8", (3,), 0.5, 3, name=second),
        Tensor("float32", (3,)),
        Tensor("float32", (3,), name=first),
    ]
    steps = [Step("dequantize", (1,), 2), Step("add", (0, 2), 3)]
    return Plan(tensors, steps, [0, 1], [3]).to_bytes()


def classifier() -> bytes:
    """Make a plan whose output is the scores of four classes."""
    weights = np.diag([1, 2, 3, 4]).astype(np.float32)
    tensors = [
        Tensor("uint8", (2, 2), 1.0, name="image"),
        Tensor("float32", (4,)),
        Tensor("float32", (4, 4), values=weights),
        Tensor("float32", (4,), name="scores"),
    ]
    steps = [Step("dequantize", (0,), 1), Step("fully_connected", (1, 2), 3)]
    return Plan(tensors, steps, [0], [3]).to_bytes()


def need(program: str, package: str) -> None:
    if not shutil.which(program):
        unavailable(f"{program} is missing", f"apt install {package}")


def test_the_names_of_the_interface() -> None:
    assert model_identifier("mnist-mlp") == "mnist_mlp"
    assert model_identifier("Zahlen für später") == "zahlen_fur_spater"
    assert tensor_identifiers("net", ["image", "scores"]) == ["image", "scores"]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_becomes_an_identifier(name: str) -> None:
    made = model_identifier(name)

    assert re.fullmatch("[a-z][a-z0-9_]{3,}", made)
    assert made not in HOSTILE


def test_identifiers_are_distinct() -> None:
    own = {"run", "golden", "model", "model_len"}
    names = ["x y", "x-y", "x_y", "X Y", "x_y_2", "数", "字", "", *own]

    made = tensor_identifiers("net", names)
    assert len(set(made)) == len(names)
    assert not own & set(made)


def test_no_header_of_a_c_library_is_hidden() -> None:
    zig = importlib.util.find_spec("ziglang")
    assert zig is not None
    assert zig.origin is not None
    libraries = Path(zig.origin).parent / "lib" / "libc" / "include"
    found = (path for name in ("glibc", "musl") for path in libraries.glob(f"generic-{name}/*.h"))
    headers = {path.stem for path in found}
    assert {"stdint", "string", "features"} <= headers
    assert {stem for stem in headers if model_identifier(stem) == stem} == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_text_does_not_leave_its_comment_or_string(name: str) -> None:
    assert not re.search(r"\*|\?|\\|[\x00-\x1f\u202e]", comment(name))
    assert re.fullmatch(r'"(?:[^"\\?\n]|\\[0-7]{3})*"', string(name))


@pytest.mark.parametrize("name", [*CLASHES, "uint8", "weights", "axes", "string", "stdint"])
def test_hostile_names_compile(name: str, gcc: Compiler, tmp_path: Path) -> None:
    need("g++", "g++")
    tensors = {"uint8": ("t", "t"), "weights": ("1", "2"), "axes": ("1", "model")}
    file = two_ends(*tensors.get(name, (name, f"{name}*/")))
    folder = write(tmp_path, file, name)
    program = gcc.program(folder, name)

    random = np.random.default_rng(2)
    compare(program, file, plan_sample.floats(random, 4, 3), np.ones((4, 3), np.int8))
    subprocess.run([*READ, *folder.glob("src/*.h")], check=True)


@pytest.mark.parametrize("with_golden", [True, False], ids=["golden", "zeros"])
def test_cmake_builds_a_program_that_runs_a_sample(with_golden: bool, tmp_path: Path) -> None:
    need("cmake", "cmake")
    file = classifier()
    samples = np.array([[[1, 9], [2, 3]], [[0, 0], [0, 1]]], np.uint8)  # scores 1 18 6 12
    golden = Golden([samples], plan_referee.outputs(file, samples)) if with_golden else None
    folder, build = write(tmp_path / "net", file, "net", golden), tmp_path / "build"

    warnings = "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror -pedantic"
    subprocess.run(["cmake", "-S", folder, "-B", build, warnings], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
    said = subprocess.run([build / "net_model_main"], check=True, capture_output=True, text=True)

    assert said.stdout == ("class 1: 18\n" if with_golden else "class 0: 0\n")


def test_two_models_are_two_libraries_of_one_sketch(tmp_path: Path) -> None:
    need("ar", "binutils")
    linked: list[Path] = []
    for name in ("first-net", "second-net"):
        folder = write(tmp_path / name, classifier(), name)
        sources = folder.glob("src/**/*.c")
        subprocess.run(["gcc", "-c", f"-I{folder / 'src'}", *sources], check=True, cwd=folder)
        objects = sorted(folder.glob("*.o"))
        if "dot_a_linkage=true" in (folder / "library.properties").read_text():  # as Arduino does
            subprocess.run(["ar", "rcs", folder / "library.a", *objects], check=True)
            objects = [folder / "library.a"]
        linked += objects
    sketch = tmp_path / "sketch.c"
    sketch.write_text(
        """
#include "first_net.h"
#include "second_net.h"
static uint64_t arena[(FIRST_NET_ARENA_BYTES + 7) / 8 + (SECOND_NET_ARENA_BYTES + 7) / 8];
int main(void) {
    first_net_run(arena);
    second_net_run(arena);
    return 0;
}
"""
    )
    includes = [f"-I{tmp_path / name / 'src'}" for name in ("first-net", "second-net")]
    built = tmp_path / "sketch"
    subprocess.run(["gcc", *includes, sketch, *linked, "-o", built], check=True)
    subprocess.run([built], check=True)


def test_golden_samples_are_the_bytes_of_the_samples(gcc: Compiler, tmp_path: Path) -> None:
    file = two_ends("first", "second")
    random = np.random.default_rng(2)
    given: list[Any] = [
        plan_sample.floats(random, 2, 3),
        np.array([[1, -2, 3], [4, 5, -128]], np.int8),
    ]
    golden = Golden(given, plan_referee.outputs(file, *given))
    folder = write(tmp_path, file, golden=golden)
    (folder / "src" / "show.c").write_text(
        """
#include <stdio.h>
#include "some_net.h"
void show(void);
void show(void) {
    const strop_golden *of = &some_net_golden;
    for (int i = 0; i < of->model->inputs; i++)
        fwrite(of->inputs[i], of->model->arrays[i].bytes, of->samples, stdout);
    fwrite(of->outputs[0], of->model->arrays[of->model->inputs].bytes, of->samples, stdout);
}
"""
    )
    program = gcc.program(folder, main="void show(void); int main(void) { show(); return 0; }")

    said = subprocess.run([program], check=True, capture_output=True).stdout
    assert said == b"".join(array.tobytes() for array in (*golden.inputs, *golden.outputs))


@pytest.mark.parametrize("file", [classifier(), two_ends("a", "b")], ids=["classes", "values"])
def test_the_sketch_and_the_program_compile(file: bytes, gcc: Compiler, tmp_path: Path) -> None:
    need("g++", "g++")
    folder = write(tmp_path, file)
    (tmp_path / "arduino.h").write_text(ARDUINO)
    sketch = folder / "examples" / "classify" / "classify.ino"

    subprocess.run(
        [*READ, "-I", folder / "src", "-include", tmp_path / "arduino.h", sketch], check=True
    )
    program = gcc.program(folder, main=(folder / "main.c").read_text())
    assert subprocess.run([program], check=True, capture_output=True).stdout
    properties = dict(
        line.split("=", 1) for line in (folder / "library.properties").read_text().splitlines()
    )
    assert properties["name"] == "some_net"
    assert (folder / "src" / properties["includes"]).is_file()


def test_the_array_for_tflm_is_the_file(tmp_path: Path) -> None:
    need("g++", "g++")
    tflite = bytes(range(256)) * 3
    for path, content in files(read_plan(classifier()), b"", "edge", tflite, None).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "show.cc").write_text(
        """
#include <stdint.h>
#include <stdio.h>
#include "edge_model.h"
int main() {
    fwrite(edge_model, 1, edge_model_len, stdout);
    return reinterpret_cast<uintptr_t>(edge_model) % 16;
}
"""
    )
    inputs = [tmp_path / "show.cc", tmp_path / "tflm" / "edge_model.cc"]
    subprocess.run([*CXX, "-I", tmp_path / "tflm", *inputs, "-o", tmp_path / "show"], check=True)

    assert subprocess.run([tmp_path / "show"], check=True, capture_output=True).stdout == tflite
