"""An engine older than the manifest's floor for a file never sees that file."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from strop.bundle.file import parse_bundle
from strop.errors import BundleError, EngineUnavailable
from strop.model.select import Choice, open_model
from tests import bundles
from tests.unit.runtime import doubles

INSTALLED = "1.2.3"  # the version of the doubles


def opened(
    monkeypatch: pytest.MonkeyPatch, floors: Any, installed: str = INSTALLED, **options: Any
) -> None:
    """Open the factory's file with a double of LiteRT."""
    draft = bundles.image()
    draft.add_variant("tflite", "int8", ["litert"])["requires"] = {"engines": floors}
    bundle = parse_bundle(draft.pack())
    doubles.install(monkeypatch, "litert", **options)
    monkeypatch.setattr(doubles.Double, "version", lambda self: installed)
    open_model(bundle, Choice("litert", bundle.manifest.variants[1], "cpu")).close()


def never(model: bytes) -> NoReturn:
    raise AssertionError("the engine saw the file")


def test_the_refusal_names_both_versions_and_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        opened(monkeypatch, {"litert": "1.10"}, make=never)
    assert str(caught.value) == (
        "variants/int8.tflite needs engine 'litert' 1.10 or newer and 1.2.3 is installed; "
        "pip install './strop-0.1.0-py3-none-any.whl[litert]' --upgrade --upgrade-strategy eager"
    )


@pytest.mark.parametrize("floor", ["1.2.3", "1.2.3.0", "1.2", "1", "0.99.99", "0"])
def test_at_the_floor_and_above_it_opens(monkeypatch: pytest.MonkeyPatch, floor: str) -> None:
    opened(monkeypatch, {"litert": floor})


@pytest.mark.parametrize("floor", ["1.2.4", "1.2.3.1", "1.10", "2", "999999999.0.0.0.0.1"])
def test_below_it_does_not(monkeypatch: pytest.MonkeyPatch, floor: str) -> None:
    with pytest.raises(EngineUnavailable, match="or newer and 1.2.3 is installed"):
        opened(monkeypatch, {"litert": floor}, make=never)


@pytest.mark.parametrize("installed", ["2.1", "2.1.0rc1", "2.1.0+local", "2.1.dev20260101", "a"])
def test_versions_are_read_leniently(monkeypatch: pytest.MonkeyPatch, installed: str) -> None:
    opened(monkeypatch, {"litert": "2.1.0"}, installed)


@pytest.mark.parametrize("floors", [{}, {"onnx": "99"}])
def test_an_engine_without_a_floor_opens(
    monkeypatch: pytest.MonkeyPatch, floors: dict[str, str]
) -> None:
    opened(monkeypatch, floors)


@pytest.mark.parametrize(
    "floors",
    [
        *(None, [], "1.0", {"litert": None}, {"litert": 1.0}, {"litert": ""}, {"litert": "new"}),
        *({"litert": "1" * 5000}, {"litert": "1." * 9 + "1"}, {"litert": "1.0\n"}),
        *({"litert": "1.0rc1"}, {"onnx": ["1.0"]}),
    ],
)
def test_a_floor_that_is_no_version_is_refused_with_the_bundle(floors: Any) -> None:
    draft = bundles.image()
    draft.variant["requires"] = {"engines": floors}
    with pytest.raises(BundleError, match=r"requires.engines has a value that is not a version"):
        parse_bundle(draft.pack())
