"""The input and the output of a converter: `VariantSpec` and `Converted`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from strop.bundle.manifest import ROUNDINGS, FileTensor
from strop_export.errors import ConversionError

PRECISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "tflite": ("float32", "float16", "dynamic", "int8", "int16x8", "mixed"),
    "onnx": ("float32", "float16", "int8", "mixed"),
    "weights": ("float32",),
    "plan": ("float32", "int8", "mixed"),
}

GPU_FORMATS: Final = ("tflite", "onnx")
GPU_PRECISIONS: Final = ("float32", "float16")
CALIBRATED: Final = ("int8", "int16x8", "mixed")  # precisions whose activations have fixed ranges
RANGES: Final = ("minmax", "percentile", "entropy")


@dataclass(frozen=True)
class Quantization:
    """How the values of a quantized file get their ranges, and which layers stay in float.

    Attributes:
        ranges: how an activation's range follows from its values over the calibration samples:
            "minmax" takes all of them, "percentile" leaves out 0.005 % at each end, "entropy" takes
            the range that keeps most of the distribution's information.
        samples: the number of calibration samples that the ranges come from, spread evenly over
            all; None: all.
        equalized: the scales of neighbouring layers are balanced first, channel by channel.
        float_layers: names of the Keras layers that a "mixed" file computes in float.
    """

    ranges: str = "minmax"
    samples: int | None = None
    equalized: bool = False
    float_layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.ranges not in RANGES:
            raise ConversionError(f"no ranges {self.ranges!r}", f"choose {', '.join(RANGES)}")
        if self.samples is not None and self.samples < 1:
            raise ConversionError(
                f"`samples` must be a positive integer, got {self.samples}", "give 1 or more"
            )


@dataclass(frozen=True)
class VariantSpec:
    """One file of a bundle, as a target's TOML asks for it.

    Attributes:
        format: a key of `PRECISIONS`.
        precision: one of `PRECISIONS[format]`.
        per_channel: for `dynamic` and `int8`: True gives each output channel of a layer's weights
            its own scale, False gives the whole tensor one (in a `dynamic` file tflite-runtime 2.14
            reads only that).
        quantization: for `int8`, `int16x8` and `mixed`: where the ranges come from, and which
            layers stay in float.
        gpu: the file is made for GPUs too. It takes bytes where the sensor gives bytes, and a
            `tflite` file keeps the RESHAPE that LiteRT's GPU needs (docs/decisions/0015).
        rounding: for an int8 or mixed `plan`: how sums and floats become int8 values, one of
            `ROUNDINGS`.

    Raises:
        ConversionError: no converter writes this format in this precision, or no GPU runs it.
    """

    format: str
    precision: str
    per_channel: bool = True
    quantization: Quantization = Quantization()
    gpu: bool = False
    rounding: str = "float"

    def __post_init__(self) -> None:
        known = PRECISIONS.get(self.format)
        if known is None:
            raise ConversionError(
                f"no converter for format {self.format!r}", f"choose {', '.join(PRECISIONS)}"
            )
        if self.precision not in known:
            raise ConversionError(
                f"{self.format} is not written in precision {self.precision!r}",
                f"choose {', '.join(known)}",
            )
        if (self.precision == "mixed") != bool(self.quantization.float_layers):
            raise ConversionError(
                "a mixed file names the layers that stay in float, and no other file does",
                "ask for int8: export chooses the layers if that is needed",
            )
        if self.precision == "int16x8" and self.quantization.ranges != "minmax":
            raise ConversionError(
                "an int16x8 file has 65,536 steps for the whole range of a value",
                f"ask for minmax ranges, not {self.quantization.ranges}",
            )
        if self.precision not in CALIBRATED and self.quantization != Quantization():
            raise ConversionError(
                f"a {self.precision} file has no calibrated ranges",
                f"use `quantization` for {', '.join(CALIBRATED)} alone",
            )
        if self.rounding not in ROUNDINGS:
            raise ConversionError(
                f"no rounding {self.rounding!r}", f"choose {', '.join(ROUNDINGS)}"
            )
        rounds = self.format == "plan" and self.precision in CALIBRATED
        if self.rounding != "float" and not rounds:
            raise ConversionError(
                f"a {self.precision} {self.format} file has no choice of rounding",
                "use `rounding` for int8 and mixed plans alone",
            )
        if self.gpu and (self.format not in GPU_FORMATS or self.precision not in GPU_PRECISIONS):
            raise ConversionError(
                f"{self.format} {self.precision} does not run on GPUs, which take "
                f"{' or '.join(GPU_FORMATS)}, {' or '.join(GPU_PRECISIONS)}",
                "remove gpu = true",
            )

    @property
    def source(self) -> VariantSpec:
        """The file that this one is made from: for a plan the .tflite file, else itself."""
        if self.format != "plan":
            return self
        return replace(self, format="tflite", rounding="float")

    def plan_of(self, source: VariantSpec) -> VariantSpec | None:
        """Return the plan that is made from a .tflite file in place of this one's source.

        Args:
            source: the .tflite file.

        Returns:
            The plan, with the rounding of this one; None if no plan has the file's precision.
        """
        if source.precision not in PRECISIONS["plan"]:
            return None
        rounding = self.rounding if source.precision in CALIBRATED else "float"
        return replace(source, format="plan", gpu=False, rounding=rounding)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that the file is made for: "cpu", and "gpu" if it is for GPUs too."""
        return ("cpu", "gpu") if self.gpu else ("cpu",)


