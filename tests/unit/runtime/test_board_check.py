"""Boards that say anything over a serial line; the real C is in tests/native."""

from __future__ import annotations

import builtins
import json
import random
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from strop import cli
from strop.bundle.file import Bundle, parse_bundle
from strop.diagnostics import serial_line
from strop.diagnostics.board_check import BoardResult, check_board
from strop.diagnostics.replay import FAILED, PASSED, proven_outputs
from strop.errors import (
    DeviceUnavailable,
    EngineUnavailable,
    InputError,
    ParityError,
    StropError,
)
from tests import bundles, plans
from tests.serial_ports import Line, scripted

LIMIT_S = 2.5  # of a line of a board that gives no answer
PATIENCE_S = 60  # with one that does: it is asked again after one second, then after two
WRONG = 0x0BADF00D

Board = Callable[[Line], None]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return parse_bundle(plans.native(bundles.image()).pack())


def _crcs(bundle: Bundle) -> list[int]:
    (outputs,) = proven_outputs(bundle, bundle.manifest.variants[0])
    return [zlib.crc32(row.tobytes()) for row in outputs]


def _answer(
    bundle: Bundle,
    crcs: Sequence[int] | None = None,
    *,
    differing: int = 0,
    model: str | None = None,
    plan: str | None = None,
    samples: int | None = None,
) -> bytes:
    """An answer as native/mcu/selfcheck.c writes it, with a test's changes; its CRC-32 is right."""
    manifest = bundle.manifest
    crcs = _crcs(bundle) if crcs is None else crcs
    samples = len(crcs) if samples is None else samples
    plan = plan or manifest.variants[0].sha256
    lines = [f"strop-check 1 {model or manifest.name} {plan} {samples}"]
    lines += [f"sample {i} {differing} {crc:08x}" for i, crc in enumerate(crcs)]
    return _ended("".join(f"{line}\n" for line in lines).encode("latin-1"))


def _ended(lines: bytes) -> bytes:
    return b"\n" + lines + f"end {zlib.crc32(lines):08x}\n".encode()


def _saying(*answers: bytes) -> Board:
    """A board that gives one of these answers whenever it is asked; then again the last one."""

    def board(line: Line) -> None:
        rest = list(answers)
        while line.wait_for():
            line.write(rest.pop(0) if len(rest) > 1 else rest[0])

    return board


def _check(bundle: Bundle, board: Board, limit_s: float = PATIENCE_S) -> BoardResult:
    with scripted(board) as port:
        return check_board(bundle, port, limit_s=limit_s)


def _refused(
    bundle: Bundle, board: Board, kind: type[StropError], limit_s: float = PATIENCE_S
) -> StropError:
    with pytest.raises(kind) as caught:
        _check(bundle, board, limit_s)
    assert caught.value.mend
    return caught.value


class TestVerdicts:
    def test_the_proven_outputs_pass(self, bundle: Bundle) -> None:
        result = _check(bundle, _saying(_answer(bundle)))
        assert result.passed
        assert [sample.sample for sample in result.samples] == list(range(bundles.SAMPLES))
        assert {sample.status for sample in result.samples} == {PASSED}

    def test_firmware_may_hold_the_first_samples_alone(self, bundle: Bundle) -> None:
        result = _check(bundle, _saying(_answer(bundle, _crcs(bundle)[:2])))
        assert result.passed
        assert len(result.samples) == 2

    def test_a_board_that_finds_no_difference_and_has_other_outputs_fails(
        self, bundle: Bundle
    ) -> None:
        crcs = _crcs(bundle)
        result = _check(bundle, _saying(_answer(bundle, [*crcs[:3], WRONG, *crcs[4:]])))
        assert not result.passed
        assert [s.sample for s in result.samples if s.status == FAILED] == [3]
        assert result.samples[3].crc32 == "0badf00d"
        assert result.samples[3].proven_crc32 == f"{crcs[3]:08x}"

    def test_a_board_that_finds_differences_fails(self, bundle: Bundle) -> None:
        result = _check(bundle, _saying(_answer(bundle, differing=1)))
        assert {sample.status for sample in result.samples} == {FAILED}

    def test_samples_in_another_order_fail(self, bundle: Bundle) -> None:
        crcs = _crcs(bundle)
        assert not _check(bundle, _saying(_answer(bundle, crcs[::-1]))).passed

    @pytest.mark.parametrize("change", [{"model": "another"}, {"plan": "0" * 64}])
    def test_the_firmware_of_another_model_is_refused(
        self, bundle: Bundle, change: dict[str, str]
    ) -> None:
        error = _refused(bundle, _saying(_answer(bundle, **change)), ParityError)  # type: ignore[arg-type]
        assert change.get("model", "0" * 16) in error.problem
        assert "flash" in error.mend

    def test_firmware_without_samples_proves_nothing(self, bundle: Bundle) -> None:
        error = _refused(bundle, _saying(_answer(bundle, [])), ParityError)
        assert "--golden" in error.mend

    @pytest.mark.parametrize("claimed", [bundles.SAMPLES + 1, 999_999_999])
    def test_more_samples_than_the_bundle_has_are_refused_unread(
        self, bundle: Bundle, claimed: int
    ) -> None:
        error = _refused(bundle, _saying(_answer(bundle, samples=claimed)), ParityError)
        assert str(claimed) in error.problem


