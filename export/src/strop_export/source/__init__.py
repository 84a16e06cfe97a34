"""The input of an export: a Keras model and the samples that calibrate and judge it, from files.

>>> source.read(source.artifact(Path("artifacts/mnist-mlp")))
"""

from strop_export.source.data import MIN_SAMPLES
from strop_export.source.files import Files, Loading, artifact
from strop_export.source.read import Source, read

__all__ = ["MIN_SAMPLES", "Files", "Loading", "Source", "artifact", "read"]
