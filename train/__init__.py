"""The first stage: real MNIST in, one artifact directory out.

``python -m train --recipe edge --seed 1 --out artifacts/mnist-mlp``

Stages meet only through files, so nothing else imports this package. ``train/artifact.py``
describes its output.
"""
