"""Other people's text: names, messages and labels that no command prints as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strop import cli
from strop.bundle.open import open_bundle
from strop.commands import doctor
from strop.device import adapters, board, cpu
from strop.diagnostics import joined, tune
from strop.diagnostics.doctor import Diagnosis, EngineResult
from strop.diagnostics.timing import Latency
from strop.model.tuned_path import table_path
from tests import bundles
from tests.unit.runtime import doubles

# What a terminal obeys, what hides or turns text around, and what pretends to be another row.
EVIL = "\x1b[2J\x07\u202e\u200b\u2028\x9b1m\x85\r\nforged  int8  passed"
ZEROS = np.zeros((4, 4), np.uint8)


class TestHostileText:
    """No command prints a character of other people's that is not a letter."""

    @pytest.fixture
    def say(self, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
        def command(*arguments: object) -> str:
            with contextlib.suppress(SystemExit):  # argparse's way
                cli.main([str(argument) for argument in arguments])
            said = "\n".join(capsys.readouterr())
            assert all(char.isprintable() or char == "\n" for char in said), repr(said)
            assert not any(line.startswith("forged") for line in said.splitlines())
            return said

        return command

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder with an evil name, on a machine with a CPU, an engine and a GPU like that."""
        place = tmp_path / EVIL
        place.mkdir()
        monkeypatch.setattr(cpu, "this_cpu", lambda: cpu.Cpu("aarch64", EVIL, 1))
        monkeypatch.setattr(tune, "side_by_side", self._untimed)
        monkeypatch.setattr(joined, "side_by_side", self._untimed)
        monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        draft = bundles.image()
        for name in ("litert", "onnx"):
            double = doubles.install(monkeypatch, name, self._open, ("cpu", "gpu"))
            double.adapter = EVIL
            monkeypatch.setattr(double, "version", lambda: EVIL)
        draft.add_variant("tflite", "float16", ["litert"])["devices"] = ["cpu", "gpu"]
        draft.content["engines"] = ["litert", "reference"]
        draft.write(place / "a.strop")
        np.save(place / "a.npy", ZEROS)
        return place

    @staticmethod
    def _untimed(calls: Sequence[Callable[[], object]], **_: object) -> list[Latency]:
        return [Latency(1.0, 2.0, 3.0, 1)] * len(calls)

    @staticmethod
    def _open(model: bytes) -> doubles.SpySession:
        return doubles.SpySession(lambda inputs: bundles.answer(bundles.image(), inputs))

    def test_names_of_files_engines_and_machines(
        self, say: Callable[..., str], place: Path
    ) -> None:
        bundle, key, folder = place / "a.strop", place / "key", place / "folder"
        assert "litert" in say("info", bundle)
        assert "passed" in say("check", bundle)
        assert "circle" in say("run", bundle, place / "a.npy", "--device", "auto")
        assert "outputs of" in say("run", bundle, place / "a.npy", "--output", place / "o.npy")
        assert "p50" in say("bench", bundle, "--samples", 5)
        assert "remembered in" in say("tune", bundle)
        assert "is current" in say("install", bundle, "--into", folder)
        assert "nothing to do" in say("install", bundle, "--into", folder)
        assert "is current" in say("history", folder)
        assert "strop install" in say("rollback", folder)
        assert "the public key" in say("keygen", key, "--comment", "us")
        assert "signed by" in say("sign", bundle, "--key", key)
        assert "verified" in say("verify", bundle, "--trusted-keys", f"{key}.pub")

    @pytest.mark.parametrize(
        "arguments",
        [
            *(f"{command} BUNDLE" for command in ("info", "check", "bench", "tune", "sweep")),
            *("run BUNDLE a.npy", "sign a --key BUNDLE", "verify a --trusted-keys BUNDLE"),
            *("install BUNDLE --into BUNDLE", "rollback BUNDLE", "history BUNDLE"),
            *("keygen BUNDLE/key", "keygen key --comment BUNDLE", "check BUNDLE --engine BUNDLE"),
            *("BUNDLE", "info BUNDLE BUNDLE", "bench a --batch BUNDLE"),
        ],
    )
    def test_in_a_refusal(
        self,
        say: Callable[..., str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        arguments: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        said = say(*(part.replace("BUNDLE", EVIL) for part in arguments.split()))
        assert said.strip().count("\n") == 0
        assert "\\x1b[2J" in said

    def test_what_an_engine_and_drivers_say(
        self, say: Callable[..., str], place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise RuntimeError(EVIL)

        doubles.install(monkeypatch, "litert", refuse)
        bundle = place / "a.strop"
        assert "BROKEN" in say("check", bundle)
        assert "BROKEN" in say("tune", bundle)
        assert "does not open" in say("run", bundle, place / "a.npy", "--engine", "litert")

        gpu = adapters.Adapter(EVIL, EVIL, EVIL, "other")
        results = tuple(
            EngineResult("onnx", "gpu", status, EVIL, EVIL, EVIL, EVIL)
            for status in ("works", "broken", "absent")
        )
        here = replace(board.read(), board=EVIL, os=EVIL)
        found = Diagnosis(here, (gpu,), (EVIL,), results)
        monkeypatch.setattr(doctor, "diagnose", lambda *_, **__: found)
        assert "broken" in say("doctor")

    def test_a_warning(self, say: Callable[..., str], place: Path) -> None:
        path = table_path(open_bundle(place / "a.strop").digest)
        assert path is not None
        Path(path).parent.mkdir(parents=True)
        Path(path).write_bytes(b"noise")
        assert "strop: warning: what strop tune found" in say(
            "bench", place / "a.strop", "--samples", 5
        )

    @pytest.mark.parametrize("field", ["schema", "name", "x" * 2**20])
    def test_a_long_value_in_a_manifest_is_a_short_line(
        self, say: Callable[..., str], tmp_path: Path, field: str
    ) -> None:
        draft = bundles.image()
        draft.content[field] = "a" * 2**20
        said = say("info", draft.write(tmp_path / "a.strop"))
        assert "refused" in said
        assert len(said) < 5000