class TestNoise:
    @pytest.mark.parametrize(
        "before",
        [
            pytest.param(b"ets Jul 29 2019\r\nrst:0x1 (POWERON)\r\n", id="boot messages"),
            pytest.param(b"the digit is 7", id="a line without its end"),
            pytest.param(bytes(range(256)) * 3, id="every byte"),
            pytest.param(b"x" * 5000, id="a long line"),
            pytest.param(b"strop check\n", id="an echo"),
            pytest.param(b"sample 0 0 00000000\nend 00000000\n", id="the rest of an answer"),
            pytest.param(b"strop-check 1 \nstrop-check 1 a b c\n", id="no header"),
        ],
    )
    def test_what_comes_before_the_answer_is_passed_over(
        self, bundle: Bundle, before: bytes
    ) -> None:
        assert _check(bundle, _saying(before + _answer(bundle))).passed

    def test_lines_may_end_as_on_windows(self, bundle: Bundle) -> None:
        assert _check(bundle, _saying(_answer(bundle).replace(b"\n", b"\r\n"))).passed

    def test_bytes_may_come_one_by_one(self, bundle: Bundle) -> None:
        def board(line: Line) -> None:
            if line.wait_for():
                for byte in _answer(bundle):
                    line.write(bytes([byte]))
                    time.sleep(0.0005)

        assert _check(bundle, board).passed

    def test_a_board_that_restarts_when_the_port_is_opened_is_asked_again(
        self, bundle: Bundle
    ) -> None:
        def board(line: Line) -> None:
            line.wait_for()  # it starts, and this is lost
            line.write(b"boot\n")
            if line.wait_for():
                line.write(_answer(bundle))

        assert _check(bundle, board).passed

    @pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
    def test_a_board_that_restarts_within_its_answer_is_asked_again(
        self, bundle: Bundle, cut: float
    ) -> None:
        whole = _answer(bundle)
        part = whole[: int(cut * len(whole))] + b"\nboot\n"
        assert _check(bundle, _saying(part, whole)).passed

    def test_a_damaged_name_is_no_other_model(self, bundle: Bundle) -> None:
        whole = _answer(bundle)
        at = whole.index(bundle.manifest.name.encode())
        damaged = whole[:at] + b"X" + whole[at + 1 :]
        assert _check(bundle, _saying(damaged, whole)).passed


