"""The three pictures of an artifact, drawn without pyplot: no display, no global state."""

from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from train import evaluate
from train.checkpoints import History
from train.evaluate import Evaluation
from train.mnist import Samples

_INK, _MUTED, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_BLUE, _RED, _GREEN = "#2f6fde", "#d64545", "#1b7f4b"
_REDS = LinearSegmentedColormap.from_list("mistakes", ["#fdecec", "#f29b9b", "#b91c1c"])
_DPI = 140
_LEAST = 1e-4  # a log scale has no zero
_MISTAKES = 24
_COLUMNS = 6


def learning_curves(history: History, evaluation: Evaluation, path: Path) -> None:
    """Draw error and loss over the epochs, on training images and on validation images.

    Args:
        history: ``loss``, ``accuracy``, ``val_loss`` and ``val_accuracy``, one value per epoch.
        evaluation: its test accuracy is drawn as a line.
        path: the ``.png`` to write.
    """
    figure = _figure(10, 4.2, "Learning curves")
    left, right = figure.subplots(1, 2)
    # Error, not accuracy, on a log scale: from 98 to 99 % halves the error.
    error = {key: 100 * (1 - np.asarray(history[key])) for key in ("accuracy", "val_accuracy")}
    _curves(left, error["accuracy"], error["val_accuracy"], "error, %")
    at_last = 100 * (1 - evaluation.test)
    left.axhline(
        max(at_last, _LEAST),
        *(0, 1),
        color=_INK,
        linewidth=1,
        linestyle=(0, (4, 3)),
        label=f"test, at the end: {at_last:.2f}",
    )
    _legend(left)
    _curves(right, np.asarray(history["loss"]), np.asarray(history["val_loss"]), "cross-entropy")
    _legend(right)
    _save(figure, path)


def _curves(
    axes: Axes, training: NDArray[np.float64], validation: NDArray[np.float64], label: str
) -> None:
    """Draw two lines on a log scale, labelled at 1, 2 and 5.

    Args:
        axes: the axes to draw on.
        training: float64 (epochs,).
        validation: float64 (epochs,).
        label: the label of the vertical axis.
    """
    epochs = np.arange(1, len(training) + 1)
    marker = "o" if len(epochs) == 1 else None  # a line of one point shows nothing
    for values, name, colour in (
        (training, "training, as it went by", _BLUE),
        (validation, "validation", _RED),
    ):
        shown = np.maximum(values, _LEAST)
        axes.plot(epochs, shown, color=colour, linewidth=1.6, label=name, marker=marker)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.set_xlabel("epoch", fontsize=10, color=_MUTED)
    axes.set_ylabel(label, fontsize=10, color=_MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(which="major", color=_GRID, linewidth=0.8)
    axes.tick_params(which="both", colors=_MUTED, labelsize=9, length=0)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    for spine in ("left", "bottom"):
        axes.spines[spine].set_color(_GRID)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="upper right")


def confusion_matrix(test: Samples, evaluation: Evaluation, path: Path) -> None:
    """Draw the confusion matrix, with colours only for the mistakes.

    Args:
        test: the test set.
        evaluation: its outputs are those for the test set.
        path: the ``.png`` to write.
    """
    counts = evaluate.confusion(evaluation.outputs, test.labels)
    mistakes = counts.astype(float)
    np.fill_diagonal(mistakes, 0)
    wrong = int(mistakes.sum())
    figure = _figure(
        7.2, 7, f"{100 * evaluation.test:.2f} % of {len(test):,} right, {wrong:,} mistakes"
    )
    axes = figure.add_subplot()
    axes.imshow(
        np.ma.masked_equal(mistakes, 0), cmap=_REDS, norm=LogNorm(1, max(2.0, mistakes.max()))
    )
    for row, column in np.ndindex(counts.shape):
        right = row == column
        strong = not right and mistakes[row, column] > 0.35 * mistakes.max()
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}" if counts[row, column] else "·",
            ha="center",
            va="center",
            fontsize=10,
            fontweight="bold" if right else "normal",
            color=_GREEN
            if right
            else "white"
            if strong
            else _INK
            if counts[row, column]
            else _GRID,
        )
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set_xticks(np.arange(11) - 0.5, minor=True)
    axes.set_yticks(np.arange(11) - 0.5, minor=True)
    axes.grid(which="minor", color=_GRID, linewidth=1)
    axes.tick_params(which="both", length=0, labelsize=11, colors=_INK)
    axes.xaxis.set_ticks_position("top")
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("the model says", fontsize=11, color=_MUTED)
    axes.set_ylabel("the digit is", fontsize=11, color=_MUTED)
    for spine in axes.spines.values():
        spine.set_color(_GRID)
    _save(figure, path)


