"""`python -m lab`: emulated boards, from Debian's packages and PyPI's Arm wheels; a software GPU.

Exit status: 0 done; 2 the request cannot be met, with one line why; `on` returns the command's own.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from lab import boards, native, vulkan, wheels
from lab.errors import LabError
from lab.machine import Machine
from native.wheels import lacks


def main(argv: list[str] | None = None) -> int:
    """Run the command line, and return the exit status.

    Args:
        argv: its words; None: those of this process.
    """
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.function(arguments)
    except KeyboardInterrupt:
        print("lab: stopped; the next run continues from here", file=sys.stderr)
        return 130
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"lab: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return 2
    return status


def _build(arguments: argparse.Namespace) -> int:
    machines = [Machine(boards.load(name)) for name in arguments.boards or boards.names()]
    missing = [machine for machine in machines if not machine.is_untouched()]
    console = Console()
    if missing:
        with console.status(f"building {len(missing)} boards"):
            _build_two_at_a_time(missing, console)
    built = ", ".join(machine.board.name for machine in machines)
    console.print(f"boards: {built}. Try `make on BOARD=pi4 CMD='strop doctor'`")
    return 0


def _build_two_at_a_time(machines: list[Machine], console: Console) -> None:
    """Build all boards; one that cannot be built does not stop the others."""

    def progress(line: str) -> None:
        console.print(f"  {line}", style="dim")

    pool = ThreadPoolExecutor(max_workers=2)
    try:
        jobs = [pool.submit(machine.build, progress) for machine in machines]
        failed = [job.exception() for job in jobs]
    finally:  # ^C stops running builds too; waiting ones do not start
        pool.shutdown(cancel_futures=True)
    if reasons := [str(error) for error in failed if isinstance(error, LabError)]:
        raise LabError("; ".join(reasons))
    for error in filter(None, failed):
        raise error


def _on(arguments: argparse.Namespace) -> int:
    machine = Machine(boards.load(arguments.board))
    engine = native.build(machine.board.machine)
    if engine is None:
        print(f"lab: without the native engine: {lacks()}", file=sys.stderr)
    with TemporaryDirectory() as folder:
        runtime = arguments.wheel or wheels.build_runtime(Path(folder))
        machine.install(*filter(None, (runtime, engine)))
    return machine.run(["sh", "-c", arguments.command], cpu=arguments.cpu).returncode


def _list(arguments: argparse.Namespace) -> int:
    table = Table("board", "what", "userland", "Python", "CPU", "engines", "built", box=None)
    for name in boards.names():
        board = boards.load(name)
        userland = f"{board.suite} {board.architecture}"
        built = "yes" if Machine(board).is_built() else "no"
        engines = ", ".join(board.engines)
        table.add_row(name, board.description, userland, board.python, board.cpu, engines, built)
    Console().print(table)
    return 0


def _gpu(arguments: argparse.Namespace) -> int:
    console = Console(soft_wrap=True, highlight=False, markup=False)

    def progress(line: str) -> None:
        console.print(f"  {line}", style="dim")

    with console.status("making a software GPU"):
        vulkan.build(progress)
        found = vulkan.adapter()
    console.print(f"GPU: {found}. To use it, start a program with")
    for name, value in vulkan.environment().items():
        console.print(f"  {name}={value}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Emulated devices.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build the named boards (default: all) once")
    build.add_argument("boards", nargs="*", metavar="BOARD")
    build.set_defaults(function=_build)
    on = commands.add_parser("on", help="run a shell command with a board's python3, pip, strop")
    on.add_argument("board", metavar="BOARD", help=", ".join(boards.names()))
    on.add_argument("command", metavar="CMD", help="one word for the shell: 'strop doctor'")
    on.add_argument("--wheel", type=Path, help="the runtime to install (default: runtime/)")
    on.add_argument("--cpu", help="another CPU model, by QEMU's name")
    on.set_defaults(function=_on)
    listing = commands.add_parser("list", help="the boards there are")
    listing.set_defaults(function=_list)
    gpu = commands.add_parser("gpu", help="fetch a software GPU, once, and try it")
    gpu.set_defaults(function=_gpu)
    return parser


if __name__ == "__main__":
    sys.exit(main())
