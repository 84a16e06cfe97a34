"""The smallest app: name what is on each picture.

python examples/classify.py mnist-mlp-cpu.strop seven.png ...
"""

import sys

import strop

bundle, *pictures = sys.argv[1:]
try:
    with strop.load(bundle) as model:
        for picture in pictures:
            best = model.classify(picture)
            print(f"{picture}: {best.label} ({best.probability:.1%})")
except strop.StropError as error:
    sys.exit(f"classify: {error}")
