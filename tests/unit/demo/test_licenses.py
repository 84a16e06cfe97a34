"""The licences of what the demo page ships."""

from __future__ import annotations

import json

import pytest

from demo.licenses import WHEELS, licenses, text_of
from tests.environments import ROOT

TITLES = {"MIT": "MIT License\n\nCopyright (c) ", "Apache-2.0": "Apache License\n"}


def shipped() -> dict[str, str]:
    """Return the licence of each package that the page depends on."""
    packages = json.loads((ROOT / "demo" / "package-lock.json").read_bytes())["packages"]
    return {
        name: packages[f"node_modules/{name}"]["license"] for name in packages[""]["dependencies"]
    }


def test_each_package_has_the_text_of_its_licence() -> None:
    assert set(WHEELS) == set(shipped())
    for name, license_ in shipped().items():
        wheel, file = WHEELS[name][0]
        assert TITLES[license_] in text_of(wheel, file)


def test_all_texts_are_there() -> None:
    text = licenses()
    places = [text.index((ROOT / "LICENSE").read_text("utf-8").strip())]
    for name, files in WHEELS.items():
        for wheel, file in files:
            places.append(text.index(f"\n{name}: {file}\n"))
            assert text_of(wheel, file).strip() in text
    assert places == sorted(places)


def test_a_missing_text_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"the wheel onnxruntime has no NOTICE\.md"):
        text_of("onnxruntime", "NOTICE.md")
