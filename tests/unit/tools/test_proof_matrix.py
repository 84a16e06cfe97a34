"""The proof matrix: figures from results, their table in the docs, and their picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from benchmarks import drawing
from lab import boards
from tools import proof_figures, proof_matrix, proof_picture
from tools.proof_figures import FIGURES, NO_WHEEL, PROVEN, ROOT, Cell, Device, Matrix

DEVICES = (
    Device("workstation", "hardware", "PC", "Debian 12"),
    Device("zero", "emulated boards", "Zero", "Debian 12"),
    Device("web", "Node.js", "web", "Node.js 20"),
    Device("cuda", "NVIDIA H100", "CUDA", "Ubuntu"),
    Device("vulkan", "NVIDIA H100", "Vulkan", "Ubuntu"),
)
CELLS = (
    Cell("zero", "litert", "int8", NO_WHEEL),
    Cell("zero", "native", "int8", PROVEN, 7, 0),
    Cell("cuda", "onnx", "float32", PROVEN, 3),
)
MATRIX = Matrix(10000, DEVICES, CELLS)
H100 = "NVIDIA H100 80GB HBM3, CUDA 13.0"


@pytest.fixture(scope="module")
def committed() -> Matrix:
    return proof_figures.load()


@pytest.fixture(scope="module")
def figure(committed: Matrix) -> Figure:
    drawn = proof_picture.draw(committed)
    drawn.draw_without_rendering()
    return drawn


def board(engine: str, status: str, disagreements: int | None, **others: Any) -> dict[str, Any]:
    who = {"board": "zero", "engine": engine, "precision": "int8", "status": status}
    figures = {"images": 10000, "disagreements": disagreements, "differing_bits": None}
    return who | figures | others


def variant(target: str, engine: str, disagreements: int) -> dict[str, Any]:
    who = {"target": target, "engine": engine, "precision": "dynamic"}
    return who | {"samples": 10000, "disagreements": disagreements}


def path(name: str, adapter: str, disagreements: int | None = 0) -> dict[str, Any]:
    who = {"path": name, "engine": name.partition("-")[0], "precision": "float32"}
    status = PROVEN if adapter else "no NVIDIA GPU"
    who |= {"adapter": adapter, "status": status}
    return who | {"images": 10000 if adapter else 0, "disagreements": disagreements}


def results(folder: Path, **rows: list[dict[str, Any]]) -> Path:
    """Write files of results: cells, variants, paths."""
    files = {"cells": "devices.json", "variants": "report.json", "paths": "gpu.json"}
    for name, content in rows.items():
        (folder / files[name]).write_text(json.dumps({name: content}), encoding="ascii")
    return folder


class TestResults:
    def test_no_results(self, tmp_path: Path) -> None:
        assert proof_figures.gather(MATRIX, tmp_path) == []

    def test_boards(self, tmp_path: Path) -> None:
        cells = [board("litert", NO_WHEEL, None, images=0)]
        cells.append(board("native", PROVEN, 7, differing_bits=0))
        assert proof_figures.gather(MATRIX, results(tmp_path, cells=cells)) == list(CELLS[:2])

    def test_the_workstation_has_the_first_file_and_the_page_its_plans(
        self, tmp_path: Path
    ) -> None:
        variants = [variant("rpi", "litert", 14), variant("rpi", "tflite", 15)]
        variants += [variant("cpu", "litert", 7), variant("gpu", "onnx", 1)]
        variants += [variant("web", "native", 2), variant("web", "onnx", 4)]
        assert proof_figures.gather(MATRIX, results(tmp_path, variants=variants)) == [
            Cell("workstation", "litert", "dynamic", PROVEN, 7),
            Cell("workstation", "tflite", "dynamic", PROVEN, 15),
            Cell("web", "native", "dynamic", PROVEN, 2),
        ]

    def test_only_the_gpu_of_the_matrix_counts(self, tmp_path: Path) -> None:
        paths = [path("onnx-cuda", H100), path("onnx-webgpu", H100), path("litert", H100)]
        paths += [path("litert", "Google SwiftShader Device, software"), path("onnx-cuda", "")]
        paths += [path("onnx-cuda", "NVIDIA GeForce RTX 4090, CUDA 13.0", 5)]
        assert proof_figures.gather(MATRIX, results(tmp_path, paths=paths)) == [
            Cell("cuda", "onnx", "float32", PROVEN, 0),
            Cell("vulkan", "onnx", "float32", PROVEN, 0),
            Cell("vulkan", "litert", "float32", PROVEN, 0),
        ]

    def test_results_of_fewer_images_are_refused(self, tmp_path: Path) -> None:
        results(tmp_path, cells=[board("native", PROVEN, 1, images=1100)])
        with pytest.raises(ValueError, match="of 1,100 images, not 10,000"):
            proof_figures.gather(MATRIX, tmp_path)


class TestTaking:
    def test_a_device_is_replaced_and_the_others_stay(self) -> None:
        fresh = Cell("zero", "native", "int8", PROVEN, 8, 1)
        assert MATRIX.taking([fresh]).cells == (fresh, CELLS[2])
        assert MATRIX.taking([]) == MATRIX

    def test_what_is_not_proven_is_refused(self) -> None:
        with pytest.raises(ValueError, match="native int8 on zero: FAILED"):
            MATRIX.taking([Cell("zero", "native", "int8", "FAILED", 900)])

    def test_an_unknown_device_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"proof.json has no device 'pi6'"):
            MATRIX.taking([Cell("pi6", "native", "int8", PROVEN, 7)])

    def test_differences_are_told(self) -> None:
        found = [CELLS[0], Cell("zero", "native", "int8", PROVEN, 7, 5)]
        found.append(Cell("zero", "tflite", "int8", PROVEN, 7))
        assert MATRIX.differences(CELLS) == []
        assert MATRIX.differences(found) == [
            "native int8 on zero: proven, 7 with 0 bits in proof.json, proven, 7 with 5 bits now",
            "tflite int8 on zero: nothing in proof.json, proven, 7 now",
        ]
        assert MATRIX.differences(found[:1]) == [
            "native int8 on zero: proven, 7 with 0 bits in proof.json, nothing now"
        ]

    def test_a_run_on_boards_tells_them(self, tmp_path: Path, committed: Matrix) -> None:
        rows = [
            {**vars(cell), "board": cell.device, "images": 10000}
            for cell in committed.cells
            if cell.device in boards.names()
        ]
        assert proof_figures.news(results(tmp_path, cells=rows)) == [
            "docs/pictures/proof.json holds the same"
        ]
        rows[0]["disagreements"] += 1
        head, *lines = proof_figures.news(results(tmp_path, cells=rows))
        assert head.endswith("python -m tools.proof_matrix takes these figures:")
        assert len(lines) == 1
        rows[0]["images"] = 1100
        (line,) = proof_figures.news(results(tmp_path, cells=rows))
        assert "is not compared: the results are of 1,100 images" in line


class TestCommitted:
    """docs/pictures/proof.json."""

    def test_it_is_written_as_it_is_read(self, tmp_path: Path, committed: Matrix) -> None:
        committed.write(tmp_path / "proof.json")
        assert (tmp_path / "proof.json").read_bytes() == FIGURES.read_bytes()

    def test_its_boards_are_those_of_the_lab(self, committed: Matrix) -> None:
        emulated = {one.name: one for one in committed.devices if one.group == "emulated boards"}
        assert set(emulated) == set(boards.names())
        for name, one in emulated.items():
            debian = {"bookworm": 12, "trixie": 13}[boards.load(name).suite]
            assert one.system == f"Debian {debian}, Python {boards.load(name).python}"

    def test_what_has_no_wheel_is_what_the_boards_lack(self, committed: Matrix) -> None:
        absent = {(c.device, c.engine) for c in committed.cells if c.status == NO_WHEEL}
        lacks = {(name, one) for name in boards.names() for one in boards.load(name).without_wheel}
        assert absent == lacks

    def test_the_table_of_the_docs_has_the_same_figures(self, committed: Matrix) -> None:
        pages = (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
        tables = [table for page in pages for table in tables_of(page.read_text("utf-8"))]
        assert tables == [
            {
                cell.key: "no wheel exists"
                if cell.disagreements is None
                else (f"{cell.disagreements}", "0 bits")[: 1 + (cell.differing_bits is not None)]
                for cell in committed.cells
                if cell.device in boards.names()
            }
        ]

    def test_the_gpu_has_the_figures_of_its_page(self, committed: Matrix) -> None:
        page = (ROOT / "docs" / "devices" / "gpu.md").read_text("utf-8")
        shown = page[page.index("## What was tested") :].split("\n\n")[2].splitlines()[2:]
        told = set()
        for line in shown:
            package, precision, disagreements, *_ = (cell.strip() for cell in line.split("|")[1:])
            device = "cuda" if "CUDA" in package else "vulkan"
            engine = "litert" if package.startswith("LiteRT") else "onnx"
            told.add(Cell(device, engine, precision, PROVEN, int(disagreements)))
        assert told == {c for c in committed.cells if c.device in ("cuda", "vulkan")}


def tables_of(text: str) -> Iterator[dict[tuple[str, str, str], Any]]:
    """The tables of `make test-devices` on a page, without the errors."""
    for block in re.findall(r"^engine +precision +pc .*(?:\n.+)*?(?=\n```)", text, re.MULTILINE):
        head, *lines = block.splitlines()
        places = [(match[0], match.start()) for match in re.finditer(r"\S+", head)][2:]
        table: dict[tuple[str, str, str], Any] = {}
        for line in lines:
            engine, precision = line.split()[:2]
            for (name, start), (_, end) in zip(places, [*places[1:], ("", 999)], strict=True):
                words = line[start:end].strip().split(", ")
                key = (name, engine, precision)
                table[key] = words[0] if words == [NO_WHEEL] else (words[0], *words[2:])
        yield table


class TestPicture:
    def test_a_cell_for_each_figure(self, figure: Figure, committed: Matrix) -> None:
        (axes,) = figure.axes
        cells = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert len(cells) == len(committed.cells) + 2  # and the legend's
        shown = {(t.get_position()[0], t.get_position()[1]): t.get_text() for t in axes.texts}
        rows = proof_picture._rows(committed)
        for cell in committed.cells:
            across = [device.name for device in committed.devices].index(cell.device) + 0.5
            down = rows.index((cell.engine, cell.precision)) + 0.5
            wanted = "\N{MULTIPLICATION SIGN}"
            if cell.status == PROVEN:
                wanted = str(cell.disagreements)
            assert shown[across, down] == wanted

    def test_nothing_is_cut_off(self, figure: Figure) -> None:
        width, height = figure.canvas.get_width_height()
        texts = [*figure.axes[0].texts, *figure.texts]
        assert len(texts) > 100
        for text in texts:
            box = text.get_window_extent()
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= width, text.get_text()
            assert box.y0 >= 0, text.get_text()
            assert box.y1 <= height, text.get_text()

    def test_the_same_bits_are_told_if_they_are_the_same(self) -> None:
        other = MATRIX.taking([Cell("zero", "native", "int8", PROVEN, 7, 1)])
        said = [
            any("the same bits" in text.get_text() for text in proof_picture.draw(m).axes[0].texts)
            for m in (MATRIX, other)
        ]
        assert said == [True, False]

    def test_the_committed_picture_is_of_the_committed_figures(
        self, committed: Matrix, tmp_path: Path
    ) -> None:
        drawing.save(proof_picture.draw(committed), tmp_path / "proof.png")
        drawn, there = (
            np.asarray(Image.open(place).convert("RGBA"), np.int16)
            for place in (tmp_path / "proof.png", FIGURES.with_suffix(".png"))
        )
        assert drawn.shape == there.shape
        assert (np.abs(drawn - there) > 64).sum() < 50  # another digit is more
        assert FIGURES.with_suffix(".png").stat().st_size < 120_000


class TestCommand:
    def test_it_takes_the_results_and_draws(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        figures = tmp_path / "figures.json"
        MATRIX.write(figures)
        results(tmp_path, cells=[board("native", PROVEN, 8, differing_bits=0)])
        command = [str(tmp_path), "--figures", str(figures)]
        assert proof_matrix.main(command) == 0
        assert capsys.readouterr().out.splitlines() == [
            "litert int8 on zero: no wheel exists in proof.json, nothing now",
            "native int8 on zero: proven, 7 with 0 bits in proof.json, proven, 8 with 0 bits now",
        ]
        taken = Cell("zero", "native", "int8", PROVEN, 8, 0)
        assert proof_figures.load(figures).cells == (taken, CELLS[2])
        with Image.open(tmp_path / "figures.png") as picture:
            assert picture.width == 1440
        assert proof_matrix.main(command) == 0
        assert capsys.readouterr().out == "no figure has changed\n"

    @pytest.mark.parametrize("junk", ["", "{}", '{"cells": [{}]}'])
    def test_it_refuses_junk_and_changes_nothing(
        self, junk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        figures = tmp_path / "figures.json"
        MATRIX.write(figures)
        (tmp_path / "devices.json").write_text(junk, encoding="ascii")
        assert proof_matrix.main([str(tmp_path), "--figures", str(figures)]) == 2
        assert capsys.readouterr().err.startswith("proof_matrix: ")
        assert proof_figures.load(figures) == MATRIX

    def test_it_refuses_a_folder_that_is_not_there(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        figures, missing = tmp_path / "figures.json", tmp_path / "missing"
        MATRIX.write(figures)
        assert proof_matrix.main([str(missing), "--figures", str(figures)]) == 2
        assert capsys.readouterr().err == (
            f"proof_matrix: there is no folder {missing}; make one: make export\n"
        )
