"""The known model: each file is read by its format's libraries and run by each engine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from strop import engines
from strop.bundle.manifest import FORMATS
from strop.diagnostics import probe_models
from strop.diagnostics.probe_models import ANSWER, SAMPLE
from tests import probe_models as recipe
from tests.environments import ROOT, run
from tests.unit.runtime import gpus


def test_every_format_has_a_file() -> None:
    needed = {entry.format for entry in engines.TABLE.values()} - {None}
    assert probe_models.FILES.keys() == needed <= set(FORMATS)


def test_the_answer_is_that_of_the_dense_layer() -> None:
    np.testing.assert_array_equal(SAMPLE, recipe.SAMPLE)
    np.testing.assert_array_equal(ANSWER[0], recipe.ANSWER)
    np.testing.assert_array_equal(SAMPLE @ recipe.KERNEL + recipe.BIAS, ANSWER)


def test_no_order_of_adding_up_could_round() -> None:
    for dtype in (np.float16, np.float32):
        most = np.abs(SAMPLE) @ np.abs(recipe.KERNEL) + np.abs(recipe.BIAS)
        assert (most < 2 ** np.finfo(dtype).nmant).all()


def test_a_mix_up_of_rows_and_columns_would_show() -> None:
    """All columns differ, and the transposed kernel is a different one."""
    assert len(np.unique(recipe.KERNEL, axis=1).T) == recipe.KERNEL.shape[1]
    across = recipe.KERNEL.reshape(recipe.KERNEL.T.shape).T
    assert not np.array_equal(SAMPLE @ across + recipe.BIAS, ANSWER)


@pytest.mark.parametrize("engine", ["litert", "onnx", "reference"])
def test_each_engine_of_this_environment_gives_the_answer(engine: str) -> None:
    opener = engines.get(engine)
    data, variant = probe_models.model(engines.TABLE[engine].format or "")
    session = opener.open(data, variant, device="cpu", threads=1)
    output = session.run(SAMPLE)
    np.testing.assert_array_equal(output, ANSWER)
    assert output.dtype == np.float32


def test_tflite_runtime_gives_the_answer(tflite_python: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'runtime' / 'src')!r})\n"
        "from strop import engines\n"
        "from strop.diagnostics import probe_models as p\n"
        "data, variant = p.model('tflite')\n"
        "session = engines.get('tflite').open(data, variant, device='cpu', threads=1)\n"
        "output = session.run(p.SAMPLE)\n"
        "assert (output == p.ANSWER).all(), output\n"
    )
    run(tflite_python, "-c", code)


GPU = """
import numpy as np
from strop import engines
from strop.diagnostics import probe_models as p
opener = engines.get({engine!r})
data, variant = p.model(engines.TABLE[{engine!r}].format)
session = opener.open(data, variant, device="gpu", threads=1)
output = session.run(p.SAMPLE)
assert np.array_equal(output, p.ANSWER), output
assert output.dtype == np.float32
session.close()
print(session.adapter)
"""


@pytest.mark.parametrize("engine", ["litert", "onnx"])
def test_each_engine_gives_the_answer_on_a_software_gpu(engine: str) -> None:
    variables = gpus.software()
    python = gpus.webgpu_python() if engine == "onnx" else sys.executable
    source = str(ROOT / "runtime" / "src")
    environment = {**os.environ, "PYTHONPATH": source, **variables}
    done = run(python, "-B", "-c", GPU.format(engine=engine), env=environment)
    assert done.stdout.endswith(", software\n")


@pytest.mark.parametrize("format", probe_models.FILES)
def test_the_files_are_what_the_converters_write(format: str) -> None:
    assert probe_models.model(format)[0] == recipe.build(format)


def test_onnx_s_own_checker_finds_nothing_wrong() -> None:
    import onnx

    model = onnx.load_model_from_string(probe_models.model("onnx")[0])
    onnx.checker.check_model(model, full_check=True)
    (node,) = model.graph.node
    assert node.op_type == "Gemm"


def test_they_are_small() -> None:
    assert all(len(probe_models.model(format)[0]) < 2000 for format in probe_models.FILES)
