"""Ten digits of the test set as pictures, named by the exported model: `make demo`.

python examples/demo.py ARTIFACT DIST writes DIST/demo/0.png to 9.png, the first image of each
class, and prints what the model says of them.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import strop

artifact, dist = map(Path, sys.argv[1:])
with np.load(artifact / "evaluation.npz") as evaluation:
    images, labels = evaluation["inputs"], evaluation["labels"]  # (10000, 28, 28), (10000,)

demo = dist / "demo"
demo.mkdir(parents=True, exist_ok=True)
with strop.load(dist / f"{artifact.name}-cpu.strop") as model:
    print(model)
    for digit in range(10):
        picture = demo / f"{digit}.png"
        Image.fromarray(images[np.argmax(labels == digit)]).save(picture)
        best = model.classify(picture)
        print(f"{picture}: {best.label} ({best.probability:.1%})")
