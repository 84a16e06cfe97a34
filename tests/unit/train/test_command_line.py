"""Bad input: exit status 2 and one readable line, before anything slow or lasting happens."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from train import mnist
from train.__main__ import main
from train.errors import DataError
from train.paths import CHECKOUT

Refused = Callable[..., str]


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Refused:
    """Run a command that must be refused, and return its message."""

    def trains(*_: object, **__: object) -> None:
        pytest.fail("it was not refused but began")

    monkeypatch.setattr(mnist, "load", trains)

    def run(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(list(arguments)) == 2
        said = capsys.readouterr().err
        assert said.startswith("train: ")
        assert said.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return said

    return run


def test_help_is_quick_and_names_the_recipes() -> None:
    code = (
        "import sys; from train.__main__ import main\n"
        "try: main(['--help'])\n"
        "finally: print('SLOW' if {'tensorflow', 'keras', 'matplotlib'} & {*sys.modules} else '')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert "best, edge, notebook" in result.stdout
    assert "SLOW" not in result.stdout


def test_an_unknown_recipe(refused: Refused) -> None:
    assert "no recipe 'egde'; there are best, edge, notebook" in refused("--recipe", "egde")


def test_an_unknown_key(refused: Refused, small_file: Path) -> None:
    text = small_file.read_text(encoding="utf-8")
    small_file.write_text(text.replace("batch_size", "batchsize"), encoding="utf-8")
    assert "unknown key schedule.batchsize" in refused("--recipe", str(small_file))


@pytest.mark.parametrize("text", ["one", "-1", "1.5", "", "9999999999"])
def test_a_bad_seed(refused: Refused, text: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert "seed" in refused(f"--seed={text}", "--out", out)


@pytest.mark.parametrize("text", ["", "1,,2", "1;2", "1,2,1"])
def test_a_bad_list_of_seeds(refused: Refused, text: str, tmp_path: Path) -> None:
    refused(f"--seeds={text}", "--out", str(tmp_path / "out"))


def test_one_seed_and_several(refused: Refused, tmp_path: Path) -> None:
    said = refused("--seed", "1", "--seeds", "1,2", "--out", str(tmp_path / "out"))
    assert "exclude each other" in said


@pytest.mark.parametrize("flag", ["--epochs", "--model-version"])
@pytest.mark.parametrize("text", ["0", "-3", "few", "1.5", "99999999"])
def test_a_bad_count(refused: Refused, flag: str, text: str, tmp_path: Path) -> None:
    assert flag in refused(f"{flag}={text}", "--out", str(tmp_path / "out"))


def test_a_place_that_cannot_be_written(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot write" in refused("--out", str(tmp_path / "file" / "out"))
    assert "is not a folder" in refused("--out", str(tmp_path / "file"))
    assert "cannot write" in refused("--out", "/proc/nowhere/out")
    assert "cannot write" in refused("--seeds", "1,2", "--out", str(tmp_path / "file" / "out"))


@pytest.mark.parametrize("out", ["/", "", ".", "..", "../..", "below/../..", "gone/../../here"])
def test_the_folder_one_stands_in_is_not_replaced(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """Not even if it is empty, or an earlier artifact."""
    here = tmp_path / "here"
    (here / "below").mkdir(parents=True)
    (tmp_path / "training.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(here)
    assert "is the current folder or a parent of it" in refused("--out", out)
    assert "is the current folder or a parent of it" in refused("--resume", "--out", out)


def test_a_path_through_a_folder_above_names_what_it_leads_to(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "home" / "papers").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert f"{tmp_path / 'home'} holds something" in refused("--out", "../home/papers/..")


def test_a_folder_of_something_else_is_not_replaced(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    assert "not a trained model" in refused("--out", str(tmp_path / "home"))


def test_no_data_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise DataError("MNIST cannot be fetched")

    monkeypatch.setattr(mnist, "load", nowhere)
    assert main(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "train: MNIST cannot be fetched\n"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "load", interrupted)
    assert main(["--out", str(tmp_path / "out")]) == 130
    assert "--resume" in capsys.readouterr().err


def test_fetching_alone_trains_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "load", lambda *_, **__: None)
    assert main(["--fetch-only"]) == 0
    assert "byte for byte the original" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--recipe", "{}.toml"], ["--out", "{}"], ["--seed", "{}"], ["{}"]]
)
def test_other_people_s_names_are_harmless(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = "\x1b[2J\u202e[red]\nforged"
    (tmp_path / evil).write_text("no folder")
    monkeypatch.setattr(mnist, "load", lambda *_, **__: None)
    try:
        status: object = main([argument.format(evil) for argument in arguments])
    except SystemExit as end:  # argparse's way
        status = end.code
    assert status == 2
    said = "".join(capsys.readouterr())
    assert all(char.isprintable() or char == "\n" for char in said)
    assert "\\x1b[2J" in said
    assert not any(line.startswith("forged") for line in said.splitlines())
