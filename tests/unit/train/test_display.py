"""The display: a bar on a terminal, a few lines in a log."""

import io

import pytest
from rich.console import Console

from train.checkpoints import Progress
from train.display import Display


def shown(*, terminal: bool, first: int = 0, epochs: int = 50) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, soft_wrap=True)
    done = Progress(first, {"val_accuracy": [0.9] * first}, 2.0 * first)
    with Display(console, "edge, seed 1", epochs, done) as display:
        for epoch in range(first + 1, epochs + 1):
            display.epoch(Progress(epoch, {"val_accuracy": [0.9876] * epoch}, 2.0 * epoch))
    return stream.getvalue()


def test_a_log_gets_a_few_plain_lines() -> None:
    lines = shown(terminal=False).splitlines()
    assert len(lines) == 10
    assert lines[0] == "edge, seed 1: epoch  5/50, validation 98.76%, 1:30 left"
    assert lines[-1] == "edge, seed 1: epoch 50/50, validation 98.76%, done"


def test_a_short_training_gets_a_line_an_epoch() -> None:
    assert len(shown(terminal=False, epochs=2).splitlines()) == 2


def test_a_terminal_gets_a_bar() -> None:
    text = shown(terminal=True)
    assert "50/50" in text
    assert "validation 98.76%" in text


def test_a_resumed_training_counts_from_where_it_was() -> None:
    lines = shown(terminal=False, first=40).splitlines()
    assert lines[0] == "edge, seed 1: epoch 45/50, validation 98.76%, 0:10 left"


@pytest.mark.parametrize("terminal", [True, False])
def test_it_gives_the_terminal_back_when_training_fails(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    with pytest.raises(RuntimeError), Display(console, "x", 3, Progress()):
        raise RuntimeError


def test_other_steps_than_epochs_have_their_own_name_and_no_accuracy() -> None:
    stream = io.StringIO()
    with Display(Console(file=stream), "best, copies", 2, Progress(), unit="copy") as display:
        for number in (1, 2):
            display.epoch(Progress(number, seconds=3.0 * number))
    assert stream.getvalue().splitlines() == [
        "best, copies: copy 1/2, ...",
        "best, copies: copy 2/2, done",
    ]
