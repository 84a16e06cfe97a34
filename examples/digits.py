"""Write ten test digits as pictures, and let the exported model name them: `make digits`.

python examples/digits.py ARTIFACT DIST writes DIST/digits/0.png to 9.png, the first image of each
class, and prints what the model makes of each.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import strop


def first_of_each_digit(artifact: Path) -> "np.ndarray":
    """The first test image of each class, uint8 (10, 28, 28)."""
    path = artifact / "evaluation.npz"
    try:
        with np.load(path) as evaluation:
            images, labels = evaluation["inputs"], evaluation["labels"]  # (N, 28, 28), (N,)
        first = [np.flatnonzero(labels == digit)[0] for digit in range(10)]
        digits: np.ndarray = images[first].reshape(10, 28, 28)
        return digits
    except OSError as error:
        sys.exit(f"digits: cannot read {path}: {error.strerror or error}; run make export")
    except Exception as error:  # noqa: BLE001  another file, or another data set
        sys.exit(f"digits: {path} holds no test digits: {error}")


if len(sys.argv) != 3:
    sys.exit(f"usage: {sys.argv[0]} ARTIFACT DIST")
artifact, dist = map(Path, sys.argv[1:])
images = first_of_each_digit(artifact)
try:
    with strop.load(dist / f"{artifact.name}-cpu.strop") as model:
        print(model)
        (dist / "digits").mkdir(exist_ok=True)
        for digit, image in enumerate(images):
            picture = dist / "digits" / f"{digit}.png"
            Image.fromarray(image).save(picture)
            best = model.classify(picture)
            print(f"{picture}: {best.label} ({best.probability:.1%})")
except strop.StropError as error:
    sys.exit(f"digits: {error}")
except OSError as error:
    sys.exit(f"digits: cannot write {error.filename}: {error.strerror}")
