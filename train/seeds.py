"""The same recipe with several seeds, and ``seeds.json``: one seed's figure proves little.

Each seed is trained in a separate process, by the command that a user would type: its figures and
seconds are those of ``python -m train --seed N``, and no state carries over.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from train.errors import TrainError, UsageError
from train.paths import CHECKOUT, shown
from train.recipe import Recipe
from train.storage import write_atomically, writing

HIGHEST_SEED = 1_000_000_000
REPORT = "seeds.json"


def parse_seed(text: str) -> int:
    """Parse a seed from the command line.

    Raises:
        UsageError: if it is not a whole number from 0 to 1,000,000,000.
    """
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit() and int(stripped) <= HIGHEST_SEED:
        return int(stripped)
    raise UsageError(f"seed {text!r} is not a whole number from 0 to {HIGHEST_SEED}")


def parse_seeds(text: str) -> list[int]:
    """Parse a comma-separated list of seeds.

    Raises:
        UsageError: if it is empty, an entry is not a seed, or a seed occurs twice.
    """
    if not text.strip():
        raise UsageError("--seeds is empty; it takes numbers between commas, as in --seeds 1,2,3")
    seeds = [parse_seed(part) for part in text.split(",")]
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds {text} names a seed twice")
    return seeds


def train_all(recipe: Recipe, seeds: Sequence[int], root: Path, options: Sequence[str]) -> Path:
    """Train each seed into ``root/seeds/<recipe>-<seed>``, and report in ``root/seeds.json``.

    Args:
        recipe: the recipe, with the requested number of epochs.
        seeds: the seeds.
        root: the folder of all artifacts.
        options: the command-line options for each seed's own command.

    Returns:
        The report, as written.

    Raises:
        TrainError: if a seed could not be trained; its own command has printed the reason.
        OutputError: if the report cannot be written.
    """
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
    records = []
    for seed in seeds:
        target = root / "seeds" / f"{recipe.name}-{seed}"
        command = [sys.executable, "-m", "train", *options]
        command += ["--seed", str(seed), "--out", str(target.resolve())]
        status = subprocess.run(command, cwd=CHECKOUT, check=False).returncode
        if status != 0:
            raise TrainError(
                f"seed {seed} was not trained (its command ended with {status}), "
                f"{shown(root / REPORT)} is unchanged: fix that, then continue with --resume"
            )
        records.append(json.loads((target / "training.json").read_text(encoding="utf-8")))
    report = root / REPORT
    merged = {**_earlier(report), recipe.name: summary(recipe, records)}
    write_atomically(report, (json.dumps(merged, indent=2, sort_keys=True) + "\n").encode())
    return report


def summary(recipe: Recipe, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summarize one recipe for ``seeds.json``.

    Args:
        recipe: the trained recipe.
        records: each seed's ``training.json``, one or more.
    """
    seeds = [
        {
            "seed": record["seed"],
            "train_accuracy": record["accuracy"]["train"],
            "validation_accuracy": record["accuracy"]["validation"],
            "test_accuracy": record["accuracy"]["test"],
            "seconds": record["seconds"],
        }
        for record in records
    ]
    means = {
        f"mean_{key}": round(fmean(seed[key] for seed in seeds), 6)
        for key in ("train_accuracy", "validation_accuracy", "test_accuracy", "seconds")
    }
    return {
        "artifact": recipe.artifact,
        "epochs": recipe.schedule.epochs,
        "parameters": records[0]["parameters"],
        "versions": records[0]["versions"],
        "platform": records[0]["platform"],
        "seeds": seeds,
        **means,
    }


def _earlier(report: Path) -> dict[str, Any]:
    """Read the reports of other recipes; an unreadable report is replaced."""
    try:
        earlier = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return earlier if isinstance(earlier, dict) else {}