def stays_float(weights: int, total: int) -> bool:
    """Tell whether an int8 file keeps its last layer in float, at 3 bytes more for each weight.

    Rounded to 256 steps, the logits of different classes tie. docs/decisions/0004 says how much the
    float layer helps. It stays float if that makes the file larger by at most a sixteenth.

    Args:
        weights: number of weights in the last layer.
        total: number of weights in the whole model.
    """
    return 3 * weights * 16 <= total


@dataclass(frozen=True)
class Names:
    """The names of a file's inputs and outputs, in the model's order."""

    inputs: tuple[str, ...] = ("image",)
    outputs: tuple[str, ...] = ("probabilities",)


class Origin(NamedTuple):
    """The origin of a tensor of a file.

    Attributes:
        name: its name before the file's tensors were renamed. A tensor has the same name in every
            precision of one format.
        layer: the name of the Keras layer that computes it; "" if its name does not tell.
    """

    name: str
    layer: str


@dataclass(frozen=True)
class Converted:
    """A finished file, its inputs and outputs, and its requirements on an engine.

    Attributes:
        data: the bytes of the file.
        inputs: the input tensors.
        outputs: the output tensors.
        requires: plain JSON values. For ONNX: `opset` and `ir_version`, and the version of any
            domain besides ONNX's own, under its name. For TFLite: `op_versions`, the highest
            version of every operator in the file.
        float_layers: the Keras layers of an int8, int16x8 or mixed file that stayed in float.
        integer_share: the share of the multiply-accumulates that is done in integers, 0 to 1;
            None if that is not known.
        equalized: each (producer, consumer) whose scales were balanced.
        origins: the origin of each tensor of the main graph, by the tensor's name in the file.
        rounding: how the sums and floats of a plan become int8 values; None for other files, and
            for a plan where none do.
        step_layers: the Keras layer of each step of a plan, "" where none is known.
    """

    data: bytes
    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    requires: Mapping[str, Any] = field(default_factory=dict)
    float_layers: tuple[str, ...] = ()
    integer_share: float | None = 0.0
    equalized: tuple[tuple[str, str], ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)
    rounding: str | None = None
    step_layers: tuple[str, ...] = ()


class Ranked(NamedTuple):
    """A layer, and the error of the model when this layer alone is quantized.

    Attributes:
        layer: the Keras layer.
        damage_db: the signal-to-noise ratio of the worst channel of the outputs, in dB: the lower,
            the more the layer loses.
        weights: number of weights.
        operations: multiply-accumulates of one sample.
    """

    layer: str
    damage_db: float
    weights: int
    operations: int
