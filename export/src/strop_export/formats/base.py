"""What a converter is asked for and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strop.bundle.manifest import FileTensor
from strop_export.errors import ConversionError

PRECISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "tflite": ("float32", "float16", "dynamic", "int8"),
    "onnx": ("float32", "float16", "int8"),
    "weights": ("float32",),
}

GPU_PRECISIONS: Final = ("float32", "float16")


@dataclass(frozen=True)
class VariantSpec:
    """One file of a bundle, as a target's TOML asks for it.

    ``format`` and ``precision`` are a pair of :data:`PRECISIONS`. ``per_channel`` concerns
    ``dynamic`` and ``int8``: one scale for each output channel of a layer's weights, or one
    for the whole tensor (all that tflite-runtime 2.14 reads in a ``dynamic`` file). With ``gpu``
    the file is made for GPUs too: it takes bytes where the sensor gives bytes, and a ``tflite``
    file keeps the RESHAPE that LiteRT's GPU wants (docs/decisions/0015).

    Raises :class:`ConversionError` for a pair that no converter writes, or not for a GPU.
    """

    format: str
    precision: str
    per_channel: bool = True
    gpu: bool = False

    def __post_init__(self) -> None:
        known = PRECISIONS.get(self.format)
        if known is None:
            raise ConversionError(
                f"no converter for format {self.format!r}; there is {', '.join(PRECISIONS)}"
            )
        if self.precision not in known:
            raise ConversionError(
                f"{self.format} is not written in precision {self.precision!r}; "
                f"choose {', '.join(known)}"
            )
        if self.gpu and (self.format == "weights" or self.precision not in GPU_PRECISIONS):
            raise ConversionError(
                f"{self.format} {self.precision} runs on no GPU, whose files are tflite or onnx, "
                f"{' or '.join(GPU_PRECISIONS)}; leave out gpu = true"
            )

    @property
    def devices(self) -> tuple[str, ...]:
        """What the file is made for."""
        return ("cpu", "gpu") if self.gpu else ("cpu",)


def stays_float(weights: int, total: int) -> bool:
    """Whether an int8 file keeps its last layer in float, at 3 bytes more for each weight.

    Rounded to 256 steps, the logits of different classes tie. docs/decisions/0004 has what it
    brings; it is done where it makes the file larger by no more than a sixteenth.

    Args:
        weights: of the last layer.
        total: weights of the whole model.
    """
    return 3 * weights * 16 <= total


@dataclass(frozen=True)
class Converted:
    """A finished file, what goes in and out of it, and what an engine needs to run it.

    ``requires`` holds plain JSON values: ``opset`` and ``ir_version`` for ONNX, with the version
    of any domain beside ONNX's own under its name, and for TFLite ``op_versions``, the highest
    version of every operator in the file.
    """

    data: bytes
    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    requires: Mapping[str, Any] = field(default_factory=dict)
