"""Write the licences of all that the page ships: python -m demo.licenses dist/demo/licenses.txt.

The packages of npm have no licence texts. The wheels of the same projects have them, with the
notices of the libraries that are compiled in.
"""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]

# A package of the page -> the wheels with its texts, and their names in the wheel.
WHEELS: dict[str, tuple[tuple[str, str], ...]] = {
    "onnxruntime-web": (("onnxruntime", "LICENSE"), ("onnxruntime", "ThirdPartyNotices.txt")),
    # LiteRT is made of TensorFlow's code.
    "@litertjs/core": (("ai-edge-litert", "LICENSE"), ("tensorflow", "THIRD_PARTY_NOTICES.txt")),
}


def licenses() -> str:
    """Return all texts, each under the name of its package.

    Raises:
        FileNotFoundError: a wheel does not have its text.
    """
    parts = [("Strop", (ROOT / "LICENSE").read_text(encoding="utf-8"))]
    parts += [
        (f"{package}: {name}", text_of(wheel, name))
        for package, texts in WHEELS.items()
        for wheel, name in texts
    ]
    line = "=" * 80
    return "\n".join(f"{line}\n{title}\n{line}\n\n{text.strip()}\n" for title, text in parts)


def text_of(wheel: str, name: str) -> str:
    """Read a text file of an installed wheel by its name, in whichever folder it is."""
    for file in distribution(wheel).files or ():
        if file.name == name and "include" not in file.parts:
            return file.read_text(encoding="utf-8-sig")
    raise FileNotFoundError(f"the wheel {wheel} has no {name}")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(licenses(), encoding="utf-8")
