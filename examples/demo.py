"""Ten digits of the test set as pictures, named by the exported model: `make demo`.

Writes dist/demo/0.png to 9.png, the first image of each class, and prints what the model says.
"""

from pathlib import Path

import numpy as np
from PIL import Image

import strop

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "dist" / "demo"

with np.load(ROOT / "artifacts" / "mnist-mlp" / "evaluation.npz") as evaluation:
    images, labels = evaluation["inputs"], evaluation["labels"]  # (10000, 28, 28), (10000,)

DEMO.mkdir(parents=True, exist_ok=True)
with strop.load(ROOT / "dist" / "mnist-mlp-cpu.strop") as model:
    print(model)
    for digit in range(10):
        picture = DEMO / f"{digit}.png"
        Image.fromarray(images[np.argmax(labels == digit)]).save(picture)
        best = model.classify(picture)
        print(f"{picture.relative_to(ROOT)}: {best.label} ({best.probability:.1%})")