class TestRefusals:
    def test_a_board_that_says_nothing(self, bundle: Bundle) -> None:
        error = _refused(bundle, lambda line: None, DeviceUnavailable, LIMIT_S)
        assert "wrote nothing in 2.5 s" in error.problem
        assert "strop_selfcheck_poll" in error.mend

    def test_a_board_that_says_something_else_is_quoted(self, bundle: Bundle) -> None:
        error = _refused(bundle, _saying(b"\x1b[2Jready\xff"), DeviceUnavailable, 10)
        assert r"ready\\xff" in error.problem
        assert "\x1b" not in str(error)
        assert "--baud" in error.mend

    def test_a_board_that_never_stops_talking(self, bundle: Bundle) -> None:
        def board(line: Line) -> None:
            while line.alive:
                line.write(b"\x00garbage" * 50)

        started_s = time.monotonic()
        _refused(bundle, board, DeviceUnavailable, LIMIT_S)
        assert time.monotonic() - started_s < LIMIT_S + PATIENCE_S

    def test_a_board_that_never_ends_a_line(self, bundle: Bundle) -> None:
        head = _answer(bundle).split(b"\n")[1]

        def board(line: Line) -> None:
            while line.wait_for():
                line.write(b"\n" + head + b"\nsample 0 0 ")
                while line.alive:
                    line.write(b"0")
                    time.sleep(0.001)

        _refused(bundle, board, DeviceUnavailable, LIMIT_S)

    @pytest.mark.parametrize("version", [0, 2, 999_999_999])
    def test_another_version_of_the_answer(self, bundle: Bundle, version: int) -> None:
        answer = f"\nstrop-check {version} whatever it says\n".encode()
        error = _refused(bundle, _saying(answer), DeviceUnavailable)
        assert f"in version {version} " in error.problem
        assert ("flash" if version < 1 else "newer strop") in error.mend

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param((b"sample 1 ", b"sample 2 "), id="a number twice"),
            pytest.param((b"sample 0 0", b"sample 0 00"), id="a zero before"),
            pytest.param((b"sample 0 0", b"sample 0 -1"), id="a sign"),
            pytest.param((b"sample 0 0", b"sample  0 0"), id="two blanks"),
            pytest.param((b"sample 0 0", b"sample 0 99999999999"), id="too large"),
            pytest.param((b"sample 4", b"log: sample 4"), id="another text"),
            pytest.param((b"end ", b"END "), id="no end"),
        ],
    )
    def test_an_answer_that_is_none(self, bundle: Bundle, change: tuple[bytes, bytes]) -> None:
        old, new = change
        lines, _, _ = _answer(bundle).replace(old, new, 1)[1:].rpartition(b"end ")
        answer = _ended(lines) if lines else _answer(bundle).replace(old, new)
        error = _refused(bundle, _saying(answer), DeviceUnavailable)
        assert "3 answers" in error.problem

    def test_an_answer_without_one_of_its_lines(self, bundle: Bundle) -> None:
        lines = _answer(bundle).splitlines(keepends=True)
        for number in range(2, len(lines)):
            answer = b"".join(lines[:number] + lines[number + 1 :])
            with pytest.raises(DeviceUnavailable):
                _check(bundle, _saying(answer + b"\n" * 3), limit_s=1.5)

    def test_no_byte_of_an_answer_may_change(self, bundle: Bundle) -> None:
        """A flip within the answer never passes; each is another's version, or damaged."""
        whole = _answer(bundle, _crcs(bundle)[:1])
        positions = random.Random(1).sample(range(1, len(whole) - 1), 12)
        for position in positions:
            changed = bytearray(whole)
            changed[position] ^= 1
            with pytest.raises(DeviceUnavailable):
                _check(bundle, _saying(bytes(changed)), limit_s=1.2)

    def test_a_board_that_is_unplugged(self, bundle: Bundle) -> None:
        def board(line: Line) -> None:
            if line.wait_for():
                line.write(_answer(bundle)[:50])
                line.hang_up()

        assert "has gone" in _refused(bundle, board, DeviceUnavailable).problem


