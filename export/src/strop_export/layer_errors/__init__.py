"""The error that quantization makes in each tensor of a file, and the layer where it breaks.

`measure` runs a file and its float twin; `culprit`, `entries` and `picture` only read its figures.
"""
