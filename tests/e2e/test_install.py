"""Installing by the command, with good bundles and bad ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.install import lock
from tests import bundles
from tests.conftest import Exported
from tests.environments import run


def _strop(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "strop", *arguments, check=check)


def _json(*arguments: object) -> Any:
    return json.loads(_strop(*arguments, "--json").stdout)


def _refusal(*arguments: object, status: int = 2) -> str:
    """The one line of a refused request."""
    done = _strop(*arguments, check=False)
    assert done.returncode == status
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line.removeprefix("strop: ")


def _current(folder: Path) -> int:
    with strop.load(folder) as model:
        return model.version


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with version 2 installed after 1, beside the bundles of 1 to 3."""
    for version in (1, 2, 3):
        draft = bundles.image(seed=version, model_version=version)
        draft.write(tmp_path / f"{version}.strop")
    for version in (1, 2):
        _strop("install", tmp_path / f"{version}.strop", "--into", tmp_path / "models")
    return tmp_path / "models"


def test_install_run_go_back_and_look(place: Path) -> None:
    done = _strop("install", place.parent / "3.strop", "--into", place)
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first == f"shapes v3 for cpu is current in {place}"
    assert last.split()[:3] == ["reference", "float32", "weights"]

    again = _strop("install", place.parent / "3.strop", "--into", place)
    assert again.stdout == f"shapes v3 for cpu is current in {place} already: nothing to do\n"

    np.save(place.parent / "sample.npy", np.zeros((4, 4), np.uint8))
    assert _json("run", place, place.parent / "sample.npy")["model"]["version"] == 3
    assert "1 of 1 variants" in _strop("check", place).stdout
    assert _strop("info", place).stdout.startswith("shapes v3 for cpu\n")

    assert f"shapes v2 for cpu is current in {place}" in _strop("rollback", place).stdout
    assert _current(place) == 2

    header, *rows, last = _strop("history", place).stdout.splitlines()
    assert header.split()[:4] == ["time", "(UTC)", "action", "model"]
    assert [row.startswith("*") for row in rows] == [True, False, False, False]
    assert [("rollback" in row, "v2" in row) for row in rows] == [
        *((True, True), (False, False), (False, True), (False, False)),
    ]
    assert last == "* is current; strop rollback can go back once"


def test_what_it_says_to_programs(place: Path) -> None:
    installed = _json("install", place.parent / "3.strop", "--into", place)
    assert installed["changed"] is True
    assert installed["folder"] == str(place)
    assert installed["current"]["model_version"] == 3
    (checked,) = installed["current"]["checked"]
    assert (checked["engine"], checked["device"]) == ("reference", "cpu")
    assert 0 <= checked["max_abs_error"] < 1e-5
    again = _json("install", place.parent / "3.strop", "--into", place)
    assert again == {**installed, "changed": False}
    back = _json("rollback", place)
    history = _json("history", place)
    assert history["history"][-1] == back["current"]
    assert [event["model_version"] for event in history["history"]] == [1, 2, 3, 2]
    assert history["bundles"] == [event["bundle"] for event in history["history"][:2]]
    assert _json("info", place)["digest"] == back["current"]["digest"]


def test_a_damaged_bundle(place: Path) -> None:
    path = place.parent / "3.strop"
    path.write_bytes(path.read_bytes()[:-100])
    message = _refusal("install", path, "--into", place)
    assert message.startswith(f"bundle {path} refused: damaged or not a bundle")
    assert _current(place) == 2


def test_a_bundle_whose_answers_are_others_here(place: Path) -> None:
    draft = bundles.image(seed=3, model_version=3)
    wrong = np.full((bundles.SAMPLES, 3), 0.5, np.float32)
    draft.put(draft.variant["golden"][0], bundles.npy(wrong))
    path = draft.write(place.parent / "wrong.strop")
    message = _refusal("install", path, "--into", place, status=1)
    assert message.startswith("shapes v3 is refused: 1 of 1 checks failed: reference float32: ")
    assert message.endswith("; v2 stays current")
    assert _current(place) == 2
    assert len(list((place / "bundles").iterdir())) == 2


