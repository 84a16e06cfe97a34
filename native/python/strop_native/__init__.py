"""Strop's native engine: dense networks, as plans, on any CPU. `strop` imports it when it runs one.

The compiled part is `_core`; native/README.md describes it.
"""

from strop_native._core import Model, kernels

__all__ = ["Model", "kernels"]
__version__ = "0.1.0"
