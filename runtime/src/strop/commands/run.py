"""strop run: predict, and name or write what comes out."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np

from strop import durable
from strop.bundle.open import open_bundle
from strop.commands.show import identity, open_asked, print_choice, print_json, print_table
from strop.errors import InputError
from strop.model.images import read_samples


def main(arguments: argparse.Namespace) -> int:
    """Predict, and name or write what comes out."""
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    # The inputs first: what is wrong with them is said before an engine starts, and alone.
    batches = [read_samples(path, bundle.manifest.inputs[0]) for path in arguments.inputs]
    with open_asked(bundle, arguments) as model:
        outputs = [model.predict(batch) for batch in batches]
        if arguments.output:
            _write_npy(arguments.output, np.concatenate(outputs))
            if arguments.json:
                print_json({"model": identity(model), "output": arguments.output})
            else:
                print(f"{arguments.output}: {sum(map(len, outputs))} outputs of {model!r}")
            return 0
        named = [
            (path if len(rows) == 1 else f"{path}[{i}]", model.prediction(row))
            for path, rows in zip(arguments.inputs, outputs, strict=True)
            for i, row in enumerate(rows)
        ]
        if arguments.json:
            print_json(
                {
                    "model": identity(model),
                    "predictions": [
                        {
                            "input": name,
                            "label": best.label,
                            "probability": best.probability,
                            "probabilities": dict(
                                zip(model.labels, best.probabilities.tolist(), strict=True)
                            ),
                        }
                        for name, best in named
                    ],
                }
            )
        else:
            print_table([(name, best.label, f"{best.probability:.4f}") for name, best in named])
            print_choice(model, arguments.device)
    return 0


def _write_npy(path: str, array: Any) -> None:
    """Write the array whole or not at all, so that a full disk leaves no half file."""
    if Path(path).suffix != ".npy":
        raise InputError(f"--output {path}: the name must end in .npy", f"call it {path}.npy")
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=False)
    try:
        durable.write(path, content.getbuffer())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
