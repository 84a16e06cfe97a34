"""The command line of `strop-export`, and its refusals before anything is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from strop_export import arguments, targets
from strop_export.__main__ import main
from tests.environments import run
from tests.unit.export import source_kit as kit
from tests.unit.export.source_kit import chain, dense, floats


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("raw", ("", "raw")),
        ("boxes=regression", ("boxes", "regression")),
        ("a=b=class", ("a=b", "class")),
    ],
)
def test_a_task_is_of_an_output(text: str, found: tuple[str, str]) -> None:
    assert arguments._task(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("28,28,1", ("", (28, 28, 1))), ("series=16,3", ("series", (16, 3))), ("7", ("", (7,)))],
)
def test_a_shape_is_of_an_input(text: str, found: tuple[str, tuple[int, ...]]) -> None:
    assert arguments._shape(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("own.py:mine=0.01", (Path("own.py"), "mine", 0.01)),
        ("a=b:c/own.py:mine=0", (Path("a=b:c/own.py"), "mine", 0)),
    ],
)
def test_a_metric_is_a_function_of_a_file_and_a_loss(
    text: str, found: tuple[Path, str, float]
) -> None:
    assert arguments._metric(text) == found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "boxes=blob"], "there is no kind 'blob'; choose class, binary"),
        (["--shape", "28,x"], "'28,x' is not a shape; write one such as 28,28,1"),
        (["--shape", "in=28,0"], "'in=28,0' is not a shape"),
        (["--shape", "28,-1"], "'28,-1' is not a shape"),
        (["--metric", "own.py"], "'own.py' is not FILE.py:FUNCTION=LOSS, with a loss of 0 or more"),
        (["--metric", "own.py:mine"], "write one such as my_map.py:mean_average_precision=0.01"),
        (["--metric", "own.py:mine=much"], "is not FILE.py:FUNCTION=LOSS"),
        (["--metric", "own.py:mine=-1"], "is not FILE.py:FUNCTION=LOSS"),
        (["--metric", "own.py:mine=inf"], "is not FILE.py:FUNCTION=LOSS"),
        (["--metric", "mine=0.1"], "is not FILE.py:FUNCTION=LOSS"),
        (["--metric", "own.py:not mine=0.1"], "is not FILE.py:FUNCTION=LOSS"),
    ],
)
def test_what_is_none_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--model", "m.keras", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        ["--task", "raw"],
        ["--shape", "28,28"],
        ["--custom", "own.py"],
        ["--calibration", "c.npz"],
        ["--evaluation", "e.npz"],
        ["--name", "x"],
    ],
)
def test_an_artifact_has_its_own(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--artifact", "x", "--target", "cpu", *option]) == 2
    assert f"{option[0]} goes with a model; an artifact has its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["export"],
        ["a.keras", "--model", "b.keras"],
        ["a.keras", "--artifact", "x"],
        ["--model", "a.keras", "--artifact", "x"],
    ],
    ids=" ".join,
)
def test_one_model_is_exported(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "the command line names no model, or more than one; give one" in capsys.readouterr().err


@pytest.mark.parametrize("named", [["m.keras"], ["export", "m.keras"], ["--model", "m.keras"]])
def test_the_model_may_stand_first(named: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(named) == 2
    assert "m.keras needs --calibration FILE.npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65536),
        ("64k", 65536),
        ("64K", 65536),
        ("256 KiB", 262144),
        ("256kb", 262144),
        ("1M", 2**20),
        ("12 B", 12),
    ],
)
def test_sizes_are_written_as_data_sheets_have_them(text: str, size: int) -> None:
    read = arguments.parser().parse_args(["m.keras", "--max-flash", text, "--max-ram", text])
    assert (read.max_flash_bytes, read.max_ram_bytes) == (size, size)


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5k", "64g", "64 k k", "0x10", "1e3", "9" * 13])
def test_what_is_no_size_is_named(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["m.keras", f"--max-flash={text}"])
    assert ended.value.code == 2
    said = f"argument --max-flash: {text!r} is not a size; write a number of bytes, such as 65536"
    assert said in capsys.readouterr().err


def test_the_targets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-targets"]) == 0
    said = capsys.readouterr().out
    names = [line.split()[0] for line in said.splitlines() if not line.startswith(" ")]
    assert names == list(targets.names())


def test_strictly_no_model_judges_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = kit.saved(tmp_path, chain((4,), dense(3, "softmax")), {"inputs": floats(4)})
    asked = ("--model", str(files.model), "--calibration", str(files.calibration), "--strict")
    assert main([*asked, "--target", "cpu", "--out", str(tmp_path / "dist")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "export: --strict takes no self-evaluation; give test samples with --evaluation"
    )
    assert not (tmp_path / "dist").exists()


def test_what_does_not_fit_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = kit.saved(tmp_path, chain((4,), dense(3, "softmax")), {"inputs": np.zeros((9, 5))})
    asked = ("--model", str(files.model), "--calibration", str(files.calibration))
    assert main([*asked, "--target", "cpu", "--out", str(tmp_path / "dist")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the model takes (N, 4)" in line


@pytest.mark.parametrize(
    "options",
    [
        ["--artifact", "{}"],
        ["m.keras", "--calibration", "c.npz", "--target", "{}.toml"],
        ["--task", "{}"],
        ["{}", "{}"],
        ["{}"],
    ],
)
def test_other_people_s_names_are_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    evil = "\x1b[2J\u202e[red]\nforged"
    try:
        status: object = main(
            [option.format(evil) for option in [*options, "--out", str(tmp_path)]]
        )
    except SystemExit as end:  # argparse's way
        status = end.code
    assert status == 2
    said = "".join(capsys.readouterr())
    assert all(char.isprintable() or char == "\n" for char in said)
    assert "\\x1b[2J" in said
    assert not any(line.startswith("forged") for line in said.splitlines())


def test_files_that_a_metric_leaves_open_are_written_at_the_end(tmp_path: Path) -> None:
    own, log = tmp_path / "own.py", tmp_path / "log.txt"
    own.write_text(
        f"log = open({str(log)!r}, 'w')\n"
        "def mine(outputs, labels):\n"
        "    return log.write('a line')\n"
        "mine(None, None)\n",
        encoding="utf-8",
    )
    model = tmp_path / "absent.keras"
    command = (sys.executable, "-m", "strop_export", model, "--calibration", "absent.npz")
    done = run(*command, "--metric", f"{own}:mine=0.1", check=False)
    assert done.returncode == 2
    assert log.read_text(encoding="utf-8") == "a line"
