"""An emulated board on the disk: it is built once, and runs programs.

    .cache/lab/
        qemu/               QEMU's user mode, from Debian trixie
        packages/<suite>-<architecture>/   apt's downloads
        <board>/root/       Debian's userland, unpacked
        <board>/bin/, lib/  python3, which starts the root's Python under the emulator
        <board>/python/     a virtual environment with the engines' wheels
        <board>/home/       $HOME of its programs

Only programs of the board are emulated: its Python and all that Python loads. QEMU looks for
absolute paths under root/ first and then on the workstation, so your own files keep their paths.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lab import debian, wheels
from lab.boards import ROOT, Board
from lab.errors import LabError
from lab.steps import call, locked, made, make

CACHE = ROOT / ".cache" / "lab"
# Bookworm's QEMU 7.2 crashes in ONNX Runtime and LiteRT on Arm.
EMULATOR_SUITE = "trixie"
USERLAND = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "base-files")

HERE = Path(__file__).parent
SEAMS = HERE / "on_board" / "sitecustomize.py"
_MAKERS = [HERE / f"{name}.py" for name in ("machine", "debian", "wheels", "steps")]
_PACKAGES = ".packages"
_CPU = "LAB_CPU"  # gives the launcher another CPU model

Progress = Callable[[str], None]

# The workstation's variables that must not reach a board's program. OpenBLAS takes one of them as
# the processor, whose instructions the board's may lack.
_OURS = ("PYTHON", "LD_", "LAB_", "XDG_", "VIRTUAL_ENV", "QEMU_", "OPENBLAS_")


class Machine:
    """A board and its folder."""

    def __init__(self, board: Board, cache: Path = CACHE) -> None:
        self.board = board
        self.folder = cache / board.name
        self.root = self.folder / "root"
        self.bin = self.folder / "bin"
        self.environment = self.folder / "python"
        self.home = self.folder / "home"
        self._qemu = cache / "qemu"
        self._packages = cache / "packages"
        self._lock = self.folder.with_suffix(".lock")

    @property
    def site(self) -> Path:
        """The folder of the board's installed Python packages."""
        return self.environment / "lib" / f"python{self.board.python}" / "site-packages"

    @property
    def emulator(self) -> Path:
        """The program that runs the board's programs: EMULATOR -cpu MODEL PROGRAM."""
        return self._qemu / "usr" / "bin" / self.board.emulator

    def is_built(self) -> bool:
        """Tell whether the board is built from its current file and lock."""
        return made(self._qemu, EMULATOR_SUITE) and made(self.environment, *self._recipe())

    def is_untouched(self) -> bool:
        """Tell whether the board is built and has only the packages that it was built with.

        Users may install others.
        """
        packages = self.environment / _PACKAGES
        return self.is_built() and packages.read_text(encoding="utf-8") == self._installed()

    def build(self, progress: Progress) -> None:
        """Build the missing parts; an interrupted build continues where it stopped.

        Args:
            progress: called with a line before each step.

        Raises:
            LabError: a package or wheel cannot be fetched, or the board's Python does not start.
        """
        with locked(self._packages / "qemu.lock"):
            make(self._qemu, EMULATOR_SUITE, by=lambda folder: self._fetch_qemu(folder, progress))
        with locked(self._lock):
            if self.is_built() and not self.is_untouched():
                progress(f"{self.board.name}: other packages were installed since; starting again")
                shutil.rmtree(self.environment)
            make(self.root, *self._userland(), by=lambda folder: self._fetch_root(folder, progress))
            self._write_launcher()
            self.home.mkdir(exist_ok=True)
            make(
                self.environment,
                *self._recipe(),
                by=lambda folder: self._fill_environment(folder, progress),
            )

    def install(self, *files: Path) -> None:
        """Install the runtime's wheel, and the native engine's, replacing the earlier ones.

        Raises:
            LabError: the board is not built, or a file is not a wheel for it.
        """
        if not self.is_built():
            raise LabError(f"board {self.board.name} is not built: make lab")
        stamp = self.environment / ".wheel"
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

        def is_there() -> bool:
            with contextlib.suppress(FileNotFoundError):
                return stamp.read_text(encoding="ascii") == digest
            return False

        if is_there():
            return
        with locked(self._lock):
            if is_there():  # another has installed them meanwhile
                return
            stamp.unlink(missing_ok=True)
            for wheel in files:
                wheels.install_file(self.board, wheel, self.site)
            stamp.write_text(digest, encoding="ascii")

    def run(
        self,
        command: Iterable[str | Path],
        *,
        installed: bool = True,
        cpu: str | None = None,
        variables: Mapping[str, str] | None = None,
        **options: object,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with the board's programs first on its path.

        Args:
            command: `python3`, `strop`, `pip` and scripts that these run are the board's; any other
                name is a program of the workstation's.
            installed: use the environment with the engines and the wheel; False gives the board as
                it comes from the SD card.
            cpu: another CPU model of the emulator.
            variables: additions to the command's environment.
            options: more arguments of `subprocess.run`.
        """
        path = [self.environment / "bin"] if installed else []
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
        inherited = kept.get("PATH", os.defpath)
        environment = {
            **kept,
            "HOME": str(self.home),
            "PATH": os.pathsep.join([*map(str, path), str(self.bin), inherited]),
            **({_CPU: cpu} if cpu else {}),
            **(variables or {}),
        }
        with locked(self._lock, shared=True):
            return subprocess.run(  # type: ignore[call-overload, no-any-return]
                [str(word) for word in command], env=environment, check=False, **options
            )

    def _installed(self) -> str:
        """List the packages in the environment with their versions, except Strop's own."""
        found = (path.stem for path in self.site.glob("*.dist-info"))
        ours = ("strop-", "strop_native-")
        return "\n".join(sorted(name for name in found if not name.startswith(ours)))

    def _userland(self) -> tuple[str, ...]:
        makers = (path.read_text(encoding="utf-8") for path in (*_MAKERS, SEAMS))
        return (repr(self.board), *makers)

    def _recipe(self) -> tuple[str, ...]:
        name = self.board.requirements
        lock = (ROOT / "requirements" / name).read_text(encoding="ascii") if name else ""
        return (*self._userland(), lock, str(self.folder))

    def _fetch_qemu(self, folder: Path, progress: Progress) -> None:
        progress(f"fetching QEMU from Debian {EMULATOR_SUITE}")
        ours = call(["dpkg", "--print-architecture"], "asking for this machine's architecture")
        debs = debian.download(
            self._packages / f"{EMULATOR_SUITE}-qemu", EMULATOR_SUITE, ours.strip(), ["qemu-user"]
        )
        debian.unpack(debs, folder)

    def _fetch_root(self, folder: Path, progress: Progress) -> None:
        board = self.board
        progress(f"{board.name}: fetching Debian {board.suite} for {board.architecture}")
        fetched = self._packages / f"{board.suite}-{board.architecture}"
        with locked(fetched.with_suffix(".lock")):  # shared by boards of one userland
            debs = debian.download(
                fetched, board.suite, board.architecture, [*USERLAND, *board.packages]
            )
            progress(f"{board.name}: unpacking {len(debs)} packages")
            debian.unpack(debs, folder)
        _link_blas(folder)
        seams = folder / "usr" / "lib" / f"python{board.python}" / SEAMS.name
        seams.unlink(missing_ok=True)  # Debian's is a link out of the root
        shutil.copyfile(SEAMS, seams)
        _describe(board, folder / "proc")

    def _write_launcher(self) -> None:
        """Write `python3`, which passes its own path as the program's name (-0), as venv expects.

        With lib/ beside it, Python looks there for all its files, by absolute path. QEMU redirects
        system calls that take a path, but not statx, with which a 32-bit Python looks for files.
        """
        board = self.board
        python = self.root / "usr" / "bin" / f"python{board.python}"
        cpu = f'"${{{_CPU}:-{board.cpu}}}"'
        start = f"'{self.emulator}' -cpu {cpu} -L '{self.root}' -0 \"$0\" '{python}' \"$@\""
        _write_script(self.bin / "python3", start)
        library = self.folder / "lib"
        library.unlink(missing_ok=True)
        library.symlink_to(Path("root", "usr", "lib"))

    def _fill_environment(self, folder: Path, progress: Progress) -> None:
        board = self.board
        for engine in board.without_wheel:
            progress(f"{board.name}: asking the index whether {engine} has a wheel")
            wheels.confirm_absence(board, engine)
        progress(f"{board.name}: making a virtual environment under {board.cpu}")
        words = [str(self.bin / "python3"), "-m", "venv", "--system-site-packages", "--without-pip"]
        call([*words, str(folder)], f"the first start of {board.name}'s Python")
        progress(f"{board.name}: installing wheels")
        (pip,) = (self.root / "usr" / "share" / "python-wheels").glob("pip-*.whl")
        wheels.install_file(board, pip, self.site)
        wheels.install_lock(board, self.site)
        for name in ("pip", "strop"):
            # -P: like an installed script, it does not import modules from the current folder.
            _write_script(folder / "bin" / name, f"'{folder}/bin/python3' -P -m {name} \"$@\"")
        (folder / _PACKAGES).write_text(self._installed(), encoding="utf-8")


def _write_script(path: Path, command: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    path.chmod(0o755)


def _describe(board: Board, proc: Path) -> None:
    """Write the board's description of itself, which says that it is emulated."""
    model = proc / "device-tree" / "model"  # as on a Pi
    model.parent.mkdir(parents=True)
    model.write_text(f"{board.description}, emulated by QEMU\0", encoding="ascii")
    if board.emulator == "qemu-x86_64":  # QEMU writes it for other CPUs only
        (proc / "cpuinfo").write_text(f"model name\t: QEMU {board.cpu}\n", encoding="ascii")


def _link_blas(root: Path) -> None:
    """Link BLAS and LAPACK to where the loader looks, as Debian's alternatives would."""
    for library in root.glob("usr/lib/*/*/lib*.so.3"):
        if library.parent.name in ("blas", "lapack"):
            (library.parent.parent / library.name).symlink_to(
                f"{library.parent.name}/{library.name}"
            )
