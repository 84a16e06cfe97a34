"""`strop check --serial` against real firmware, on this machine and on boards of QEMU."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from native.build import SANITIZED
from native.mcu.build import BOARDS, build, parts
from strop.bundle.file import Bundle, parse_bundle
from strop.diagnostics.board_check import BoardResult, check_board
from strop.diagnostics.replay import FAILED
from strop.errors import ParityError
from tests import bundles, environments, serial_ports
from tests.firmware import kit, small
from tests.needs import unavailable

QEMU_PACKAGES = {"qemu-system-arm": "qemu-system-arm", "qemu-system-riscv32": "qemu-system-misc"}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return parse_bundle(small.packed())


# An Arduino whose serial line is this program's stdin and stdout.
ARDUINO = """#include <poll.h>
#include <stdint.h>
#include <unistd.h>
static struct {
    void begin(long) {}
    int read() {
        pollfd line = {0, POLLIN, 0};
        uint8_t byte = 0;
        return poll(&line, 1, 1) == 1 && ::read(0, &byte, 1) == 1 ? byte : -1;
    }
    void write(uint8_t byte) { if (::write(1, &byte, 1) != 1) _exit(1); }
} Serial;
void setup();
void loop();
int main() {
    setup();
    for (;;) loop();
}
"""


def _program(folder: Path) -> Path:
    """Compile a folder's self-check for this machine."""
    program = folder / "selfcheck"
    sources = sorted((folder / "src").rglob("*.c"))
    command = ["gcc", *kit.STRICT, *SANITIZED, "-ffp-contract=off", "-I", folder / "src"]
    environments.run(*command, folder / "selfcheck_main.c", *sources, "-o", program)
    return program


def _sketch(folder: Path) -> Path:
    """Compile a folder's sketch and library, as Arduino does, for this machine."""
    for source in (folder / "src").rglob("*.c"):
        made = folder / f"{source.stem}.o"
        environments.run("gcc", "-c", "-I", folder / "src", source, "-o", made)
    (folder / "arduino.h").write_text(ARDUINO)
    sketch = folder / "examples" / "selfcheck" / "selfcheck.ino"
    command = ["g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-I", folder / "src"]
    command += ["-include", folder / "arduino.h", "-x", "c++", sketch, "-x", "none"]
    environments.run(*command, *folder.glob("*.o"), "-o", folder / "sketch")
    return folder / "sketch"


@contextlib.contextmanager
def _on_this_machine(folder: Path, compiled: Callable[[Path], Path] = _program) -> Iterator[str]:
    """Compile a folder, and run it at the other end of a pseudo-terminal."""
    if not shutil.which("g++"):
        unavailable("g++ is missing", "apt install g++")
    program = compiled(folder)
    with (
        serial_ports.port() as (name, descriptor),
        subprocess.Popen([program], stdin=descriptor, stdout=descriptor) as board,
    ):
        try:
            yield name
        finally:
            board.kill()


@contextlib.contextmanager
def _in_qemu(firmware: Path, board: str) -> Iterator[str]:
    """Run firmware on an emulated board, whose serial line is a pseudo-terminal."""
    command = BOARDS[board].qemu
    if not shutil.which(command[0]):
        unavailable(f"there is no {command[0]}", f"apt install {QEMU_PACKAGES[command[0]]}")
    silent = ("-display", "none", "-monitor", "none", "-serial", "pty")
    with subprocess.Popen(
        [*command, *silent, "-kernel", firmware], stdout=subprocess.PIPE, text=True
    ) as emulator:
        try:
            assert emulator.stdout
            said = emulator.stdout.readline()
            found = re.search(r"/dev/\S+", said)
            assert found, said
            yield found[0]
        finally:
            emulator.kill()


def _damage(folder: Path, old: str, new: str) -> None:
    """Change the only place of a text in the model's C."""
    path = folder / "src" / "shapes.c"
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def _failed(result: BoardResult) -> list[int]:
    return [sample.sample for sample in result.samples if sample.status == FAILED]