def test_a_bundle_that_no_engine_here_takes(place: Path) -> None:
    draft = bundles.image(seed=3, model_version=3)
    draft.put(draft.variant, b"no weights")
    message = _refusal("install", draft.write(place.parent / "b"), "--into", place, status=1)
    assert "reference float32" in message
    assert "does not open" in message
    assert _current(place) == 2


def test_a_downgrade(place: Path) -> None:
    message = _refusal("install", place.parent / "1.strop", "--into", place)
    assert message == (
        f"{place} has shapes v2, and this bundle is the older v1; strop rollback {place} goes back "
        "to the one before, or --allow-downgrade installs this bundle"
    )
    _strop("install", place.parent / "1.strop", "--into", place, "--allow-downgrade")
    assert _current(place) == 1


def test_back_to_nothing(place: Path) -> None:
    _strop("rollback", place)
    assert "no earlier bundle to go back to" in _refusal("rollback", place)
    assert _current(place) == 1


def test_folders_that_are_none(tmp_path: Path) -> None:
    for command in ("rollback", "history", "info", "check"):
        assert "nothing is installed in" in _refusal(command, tmp_path)
    (tmp_path / "letter.txt").write_text("mine")
    bundle = bundles.image().write(tmp_path / "1.strop")
    assert "holds other things" in _refusal("install", bundle, "--into", tmp_path)
    assert "required: --into" in _refusal("install", bundle)


def test_two_at_once(place: Path) -> None:
    command = [sys.executable, "-m", "strop", "install", "--into", str(place), "--wait", "1"]
    path = str(place.parent / "3.strop")
    with lock.hold(str(place / "lock"), 0, pytest.fail):
        done = run(*command, path, check=False)
        assert done.returncode == 2
        waiting, refused = done.stderr.splitlines()
        who = f"strop: process {os.getpid()} is installing into {place}"
        assert waiting == f"{who}: waiting for it"
        assert refused == f"{who}, and did not end in 1 s; try again, or wait longer with --wait"
        command[-1] = "30"
        process = subprocess.Popen([*command, path], stderr=subprocess.PIPE, text=True)
        assert process.stderr
        assert "waiting for it" in process.stderr.readline()
        assert _current(place) == 2
    assert process.wait() == 0
    process.stderr.close()
    assert _current(place) == 3


def test_several_at_once_all_have_their_turn(place: Path) -> None:
    paths = [place.parent / f"{version}.strop" for version in (3, 1, 3, 1)]
    command = [sys.executable, "-m", "strop", "install", "--into", place, "--allow-downgrade"]
    processes = [
        subprocess.Popen([*map(str, command), str(path)], stdout=subprocess.DEVNULL)
        for path in paths
    ]
    assert [process.wait() for process in processes] == [0] * 4
    history = _json("history", place)["history"]
    assert all(later["replaced"] == earlier["bundle"] for earlier, later in pairwise(history))
    assert _current(place) == history[-1]["model_version"]


def test_stopped_by_hand_the_old_one_stays(place: Path) -> None:
    before = sorted((place / "bundles").iterdir())
    with lock.hold(str(place / "lock"), 0, pytest.fail):
        process = subprocess.Popen(
            [sys.executable, "-m", "strop", "install", place.parent / "3.strop", "--into", place],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        assert "waiting for it" in process.stderr.readline()
        time.sleep(0.1)
        process.send_signal(2)  # ^C
        assert process.wait() == 130
        assert process.stderr.read() == "strop: stopped\n"
        process.stderr.close()
    assert _current(place) == 2
    assert sorted((place / "bundles").iterdir()) == before


def test_a_real_bundle_on_real_engines(edge: Exported, tmp_path: Path) -> None:
    content = _json("install", edge.bundle("cpu"), "--into", tmp_path / "digits")
    assert {checked["engine"] for checked in content["current"]["checked"]} == {
        *("native", "litert", "onnx", "reference"),
    }
    evaluation = edge.evaluation()
    with strop.watch(tmp_path / "digits") as watched:
        answers = watched.predict(evaluation["inputs"][:500]).argmax(-1)
    assert (answers == evaluation["labels"][:500]).mean() > 0.97