class TestPorts:
    def test_there_is_no_such_port(self, bundle: Bundle) -> None:
        with pytest.raises(DeviceUnavailable, match="there is no port /dev/ttyNONE") as caught:
            check_board(bundle, "/dev/ttyNONE")
        assert caught.value.mend

    def test_a_file_is_no_port(self, bundle: Bundle, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(DeviceUnavailable, match="no serial port"):
            check_board(bundle, str(tmp_path / "file"))

    def test_a_port_is_used_by_one_program(self, bundle: Bundle) -> None:
        with (
            scripted(lambda line: None) as port,
            serial_line.SerialLine(port, 9600),
            pytest.raises(DeviceUnavailable, match="another program"),
        ):
            check_board(bundle, port)

    def test_there_is_no_such_speed(self, bundle: Bundle) -> None:
        with scripted(lambda line: None) as port, pytest.raises(InputError, match="--baud"):
            check_board(bundle, port, 10**15)

    def test_without_pyserial_the_message_says_what_to_install(
        self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        imported = builtins.__import__

        def without(name: str, *more: Any) -> Any:
            if name == "serial":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return imported(name, *more)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(EngineUnavailable, match=r"install the extra \[serial\]"):
            check_board(bundle, "/dev/null")

    def test_a_bundle_without_a_plan_is_refused_before_the_port_is_opened(self) -> None:
        bundle = parse_bundle(bundles.image().pack())
        with pytest.raises(EngineUnavailable, match="has no plan"):
            check_board(bundle, "/dev/ttyNONE")


class TestCommand:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        path = tmp_path / "image.strop"
        path.write_bytes(plans.native(bundles.image()).pack())
        return str(path)

    def _run(self, path: str, board: Board, *options: str) -> int:
        with scripted(board) as port:
            limit = str(PATIENCE_S)
            return cli.main(["check", path, "--serial", port, "--timeout", limit, *options])

    def test_a_table(self, path: str, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
        assert self._run(path, _saying(_answer(bundle))) == 0
        printed = capsys.readouterr().out.splitlines()
        crc = f"{_crcs(bundle)[0]:08x}"
        assert printed[0].startswith("on the board at /dev/")
        assert " ".join(printed[1].split()) == "sample status differing bytes CRC-32 proven CRC-32"
        assert printed[2].split() == ["0", "passed", "0", crc, crc]
        assert printed[-1] == (
            "6 of 6 golden samples give the outputs proven at export, of 6 in the bundle"
        )

    def test_json(self, path: str, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
        crcs = [WRONG, *_crcs(bundle)[1:2]]
        assert self._run(path, _saying(_answer(bundle, crcs)), "--json") == 1
        said = json.loads(capsys.readouterr().out)
        assert said["passed"] is False
        assert said["plan_sha256"] == bundle.manifest.variants[0].sha256
        assert [result["status"] for result in said["results"]] == [FAILED, PASSED]
        assert said["results"][0]["crc32"] == "0badf00d"

    def test_another_model(
        self, path: str, bundle: Bundle, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self._run(path, _saying(_answer(bundle, model="another")), "--json") == 1
        assert json.loads(capsys.readouterr().out)["error"]["kind"] == "parity"

    def test_no_answer(self, path: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self._run(path, lambda line: None, "--timeout", "3") == 2
        assert "wrote nothing" in capsys.readouterr().err

    @pytest.mark.parametrize("option", ["--engine=native", "--device=cpu", "--precision=int8"])
    def test_options_for_this_device_are_refused(
        self, path: str, option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["check", path, "--serial", "/dev/ttyNONE", option]) == 2
        assert "--serial asks a board" in capsys.readouterr().err

    def test_a_port_without_a_name_is_no_check_of_this_device(
        self, path: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["check", path, "--serial", ""]) == 2  # "$PORT", which is not set
        assert "passed" not in capsys.readouterr().out

    def test_a_speed_wants_a_port(self, path: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["check", path, "--baud", "9600"]) == 2
        assert "--serial" in capsys.readouterr().err


class _Played:
    """A port, as pyserial has it, at which bytes came and no more will come."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def in_waiting(self) -> int:
        return len(self._content)

    def read(self, count: int) -> bytes:
        head, self._content = self._content[:count], self._content[count:]
        return head

    def write(self, content: bytes) -> int:
        return len(content)

    def close(self) -> None:
        pass


def test_mutants_of_an_answer_give_its_samples_or_an_error(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes are flipped, dropped, inserted, doubled and cut."""
    whole, rng = _answer(bundle), random.Random(20)
    played = [whole]
    monkeypatch.setattr("serial.Serial", lambda *_, **__: _Played(played[0]))
    right = check_board(bundle, "played", limit_s=PATIENCE_S)
    assert right.passed
    outcomes: set[type[object]] = set()
    for _ in range(500):
        mutant = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            at, end = sorted(rng.choices(range(len(mutant) + 1), k=2))
            match rng.randrange(5):
                case 0:
                    mutant[at : at + 1] = rng.randbytes(1)
                case 1:
                    del mutant[at : at + rng.randint(1, 4)]
                case 2:
                    mutant[at:at] = rng.randbytes(rng.randint(1, 300))
                case 3:
                    mutant[at:at] = mutant[at:end]
                case 4:
                    del mutant[end:]
        played[0] = bytes(mutant)
        try:
            result = check_board(bundle, "played", limit_s=0.005)
        except (DeviceUnavailable, ParityError) as error:
            outcomes.add(type(error))
        else:
            assert result == right
            outcomes.add(BoardResult)
    assert {DeviceUnavailable, BoardResult} <= outcomes
