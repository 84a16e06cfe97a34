"""Installs under an app that never stops calling: no call is lost, no answer is wrong."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import strop
from strop.bundle import archive
from strop.bundle.open import open_bundle
from strop.install.install import install
from tests.conftest import Exported
from tests.environments import run
from tests.figures import Record
from tests.reliability import editions

CHANGES = 20  # installs and rollbacks
THREADS = 4
INTERVAL_S = 0.01
PATIENCE_S = 30.0


def _wait_for(watched: strop.Watched, version: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while watched.model.version != version and time.monotonic() < end:
        time.sleep(INTERVAL_S)
    assert watched.model.version == version, watched.error


def test_a_running_app_goes_over_to_each_without_losing_a_call(
    tmp_path: Path, figure: Record
) -> None:
    folder = tmp_path / "folder"
    versions = tuple(range(1, CHANGES + 1))
    editions.write(tmp_path, *versions)

    def command(*arguments: object) -> None:
        run(sys.executable, "-m", "strop", *arguments)

    command("install", tmp_path / "1.strop", "--into", folder)
    done = threading.Event()
    seen: list[set[int | None]] = [set() for _ in range(THREADS)]
    calls = [0] * THREADS
    failures: list[Exception] = []

    def ask(number: int) -> None:
        while not done.is_set():
            try:
                seen[number].add(editions.which(watched, versions))
            except Exception as error:  # noqa: BLE001  each is a call lost
                failures.append(error)
            calls[number] += 1

    with strop.watch(folder, interval_s=INTERVAL_S) as watched:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for version in range(2, CHANGES // 2 + 2):
            command("install", tmp_path / f"{version}.strop", "--into", folder, "--keep", CHANGES)
            _wait_for(watched, version)
        for version in range(CHANGES // 2, 0, -1):
            command("rollback", folder)
            _wait_for(watched, version)
        done.set()
        for thread in threads:
            thread.join()
    answered = set().union(*seen)
    wrong = None in answered
    figure(
        f"calls of {THREADS} threads while {CHANGES} installs and rollbacks go by",
        sum(calls),
        len(failures) + wrong,
        f"{len(answered - {None})} versions answered",
    )
    assert not failures
    assert answered == set(range(1, CHANGES // 2 + 2))


def test_reloading_at_every_call_never_finds_half_an_install(
    tmp_path: Path, figure: Record
) -> None:
    """An app opens the folder again and again while bundles are added and removed."""
    folder = tmp_path / "folder"
    versions = (1, 2, 3, 4, 5)
    editions.write(tmp_path, *versions)
    script = (
        "import sys\n"
        "from strop.install.install import install\n"
        "from tests.reliability import editions\n"
        "for i in range(200):\n"
        "    install(f'{sys.argv[1]}/{i % 5 + 1}.strop', sys.argv[2], keep=2,\n"
        "            allow_downgrade=True, check=lambda bundle: editions.CHECKED)\n"
    )
    installing = threading.Thread(
        target=lambda: run(sys.executable, "-c", script, tmp_path, folder)
    )
    installing.start()
    tried = lost = 0
    while installing.is_alive():
        found = editions.current(folder, versions)
        tried += bool(found) or found is None
        lost += found is None
    installing.join()
    figure("folder opened while 200 installs go by", tried, lost)
    assert tried
    assert not lost
    assert np.isfinite(strop.load(folder).predict(editions.SAMPLES)).all()


@pytest.mark.parametrize("engine", ["litert", "onnx"])
def test_sessions_of_native_engines_are_let_go_under_calls(
    edge: Exported, tmp_path: Path, figure: Record, engine: str
) -> None:
    """A dropped session is a native library's memory, and threads have just used it."""
    members = dict(open_bundle(edge.bundle("cpu")).members)
    manifest = json.loads(bytes(members[archive.MANIFEST]))
    folder, path = tmp_path / "folder", tmp_path / "next.strop"
    images = edge.evaluation()["inputs"][:64]

    def put(version: int) -> None:
        content = json.dumps({**manifest, "model_version": version}).encode("ascii")
        path.write_bytes(archive.pack({**members, archive.MANIFEST: content}))
        install(path, folder, check=lambda bundle: editions.CHECKED, keep=2)

    put(1)
    done = threading.Event()
    calls, wrong = [0] * THREADS, [0] * THREADS

    def ask(number: int) -> None:
        size = number + 1
        while not done.is_set():
            start = calls[number] % (len(images) - size)
            answers = watched.predict(images[start : start + size])
            wrong[number] += not np.allclose(answers, right[start : start + size], atol=1e-3)
            calls[number] += 1

    with strop.watch(folder, engine=engine, interval_s=INTERVAL_S) as watched:
        right = np.concatenate([watched.predict(image) for image in images])
        with ThreadPoolExecutor(THREADS) as pool:
            asking = [pool.submit(ask, number) for number in range(THREADS)]
            try:
                for version in range(2, CHANGES + 2):
                    put(version)
                    _wait_for(watched, version)
            finally:
                done.set()
            failed = sum(future.exception() is not None for future in asking)
    name = f"calls of {THREADS} threads on {engine} while {CHANGES} installs go by"
    figure(name, sum(calls), sum(wrong) + failed)
    assert not failed
    assert not sum(wrong)
