"""MLPerf Tiny's shapes: our int8 file is no worse than the plain converter's.

Both files come from the same model and calibration samples, and run on LiteRT; the comparison is of
the task's own figure, sample by sample (95 %).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from strop.bundle.open import open_bundle
from tests.models import plain, trial, zoo
from tests.models.zoo.figures import auc, errors

MODELS = ("mobilenet_v2", "ds_cnn", "resnet8", "anomaly")


@pytest.fixture(scope="module", params=MODELS)
def tried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> trial.Trial:
    """One of the models, exported."""
    return trial.begin("tiny", request.param, tmp_path_factory.mktemp(request.param))


def test_its_bundle_gives_what_keras_gives(tried: trial.Trial) -> None:
    trial.finish(tried)


def test_int8_is_no_worse_than_the_plain_converter_s(tried: trial.Trial, tmp_path: Path) -> None:
    specimen = tried.specimen
    samples = specimen.evaluation["inputs"]
    theirs = plain.run(plain.int8(specimen.model, specimen.calibration["inputs"]), samples)
    ours = plain.run(_int8_of(tried.bundle), samples)
    if specimen.faults is None:
        (labels,) = specimen.labels()
        right = [answers.argmax(-1) == labels for answers in (ours, theirs)]
        assert not plain.is_worse(*right), [share.mean() for share in right]
        return
    found, as_theirs = errors(ours, samples), errors(theirs, samples)
    figures = [auc(scores, specimen.faults) for scores in (found, as_theirs)]
    assert not plain.auc_is_worse(found, as_theirs, specimen.faults), figures


def test_none_of_the_family_is_forgotten() -> None:
    assert zoo.names("tiny") == MODELS


def _int8_of(bundle: Path) -> bytes:
    """Return the bundle's int8 file for LiteRT."""
    opened, wanted = open_bundle(bundle), ("tflite", "int8")
    (variant,) = (v for v in opened.manifest.variants if (v.format, v.precision) == wanted)
    return opened.read(variant)
