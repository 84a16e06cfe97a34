"""The notebook: the committed cells run, and what is committed is small and clean."""

from __future__ import annotations

import ast
import json
import sys
from typing import Any

import nbformat
import pytest

from tests.environments import ROOT, run
from tools import notebook as tool

# A cell that draws has one of these, and no other cell has.
DRAWS = ("plt.show()", "display(")
SHORT = {"EPOCHS": 1, "TRAIN": 6000, "TEST": 1000, "SECONDS": 0.02}
MOST_BYTES = 400_000
# What may be imported beside the standard library: nothing that is not public.
PUBLIC = {"IPython", "keras", "matplotlib", "numpy", "strop", "strop_export"}


@pytest.fixture(scope="module")
def committed() -> Any:
    return nbformat.read(tool.NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The committed cells after a short training, run from the checkout."""
    given = nbformat.read(tool.NOTEBOOK, as_version=4)
    out = tmp_path_factory.mktemp("out")
    return tool.run(given, ROOT, {**SHORT, "OUT": str(out)})


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(cell: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def printed(notebook: Any, name: str) -> str:
    """Return what the cell of this id printed."""
    (cell,) = (cell for cell in notebook.cells if cell.id == name)
    return "".join(each.text for each in cell.outputs if each.get("name") == "stdout")


def test_the_committed_cells_run_and_draw(ran: Any, committed: Any) -> None:
    cells = [cell.source for cell in ran.cells if not cell.source.startswith("EPOCHS = 1\n")]
    assert cells == [cell.source for cell in committed.cells]
    for cell in code(ran):
        assert cell.execution_count is not None
        assert pictures(cell) == any(word in cell.source for word in DRAWS), cell.id


def test_every_engine_gives_the_classes_of_keras(ran: Any) -> None:
    _, *rows = printed(ran, "predict").splitlines()
    found = {tuple(row.split()[:2]): row.split()[2:] for row in rows}
    assert {engine for engine, _ in found} == {"native", "litert", "onnx", "reference"}
    for (_, precision), (same, accuracy, largest) in found.items():
        exact = precision == "float32"
        assert float(same.rstrip("%")) >= (100 if exact else 98)
        assert float(largest) < (1e-4 if exact else 0.3)
        assert float(accuracy.rstrip("%")) > 75


def test_the_report_is_a_table(ran: Any) -> None:
    (cell,) = (cell for cell in code(ran) if cell.id == "export-model")
    html = cell.outputs[-1].data["text/html"]
    assert html.startswith("<table>")
    assert "<td>litert 2" in html
    assert "digits-cpu.strop</li>" in html


def test_check_passes(ran: Any) -> None:
    _, header, *rows, _, _ = printed(ran, "run-check").splitlines()
    status = header.split().index("status")
    assert {row.split()[status] for row in rows} == {"passed"}


def test_what_is_committed_is_a_whole_run(committed: Any) -> None:
    counts = [cell.execution_count for cell in code(committed)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code(committed):
        assert pictures(cell) == any(word in cell.source for word in DRAWS), cell.id
        assert all(output.output_type != "error" for output in cell.outputs)
        assert all(output.get("name") != "stderr" for output in cell.outputs)
    assert printed(committed, "draw").startswith("7 (")


def test_what_is_committed_is_small_and_names_no_machine(committed: Any) -> None:
    assert tool.NOTEBOOK.stat().st_size < MOST_BYTES
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert set(committed.metadata.language_info) == {"name"}
    for cell in committed.cells:
        assert set(cell.metadata) <= {"tags"}
        said = json.dumps([cell.get("outputs"), cell.source])
        for path in (str(ROOT), "/work", "/tmp", "/root", "/home"):
            assert path not in said, cell.id


def test_only_public_names_are_used(committed: Any) -> None:
    tree = ast.parse("\n".join(cell.source for cell in code(committed)))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(str(node.module))
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
    tops = {module.partition(".")[0] for module in modules}
    assert tops - set(sys.stdlib_module_names) == PUBLIC
    assert not {each for each in modules if each.startswith(("strop.", "strop_export."))}


def test_the_first_cells_find_the_folder_from_examples_too(committed: Any) -> None:
    (cell,) = (cell for cell in committed.cells if cell.id == "folder")
    for folder in (ROOT, ROOT / "examples"):
        done = run(sys.executable, "-c", f"{cell.source}\nprint(Path.cwd())", cwd=folder)
        assert done.stdout.strip() == str(ROOT / "examples")
