"""Strop over the best raw loop: its choice, the pairs, and the direction of the ratio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import cold, ratios
from benchmarks.cases import STROP_MODULE, Case
from benchmarks.rounds import Turns


def loop(name: str, precision: str = "int8", engine: str = "litert") -> Case:
    return Case(name.lower(), name, precision, engine, "tflite", "peers")


def strop(precision: str = "int8", engine: str = "litert") -> Case:
    return Case(STROP_MODULE, f"Strop {engine}", precision, engine, "bundle", "peers")


def taken(case: Case, batch: int, *medians_us: float) -> Turns:
    """Rounds of three calls around each median."""
    spread = np.array([0.5, 1.0, 4.0])
    return {(case, batch): {i: value * spread for i, value in enumerate(medians_us)}}


class TestLatency:
    TURNS: Turns = (
        taken(strop(), 1, 2.0, 4.0, 2.2)
        | taken(loop("Slow"), 1, 3.0, 3.0, 3.0)
        | taken(loop("Fast"), 1, 1.0, 2.0, 2.0)
        | taken(loop("Other", "float32"), 1, 0.1, 0.1, 0.1)
        | taken(loop("Elsewhere", "int8", "onnx"), 1, 0.1, 0.1, 0.1)
    )

    def test_it_is_the_median_over_the_rounds_over_the_best_of_its_own(self) -> None:
        first, tail = ratios.latency(self.TURNS)
        assert (first.name, first.engine, first.axis, first.batch) == (
            "litert int8",
            "litert",
            "latency",
            1,
        )
        assert first.against == "Fast int8"
        assert first.median == pytest.approx(2.0)  # of 2, 2 and 1.1
        assert 1.1 <= first.low < first.median <= first.high <= 2.0
        assert first.difference == pytest.approx(1.0)  # of 1, 2 and 0.2
        assert (tail.name, tail.against) == ("litert int8 p99", "Fast int8")
        assert tail.median == pytest.approx(2.0)

    def test_the_best_loop_is_found_within_rounds(self) -> None:
        """Every other turn of the faster loop is in a slow period that affects its whole round."""
        turns = (
            taken(strop(), 1, 2.0, 20.0, 20.0)
            | taken(loop("Faster"), 1, 1.0, 10.0, 10.0)
            | {(loop("Slower"), 1): {0: np.full(3, 1.5)}}
        )
        first, _ = ratios.latency(turns)
        assert first.against == "Faster int8"

    def test_rounds_that_one_of_them_missed_do_not_count(self) -> None:
        turns = {key: dict(rounds) for key, rounds in self.TURNS.items()}
        del turns[strop(), 1][0]
        del turns[loop("Fast"), 1][1]
        first, _ = ratios.latency(turns)
        assert first.median == pytest.approx(1.1)

    def test_one_burst_of_other_work_is_no_tail(self) -> None:
        turns = taken(strop(), 1, 2.0, 2.0, 2.0) | taken(loop("Fast"), 1, 2.0, 2.0, 2.0)
        turns[strop(), 1][1] = np.array([2.0, 2.0, 9000.0])
        _, tail = ratios.latency(turns)
        assert tail.median == pytest.approx(1.0)

    def test_int8_is_held_against_float32_on_onnx(self) -> None:
        turns = taken(strop("int8", "onnx"), 1, 6.0) | taken(strop("float32", "onnx"), 1, 5.0)
        (found,) = ratios.latency(turns)
        assert (found.name, found.against) == ("onnx int8 over float32", "Strop onnx float32")
        assert found.median == pytest.approx(1.2)

    def test_strop_alone_has_none(self) -> None:
        assert ratios.latency(taken(strop(), 1, 2.0)) == []


class TestOwnEngine:
    """No other package has loops over it, so it is compared with all."""

    OURS = strop("int8", "native")
    DENSE = replace(OURS, is_dense=True)
    AVX2 = replace(OURS, isa="avx2")
    PEER = loop("Peer", "float32", "")
    LIMIT = Case("vnni_loop", "By hand", "int8", "native", "plan", "peers")

    def turns(self, batch: int) -> Turns:
        return (
            taken(self.OURS, batch, 1.0, 1.0)
            | taken(self.DENSE, batch, 2.0, 2.0)
            | taken(self.AVX2, batch, 3.0, 3.0)
            | taken(strop("float32", "native"), batch, 5.0, 5.0)
            | taken(self.LIMIT, batch, 0.1, 0.1)
            | taken(loop("Fast"), batch, 2.0, 2.0)
            | taken(self.PEER, batch, 4.0, 4.0)
            | taken(replace(self.PEER, is_dense=True), batch, 8.0, 8.0)
            | taken(replace(self.PEER, isa="avx2"), batch, 6.0, 6.0)
        )

    def test_one_image_is_compared_with_the_fastest_of_all_on_the_same_images(self) -> None:
        found = {one.name: one for one in ratios.latency(self.turns(1))}
        assert {one.engine for one in found.values()} == {"native"}
        told = {name: one for name, one in found.items() if "p99" not in name}
        assert {name: one.against for name, one in told.items()} == {
            "native int8": "Fast int8",
            "native int8 dense": "Peer float32 dense",
            "native int8 avx2": "Fast int8",
            "native float32": "Peer float32",
        }
        assert [one.median for one in told.values()] == pytest.approx([0.5, 0.25, 1.5, 1.25])

    def test_batches_held_to_avx2_are_compared_with_peers_held_to_it(self) -> None:
        found = {one.name: one for one in ratios.throughput(self.turns(64), 64)}
        assert found["native int8 avx2"].against == "Peer float32 avx2"
        assert found["native int8 avx2"].median == pytest.approx(2.0)
        assert found["native int8"].against == "Fast int8"

    def test_the_best_engine_is_neither_held_nor_on_other_images(self) -> None:
        turns = self.turns(64) | taken(self.AVX2, 64, 0.1, 0.1) | taken(self.DENSE, 64, 0.1, 0.1)
        best = ratios.throughput(turns, 64)[-1]
        assert (best.name, best.engine, best.against) == ("best engine", "native", "Fast int8")
        assert best.median == pytest.approx(2.0)

    def test_its_starts_have_no_ratio(self) -> None:
        one = _starts((10, 80, 2, 1))
        assert cold.ratios({self.OURS: one, self.LIMIT: one, self.PEER: one}) == []


class TestThroughput:
    TURNS: Turns = (
        taken(strop(), 64, 128.0, 128.0)
        | taken(loop("Fast"), 64, 64.0, 64.0)
        | taken(strop("float32", "onnx"), 64, 64.0, 64.0)
        | taken(loop("Run", "float32", "onnx"), 64, 96.0, 96.0)
        | taken(loop("Stranger", "float32", ""), 64, 1.0, 1.0)
        | taken(strop(), 256, 1.0, 1.0)
    )

    def test_it_is_images_a_second_over_images_a_second(self) -> None:
        litert, onnx, _ = ratios.throughput(self.TURNS, 64)
        assert (litert.name, litert.batch, litert.median) == ("litert int8", 64, 0.5)
        assert litert.difference == pytest.approx(1.0)  # us an image
        assert onnx.median == pytest.approx(1.5)

    def test_the_best_engine_is_held_against_the_best_loop_of_all_that_strop_wraps(self) -> None:
        best = ratios.throughput(self.TURNS, 64)[-1]
        assert (best.name, best.engine, best.against) == ("best engine", "onnx", "Fast int8")
        assert best.median == pytest.approx(1.0)

    def test_a_batch_that_was_not_measured_has_none(self) -> None:
        assert ratios.throughput(self.TURNS, 1024) == []


def _starts(*parts_ms: tuple[float, ...]) -> dict[int, cold.Start]:
    return {i: cold.Start(parts, parts[2], 0.0) for i, parts in enumerate(parts_ms)}


class TestColdStarts:
    OURS = _starts((10, 80, 19, 1), (10, 120, 29, 1), (10, 300, 14, 1))
    BARE = _starts((10, 90, 9, 1), (10, 110, 9, 1), (10, 90, 9, 1))

    def test_they_and_memory_are_paired_start_by_start(self) -> None:
        first, second = cold.ratios({strop(): self.OURS, loop("Bare"): self.BARE})
        assert (first.name, first.axis, first.batch) == ("litert", "cold_start", None)
        assert first.difference == pytest.approx(10)
        assert (second.name, second.axis) == ("litert", "memory")
        assert second.difference == pytest.approx(10)

    def test_what_is_alike_in_both_counts_alike(self) -> None:
        first, _ = cold.ratios({strop(): self.OURS, loop("Bare"): self.BARE})
        assert first.median == pytest.approx((95 + 20) / (95 + 10))  # 1.12 and 1.02 beside it

    def test_a_machine_that_slows_down_changes_no_ratio(self) -> None:
        """Nor does it matter which others were started while it was fast."""
        fast = [(10.0, 80.0, 29.0, 1.0), (10.0, 80.0, 9.0, 1.0)]
        slow = [tuple(ms * 1.7 for ms in parts) for parts in fast]
        ours, bare = (_starts(*[fast[i]] * 20, *[slow[i]] * 40) for i in (0, 1))
        others = {loop("Other", "float32", ""): _starts(*[fast[1]] * 20)}
        first, *_ = cold.ratios({strop(): ours, loop("Bare"): bare, **others})
        assert first.low == pytest.approx(first.high)
        assert first.median == pytest.approx(1.2)
