"""Name the class of a picture, as one file that needs no Python where it runs.

Install: pip install "$(echo ./strop-*.whl)[litert,images]" pyinstaller, into an environment with
         nothing else: PyInstaller collects all that could be imported
Build:   pyinstaller --onefile app.py
Start:   dist/app BUNDLE PICTURE [ENGINE]

Strop imports an engine only when a model needs it. A hook in its wheel tells PyInstaller about the
engines: the file has every installed one, and no option is needed.
"""

import sys

import strop

if len(sys.argv) not in (3, 4):
    sys.exit(f"usage: {sys.argv[0]} BUNDLE PICTURE [ENGINE]")
_, bundle, picture, *engine = sys.argv
try:
    with strop.load(bundle, engine=engine[0] if engine else None) as model:
        best = model.classify(picture)
        print(f"{picture}: {best.label} ({best.probability:.1%}), by {model}")
except strop.StropError as error:
    sys.exit(f"app: {error}")
