"""The first stage: real MNIST in, one artifact directory out.

``python -m train --recipe edge --seed 1 --out artifacts/mnist-mlp``

Stages meet only through files, so nothing imports this package but itself: see
``train/artifact.py`` for what it leaves behind.
"""
