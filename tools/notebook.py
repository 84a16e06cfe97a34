"""Run the notebook and keep its outputs in it, small and clean: `python -m tools.notebook`."""

from __future__ import annotations

import argparse
import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "handwritten_digits.ipynb"

_PNG = "image/png"
_COLORS = 96  # of the palette; a plot has few
_TIMEOUT_S = 600  # for one cell


def main() -> None:
    """Run the notebook in its folder and write it back."""
    argparse.ArgumentParser(prog="python -m tools.notebook", description=__doc__).parse_args()
    notebook = run(nbformat.read(NOTEBOOK, as_version=4), NOTEBOOK.parent)
    nbformat.write(clean(notebook), NOTEBOOK)


def run(notebook: Any, folder: Path, parameters: Mapping[str, Any] | None = None) -> Any:
    """Run a notebook in a new kernel of this Python, with its outputs written into it.

    Args:
        notebook: the notebook, of nbformat 4; its cells get the outputs.
        folder: the kernel's working directory.
        parameters: values set after the cell with the tag `parameters`, by the name of the
            variable, as papermill does.

    Returns:
        The notebook.

    Raises:
        CellExecutionError: a cell raised an exception.
    """
    if parameters:
        (place,) = (
            place
            for place, cell in enumerate(notebook.cells)
            if "parameters" in cell.metadata.get("tags", ())
        )
        given = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(given))
    client = NotebookClient(
        notebook,
        timeout=_TIMEOUT_S,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def clean(notebook: Any) -> Any:
    """Give the pictures palettes, and remove the logs of libraries and the names of the machine."""
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
        for output in cell.get("outputs", ()):
            if _PNG in output.get("data", {}):
                output.data[_PNG] = _small(output.data[_PNG])
    return notebook


def _small(png: str) -> str:
    """Return a picture in base64 with a palette in place of 32 bits a pixel."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    small = io.BytesIO()
    picture.quantize(_COLORS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")


if __name__ == "__main__":
    main()
