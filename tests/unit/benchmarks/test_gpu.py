"""The picture of `strop sweep`: drawn only from valid output."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import gpu
from benchmarks.gpu import SweepError


def content(adapter: str = "NVIDIA Toaster, CUDA 12.8", engine: str = "onnx") -> dict[str, Any]:
    """Output of `strop sweep --json`: 3 M images per second, 90 us per call, and a core of 1 M."""
    points = []
    for batch in (1, 16, 256, 4096, 65_536):
        gpu_us, cpu_us = 90 + batch / 3, 5 + float(batch)
        points.append(
            {
                "batch": batch,
                "cpu": _rate("litert", batch, cpu_us),
                "gpu": _rate(engine, batch, gpu_us),
                "speedup": cpu_us / gpu_us,
                "upload_us": 10 + batch / 10,
                "compute_us": 70.0,
                "download_us": 10.0,
            }
        )
    return {
        "bundle": "mnist-mlp-gpu.strop",
        "digest": "0" * 64,
        "model": {
            "name": "mnist-mlp",
            "version": 1,
            "engine": engine,
            "engine_version": "1.26.0",
            "device": f"gpu ({adapter})",
            "adapter": adapter,
            "precision": "float32",
            "threads": 1,
            "tuned": False,
        },
        "cpu": {"machine": "x86_64", "model": "AMD EPYC", "cores": 2},
        "crossover": 256,
        "points": points,
    }


def _rate(engine: str, batch: int, us: float) -> dict[str, Any]:
    return {
        "engine": engine,
        "precision": "float32",
        "images_per_s": batch / us * 1e6,
        "p50_us": us,
        "p95_us": 2 * us,
        "p99_us": 3 * us,
        "samples": 30,
    }


def written(folder: Path, value: dict[str, Any], name: str = "sweep.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(value, indent=2), encoding="ascii")
    return path


def texts(value: dict[str, Any], folder: Path) -> str:
    """All texts in the picture of one sweep."""
    figure = gpu.draw([gpu.load(written(folder, value))])
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    labels = [label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())]
    return "\n".join([*legends, *titles, *labels])


class TestPicture:
    @pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
    def test_it_is_drawn(self, tmp_path: Path, count: int) -> None:
        sweeps = [written(tmp_path, content(engine=f"e{i}"), f"{i}.json") for i in range(count)]
        out = tmp_path / "picture.png"
        assert gpu.main([*map(str, sweeps), "--out", str(out)]) == 0
        with Image.open(out) as picture:
            assert picture.format == "PNG"
            assert picture.width == 1440
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20

    def test_it_names_what_was_measured_and_in_which_units(self, tmp_path: Path) -> None:
        said = texts(content(), tmp_path)
        for text in (
            "NVIDIA Toaster, CUDA 12.8\nonnx 1.26.0, float32; beside AMD EPYC: faster than one "
            "core from 256 on",
            "images a second",
            "images a call",
            "share of a call, %",
            "upload",
            "compute",
            "download",
            "ring: from here on the GPU wins",
        ):
            assert text in said

    def test_a_software_adapter_is_called_that(self, tmp_path: Path) -> None:
        said = texts(content("Google SwiftShader, Vulkan 1.3, software"), tmp_path)
        assert "Google SwiftShader, Vulkan 1.3, software" in said
        assert "Google SwiftShader, software\nonnx" in said  # above its shares, too

    def test_a_gpu_that_never_wins_has_no_ring(self, tmp_path: Path) -> None:
        said = texts({**content(), "crossover": None}, tmp_path)
        assert "no faster than one core up to 65,536" in said
        assert "ring" not in said

    def test_a_batch_size_is_enough_in_any_order(self, tmp_path: Path) -> None:
        value = content()
        assert texts({**value, "points": value["points"][::-1]}, tmp_path) == texts(value, tmp_path)
        texts({**value, "points": value["points"][2:3]}, tmp_path)

    def test_the_same_sweeps_give_the_same_bytes(self, tmp_path: Path) -> None:
        sweep = gpu.load(written(tmp_path, content()))
        drawn = []
        for name in ("a.png", "b.png"):
            gpu.save(gpu.draw([sweep]), tmp_path / name)
            drawn.append((tmp_path / name).read_bytes())
        assert drawn[0] == drawn[1]


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = copy.deepcopy(content())
    change(value)
    return json.dumps(value).encode("ascii")


class TestJunk:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "not JSON"),
            (b"\x89PNG\r\n", "not JSON"),
            (b"[1, 2]", "list instead of an object"),
            (b'{"candidates": []}', "unknown field"),  # of strop tune
            (_changed(lambda c: c.pop("cpu")), "field 'cpu' is missing"),
            (_changed(lambda c: c["points"][0].pop("gpu")), "field 'gpu' is missing"),
            (_changed(lambda c: c["points"][0].update(batch="1")), "str instead of int"),
            (_changed(lambda c: c["model"].update(adapter=None)), "adapter: NoneType instead"),
            (_changed(lambda c: c["model"].update(adapter="a\x1b[2J")), "cannot be printed"),
            (_changed(lambda c: c.update(points=[])), "no batch sizes"),
            (_changed(lambda c: c["points"].append(c["points"][0])), "one of them twice"),
            (_changed(lambda c: c["points"][0].update(batch=0)), "not above 0"),
            (_changed(lambda c: c["points"][0].update(upload_us=-1)), "not above 0"),
            (_changed(lambda c: c["points"][0]["gpu"].update(images_per_s=0)), "not above 0"),
            (_changed(lambda c: c.update(crossover=3)), "crossover 3 is not one of its batch"),
            (_changed(lambda c: c.update(crossover=10**400)), "crossover"),
        ],
    )
    def test_a_file_that_is_no_sweep(
        self, tmp_path: Path, data: bytes, reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path, out = tmp_path / "junk.json", tmp_path / "picture.png"
        path.write_bytes(data)
        assert gpu.main([str(path), "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"benchmarks: {path}")
        assert reason in said
        assert said.count("\n") == 1
        assert not out.exists()

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(SweepError, match=r"cannot read .*none\.json: No such file"):
            gpu.load(tmp_path / "none.json")
        with pytest.raises(SweepError, match="Is a directory"):
            gpu.load(tmp_path)

    def test_sweeps_of_two_models(self, tmp_path: Path) -> None:
        other = content()
        other["model"]["name"] = "other"
        sweeps = [gpu.load(written(tmp_path, value)) for value in (content(), other)]
        with pytest.raises(SweepError, match="several models cannot be compared: mnist-mlp v1, o"):
            gpu.draw(sweeps)

    def test_too_many(self, tmp_path: Path) -> None:
        with pytest.raises(SweepError, match="7 sweeps are too many for one picture, 6 at most"):
            gpu.draw([gpu.load(written(tmp_path, content()))] * 7)

    @pytest.mark.parametrize("out", ["picture.svg", "picture", "none/picture.png"])
    def test_a_picture_that_cannot_be_written(
        self, tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path, content())
        assert gpu.main([str(path), "--out", str(tmp_path / out)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("adapter", "title"),
    [
        ("NVIDIA Toaster, CUDA 12.8", "NVIDIA Toaster"),
        (
            "Google SwiftShader Device (Subzero), Vulkan 1.3, software",
            "Google SwiftShader Device, software",
        ),
        ("Mesa llvmpipe (LLVM 19), Vulkan 1.4, software", "Mesa llvmpipe, software"),
        ("x" * 35, "x" * 35),
        ("x" * 36, "x" * 33 + " \u2026"),
    ],
)
def test_a_title_is_short_and_says_software(adapter: str, title: str) -> None:
    assert gpu._title(adapter) == title


def test_numbers_on_an_axis_are_short() -> None:
    assert [gpu._short(v) for v in (1, 100, 1e3, 1e5, 1e6, 1e9)] == [
        *("1", "100", "1k", "100k", "1M", "1G")
    ]


@pytest.mark.parametrize(("count", "room"), [(1, 5), (5, 5), (6, 5), (9, 5), (9, 9), (40, 9)])
def test_an_axis_names_no_more_than_it_has_room_for(count: int, room: int) -> None:
    named = gpu._named(set(range(1, count + 1)), room)
    assert named[0] == 1
    assert 1 <= len(named) <= room
    assert len({b - a for a, b in itertools.pairwise(named)}) <= 1
