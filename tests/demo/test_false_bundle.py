"""A page built from a bundle whose hashes are right and whose proven outputs are not."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np

from strop.bundle import archive
from tests.bundles import Draft
from tests.demo import reading
from tests.demo.conftest import Visit
from tests.demo.site import DEMO, Site, build_again, serve


def test_outputs_that_differ_are_not_proven(visit: Visit, site: Site, tmp_path: Path) -> None:
    """The page counts the samples that give the outputs proven at export: all but one."""
    false = Site(tmp_path / "page", change_an_output(site.bundle, tmp_path / "export"))
    build_again(DEMO, false, false.folder)
    with serve(false.folder) as address:
        assert "127 of 128" in reading.prove(visit(address), "failed")


def change_an_output(bundle: Path, folder: Path) -> Path:
    """Write a bundle with another golden output of the int8 plan, and its module beside it."""
    shutil.copytree(bundle.with_suffix(""), folder / bundle.stem)
    files = {name: bytes(data) for name, data in archive.unpack(bundle.read_bytes()).items()}
    draft = Draft(json.loads(files.pop(archive.MANIFEST)), files)
    (plan,) = (
        variant
        for variant in draft.content["variants"]
        if (variant["format"], variant["precision"]) == ("plan", "int8")
    )
    (golden,) = plan["golden"]
    outputs = np.load(io.BytesIO(files[golden["file"]]))
    outputs[5, 0] += 0.25
    changed = io.BytesIO()
    np.save(changed, outputs)
    draft.put(golden, changed.getvalue())
    return draft.write(folder / bundle.name)
