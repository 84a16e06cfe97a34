"""The measured cases, and their neighbours."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.cases import STROP_MODULE, cases, first_of_each, installs, peer
from benchmarks.files import _TARGETS, ROOT
from benchmarks.peers import NAMES
from benchmarks.ratios import OWN
from benchmarks.results import LIMIT, PEER, STROP
from strop import engines


def test_every_engine_of_strop_has_raw_loops_of_every_precision() -> None:
    for ours in cases("Strop *"):
        assert ours.kind == STROP
        if ours.engine == OWN:
            continue
        beside = [case for case in cases() if case.process == ours.process and case.kind != STROP]
        assert any(case.precision == ours.precision for case in beside)
        assert {case.environment for case in beside} == {ours.environment}
    wrapped = {case.engine for case in cases("Strop *")}
    assert wrapped <= set(engines.NAMES) - {engines.FAKE}
    # The engine that is NumPy alone has no raw loop to compare with.
    assert wrapped >= {"reference", *(n for n, entry in engines.TABLE.items() if entry.package)}
    assert set(_TARGETS) <= wrapped


def test_peers_near_strops_own_engine_run_the_same_images_and_instructions() -> None:
    own = [case for case in cases() if case.engine == OWN and case.kind == STROP]
    assert [case.name for case in own if case.precision == "int8"] == [
        *("Strop native int8", "Strop native int8 dense", "Strop native int8 avx2"),
    ]
    for ours in own:
        rivals = [
            case
            for case in cases()
            if case.kind == PEER
            and (case.is_dense, case.isa) == (ours.is_dense, ours.isa)
            and case.precision == ours.precision
        ]
        assert rivals, ours.name


def test_a_case_on_other_images_opens_the_same_file_in_the_same_process() -> None:
    for case in cases():
        assert case.usual.is_usual
        assert case.usual in cases()
        assert case.on_test_set.process == case.process
        assert (case.isa == "") == (case.process == case.usual.process)


def test_the_loop_by_hand_is_no_peer() -> None:
    (limit,) = cases("Dense VNNI loop in C int8")
    assert limit.kind == LIMIT


def test_names_are_unique() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names))


def test_those_compared_with_each_other_stand_together() -> None:
    seen: list[tuple[str, str]] = []
    for case in cases():
        pair = (case.process, case.precision)
        if not seen or seen[-1] != pair:
            seen.append(pair)
    assert len(seen) == len(set(seen))


def test_a_pattern_chooses() -> None:
    assert [case.name for case in cases("Strop onnx *")] == [
        "Strop onnx float32",
        "Strop onnx int8",
    ]


def test_one_of_each_package_and_the_same_precision_on_both_sides() -> None:
    chosen = first_of_each(cases())
    assert {case.module for case in chosen} == set(NAMES)
    assert all(case.is_usual for case in chosen)
    for ours in (case for case in chosen if case.module == STROP_MODULE):
        beside = [case for case in chosen if case.engine == ours.engine and case is not ours]
        assert {case.precision for case in beside} == {ours.precision}


def test_strop_brings_its_engine() -> None:
    (ours,) = cases("Strop litert int8")
    assert installs(ours) == ("strop", "ai-edge-litert")
    (own,) = cases("Strop native int8")
    assert installs(own) == ("strop", "strop-native")
    (numpy,) = cases("Strop reference float32")
    assert installs(numpy) == ("strop",)


def test_a_cold_start_imports_nothing_that_only_a_build_needs() -> None:
    modules = ", ".join(f"benchmarks.peers.{name}" for name in NAMES)
    slow = {"pathlib", "shutil", "subprocess", "sysconfig", "unittest"}
    code = f"import sys; sys.path.append({str(ROOT)!r}); import {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert not slow & set(done.stdout.split())


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_is_what_the_contract_says(name: str) -> None:
    module = peer(name)
    assert module.ENVIRONMENT in ("peers", "tflite", "keras")
    assert module.ENGINE in ("", *engines.NAMES)
    assert callable(module.open_loop)
    for loop in module.LOOPS:
        assert loop.file in ("tflite", "onnx", "weights", "plan", "keras", "bundle")
        assert loop.precisions
