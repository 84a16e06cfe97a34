"""The loop by hand: the answers of Strop's own engine, on the networks that it is written for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import c_alone
from benchmarks.cases import cases
from benchmarks.crew import Crew
from benchmarks.environments import Environments
from benchmarks.files import Files
from benchmarks.peers import Absent, vnni_loop
from strop_export.formats.plan import Plan, Step, Tensor
from tests.needs import unavailable

HAS_VNNI = "avx512_vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()


def network(hidden: int = 50) -> Plan:
    """A random network of 784-hidden-50-10."""
    random = np.random.default_rng(3)

    def weights(outputs: int, inputs: int) -> Tensor:
        values = random.integers(-127, 128, (outputs, inputs)).astype(np.int8)
        scales = random.uniform(0.002, 0.004, outputs).astype(np.float32)
        return Tensor("int8", (outputs, inputs), values=values, scales=scales)

    def biases(outputs: int) -> Tensor:
        values = random.integers(-9999, 9999, outputs).astype(np.int32)
        return Tensor("int32", (outputs,), values=values)

    def quantized(size: int, scale: float) -> Tensor:
        return Tensor("int8", (size,), scale=scale, zero_point=-128)

    kernel = random.normal(size=(10, 50)).astype(np.float32)
    tensors = [
        Tensor("uint8", (784,), scale=1.0, name="image"),
        quantized(784, 1.0),
        *(weights(hidden, 784), biases(hidden), quantized(hidden, 40.0)),
        *(weights(50, hidden), biases(50), quantized(50, 60.0)),
        Tensor("float32", (50,)),
        Tensor("float32", (10, 50), values=kernel / 10_000),
        Tensor("float32", (10,), values=random.normal(size=10).astype(np.float32)),
        *(Tensor("float32", (10,)), Tensor("float32", (10,), name="probabilities")),
    ]
    steps = [
        Step("quantize", (0,), 1),
        Step("fully_connected", (1, 2, 3), 4, "relu"),
        Step("fully_connected", (4, 5, 6), 7, "relu"),
        Step("dequantize", (7,), 8),
        Step("fully_connected", (8, 9, 10), 11),
        Step("softmax", (11,), 12, beta=1.0),
    ]
    return Plan(tensors, steps, [0], [12], "float")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "net.plan"
    path.write_bytes(network().to_bytes())
    return path


def test_it_gives_the_answers_of_the_native_engine(plan: Path, tmp_path: Path) -> None:
    if not HAS_VNNI:
        with pytest.raises(Absent, match="this CPU has no AVX-512 VNNI"):
            vnni_loop.build("", "int8", str(plan), str(tmp_path))
        return
    built = vnni_loop.build("", "int8", str(plan), str(tmp_path))
    try:
        import strop_native
    except ImportError:
        unavailable("strop_native is not installed", "make setup")
    images = np.random.default_rng(0).integers(0, 256, (300, 784), np.uint8)
    images[200:] *= np.random.default_rng(1).integers(0, 2, (100, 784), np.uint8)
    expected = strop_native.Model(plan.read_bytes()).predict(images)
    assert expected is not None
    answers = vnni_loop.open_loop("", "int8", built, 300)(images.reshape(300, 28, 28))
    np.testing.assert_allclose(answers, expected, atol=2e-6)
    assert len(np.unique(expected.argmax(axis=1))) > 1
    assert answers.max() < 0.99  # so that every term of it counts


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda net: network(48), "written for 784-50-50-10"),
        (lambda net: replace(net, steps=net.steps[:5], outputs=[11]), "written for 784-50-50-10"),
        (
            lambda net: replace(
                net,
                tensors=[*net.tensors[:4], replace(net.tensors[4], zero_point=3), *net.tensors[5:]],
            ),
            "whose zero is -128",
        ),
    ],
)
def test_another_network_is_refused(
    change: Callable[[Plan], Plan], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.plan"
    path.write_bytes(change(network()).to_bytes())
    with pytest.raises(Absent, match=why):
        vnni_loop.source(str(path))


def test_the_core_and_the_loop_are_timed_in_turns_in_c(plan: Path, tmp_path: Path) -> None:
    files = Files(tmp_path / "net", tmp_path)
    files.bundle("").touch()
    parts = files.bundle("").with_suffix("")
    parts.mkdir()
    plan.rename(parts / "plan-int8.plan")
    random = np.random.default_rng(0)
    for path in (files.images, files.dense):
        np.save(path, random.integers(0, 256, (20, 28, 28), np.uint8))
    places = Environments({"peers": Path(sys.executable)}, tmp_path, tmp_path)
    with Crew(places, files) as crew:
        rows, ratios = c_alone.measure(crew, cases(), 6)
        assert c_alone.measure(crew, cases("Strop *"), 6) == ([], [])
    names = ["Strop native int8", "Dense VNNI loop in C int8"]
    if not HAS_VNNI:
        assert [row.subject for row in rows] == names
        assert all("this CPU has no AVX-512 VNNI" in row.absent for row in rows)
        return
    assert [row.subject for row in rows] == [*names, *(f"{name} dense" for name in names)]
    for row in rows:
        assert (row.axis, row.batch, row.unit) == ("c_alone", 1, "us")
        assert len(row.samples_us) == 6
        assert row.p50_us == row.value == pytest.approx(np.median(row.samples_us))
    assert [(one.name, one.engine, one.against) for one in ratios] == [
        ("native int8", "native", "Dense VNNI loop in C int8"),
        ("native int8 dense", "native", "Dense VNNI loop in C int8 dense"),
    ]
