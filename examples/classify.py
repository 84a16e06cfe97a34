"""Name the class of each picture: the smallest app.

python examples/classify.py BUNDLE PICTURE...
"""

import sys

import strop

if len(sys.argv) < 3:
    sys.exit(f"usage: {sys.argv[0]} BUNDLE PICTURE...")
_, bundle, *pictures = sys.argv
try:
    with strop.load(bundle) as model:
        for picture in pictures:
            best = model.classify(picture)
            if not isinstance(best, strop.Prediction):  # a model of many labels at once
                sys.exit("classify: the model does not name one class")
            print(f"{picture}: {best.label} ({best.probability:.1%})")
except strop.StropError as error:
    sys.exit(f"classify: {error}")