def worst_mistakes(test: Samples, evaluation: Evaluation, path: Path) -> None:
    """Draw the wrong answers with the lowest output for the right digit, with all probabilities.

    Args:
        test: the test set.
        evaluation: its outputs are those for the test set.
        path: the ``.png`` to write.
    """
    chosen = evaluate.worst_mistakes(evaluation.outputs, test.labels, _MISTAKES)
    rows = max(1, -(-len(chosen) // _COLUMNS))
    cell_width, cell_height, top = 1.65, 2.5, 0.55  # inches, as all below
    width, height = _COLUMNS * cell_width, top + rows * cell_height
    figure = _figure(width, height, "The worst mistakes on the test set", layout=None)

    def axes_at(left: float, bottom: float, wide: float, tall: float) -> Axes:
        return figure.add_axes((left / width, bottom / height, wide / width, tall / height))

    if not len(chosen):
        figure.text(0.5, 0.4, "none at all", ha="center", fontsize=14, color=_MUTED)
    wide = 0.82 * cell_width
    for place, index in enumerate(chosen):
        row, column = divmod(place, _COLUMNS)
        left = (column + 0.09) * cell_width
        bottom = height - top - (row + 1) * cell_height
        _digit(axes_at(left, bottom + 0.8, wide, wide), test, evaluation, int(index))
        bars = axes_at(left, bottom + 0.4, wide, 0.33)
        _bars(bars, evaluation.outputs[index], int(test.labels[index]))
    _save(figure, path)


def _digit(axes: Axes, test: Samples, evaluation: Evaluation, index: int) -> None:
    label, said = int(test.labels[index]), int(evaluation.outputs[index].argmax())
    axes.imshow(test.images[index], cmap="gray_r", vmin=0, vmax=255)
    axes.set_title(f"{label}, taken for {said}", fontsize=10, color=_INK, pad=4)
    axes.text(27, 27, f"{index}", ha="right", va="bottom", fontsize=6.5, color=_MUTED)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(_GRID)


def _bars(axes: Axes, outputs: NDArray[np.float32], label: int) -> None:
    """Draw all ten outputs, with the predicted digit and the right one highlighted.

    Args:
        axes: the axes to draw on.
        outputs: float32 (10,), 0..1.
        label: the right digit.
    """
    said = int(outputs.argmax())
    colours = [_RED if d == said else _GREEN if d == label else _MUTED for d in range(10)]
    axes.bar(range(10), outputs, color=colours, width=0.72)
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.6, 9.6)
    axes.set_yticks([])
    axes.set_xticks(range(10))
    axes.tick_params(length=0, labelsize=7, pad=1.5, colors=_MUTED)
    for digit, tick in enumerate(axes.get_xticklabels()):
        if digit in (said, label):
            tick.set_color(colours[digit])
            tick.set_fontweight("bold")
    axes.text(
        *(0, -0.82, f"{outputs[label]:.3f}"),
        transform=axes.transAxes,
        fontsize=7.5,
        color=_GREEN,
    )
    axes.text(
        *(1, -0.82, f"{outputs[said]:.3f}"),
        transform=axes.transAxes,
        fontsize=7.5,
        color=_RED,
        ha="right",
    )
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)


def _figure(
    width: float, height: float, title: str, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13, fontweight="bold", color=_INK)
    return figure


def _save(figure: Figure, path: Path) -> None:
    # No software name or date in the file: the same training gives the same bytes.
    figure.savefig(path, metadata={"Software": None})