class TestOnThisMachine:
    def test_generated_c_gives_the_proven_outputs(self, bundle: Bundle, tmp_path: Path) -> None:
        with _on_this_machine(small.write(tmp_path, bundle)) as port:
            for _ in range(2):  # one check leaves the board ready for the next
                result = check_board(bundle, port)
                assert result.passed
                assert len(result.samples) == bundles.SAMPLES

    def test_so_does_the_sketch(self, bundle: Bundle, tmp_path: Path) -> None:
        with _on_this_machine(small.write(tmp_path, bundle), _sketch) as port:
            assert check_board(bundle, port).passed

    def test_the_first_samples_alone_are_compared(self, bundle: Bundle, tmp_path: Path) -> None:
        with _on_this_machine(small.write(tmp_path, bundle, samples=2)) as port:
            assert len(check_board(bundle, port).samples) == 2

    def test_a_weight_that_changed_is_found(self, bundle: Bundle, tmp_path: Path) -> None:
        folder = small.write(tmp_path, bundle)
        _damage(folder, "    0.75f, -0.5625f, 0.5625f\n", "    0.875f, -0.5625f, 0.5625f\n")
        with _on_this_machine(folder) as port:
            result = check_board(bundle, port)
        assert _failed(result) == list(range(bundles.SAMPLES))
        assert all(sample.differing_bytes for sample in result.samples)

    def test_proven_outputs_that_changed_in_the_firmware_are_found(
        self, bundle: Bundle, tmp_path: Path
    ) -> None:
        """The outputs are right, and the board thinks that they are wrong: something is."""
        folder = small.write(tmp_path, bundle)
        path = folder / "src" / "shapes_golden.c"
        head, brace, rest = path.read_text().partition("output_0[72] = {")
        assert brace
        number = re.search(r"\d+", rest)
        assert number
        changed = str((int(number[0]) + 1) % 256)
        path.write_text(head + brace + rest.replace(number[0], changed, 1))
        with _on_this_machine(folder) as port:
            result = check_board(bundle, port)
        assert _failed(result) == [0]
        assert result.samples[0].differing_bytes == 1
        assert result.samples[0].crc32 == result.samples[0].proven_crc32

    def test_a_model_that_does_not_run_is_found(self, bundle: Bundle, tmp_path: Path) -> None:
        folder = small.write(tmp_path, bundle)
        _damage(
            folder, "void shapes_run(void *arena) {\n", "void shapes_run(void *arena) {return;\n"
        )
        with _on_this_machine(folder) as port:
            assert len(_failed(check_board(bundle, port))) == bundles.SAMPLES

    def test_last_week_s_firmware_is_refused(self, bundle: Bundle, tmp_path: Path) -> None:
        folder = small.write(tmp_path, bundle)
        digest = bundle.manifest.variants[0].sha256
        _damage(folder, f'"{digest}"', f'"{"0" * 64}"')
        with _on_this_machine(folder) as port, pytest.raises(ParityError, match="0000000000000000"):
            check_board(bundle, port)

    def test_it_works_after_a_broken_connection(self, bundle: Bundle, tmp_path: Path) -> None:
        with _on_this_machine(small.write(tmp_path, bundle)) as port:
            with Path(port).open("wb", buffering=0) as line:
                line.write(b"\xff\x00strop chec" * 100 + b"strop check\nstrop ch")
            assert check_board(bundle, port).passed


@pytest.mark.parametrize("board", ["mps2-an385", "virt"])
def test_an_emulated_board_gives_the_proven_outputs(
    bundle: Bundle, tmp_path: Path, board: str
) -> None:
    """Of Arm and of RISC-V; the command says so too."""
    folder = small.write(tmp_path / "shapes-mcu", bundle)
    (tmp_path / "shapes.strop").write_bytes(small.packed())
    firmware = tmp_path / "selfcheck.elf"
    build(*parts(folder, "selfcheck_main.c"), BOARDS[board], firmware)
    with _in_qemu(firmware, board) as port:
        result = check_board(bundle, port)
        command = (sys.executable, "-m", "strop", "check", tmp_path / "shapes.strop")
        done = subprocess.run([*command, "--serial", port], capture_output=True, text=True)
    assert result.passed
    assert len(result.samples) == bundles.SAMPLES
    assert done.stdout.endswith(
        "6 of 6 golden samples give the outputs proven at export, of 6 in the bundle\n"
    ), done.stderr
    assert done.returncode == 0
