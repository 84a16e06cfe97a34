"""Servers that the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import bundles, pairs
from tests.serve.running import Server, serving


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three bundles; the model `pair` has two inputs and two outputs."""
    folder = tmp_path_factory.mktemp("models")
    drafts = {
        "shapes": bundles.image(),
        "gauge": bundles.vector(),
        "pair": bundles.pair(pairs.onnx_file()),
    }
    for name, draft in drafts.items():
        (folder / f"{name}.strop").write_bytes(draft.pack())
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    """A server of the three models."""
    with serving(*sorted(models.glob("*.strop"))) as running:
        yield running
