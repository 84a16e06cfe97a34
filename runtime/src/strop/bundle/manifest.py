"""The manifest of a bundle: `manifest.json` as structs.

docs/bundle-format.md describes each field, and docs/bundle.schema.json is the JSON Schema.
`strop.bundle.schema` reads the manifest. A test checks that all of these agree.
"""

import re
from collections.abc import Iterator
from typing import Any

from strop.bundle.structs import Struct

SCHEMA = 2

FORMATS = ("onnx", "plan", "tflite", "weights")
PRECISIONS = ("float32", "float16", "dynamic", "int8", "int16x8", "mixed")
DTYPES = ("float32", "uint8", "int8", "int32", "int64", "bool")
DEVICES = ("cpu", "gpu")
KINDS = ("class", "binary", "multilabel", "regression", "segmentation", "raw")
STRUCTURES = ("one", "list", "dict")  # what predict returns: an array, or several by place or name
ROUNDINGS = ("reference", "float")  # how a plan requantizes: as TFLite's kernels, or by float scale

MAX_NAME = 100  # characters, of a model or a target
_UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"  # controls, halves of pairs

# Their annotations are types and no strings: an app waits for these classes to be made, and for
# the manifest to be read by them, at every start (docs/decisions/0016-hot-path.md).


class FileRef(Struct):
    """A member of the bundle: its name, and the digest and size that it must have."""

    file: str
    sha256: str
    bytes: int


class PictureStep(Struct):
    """One step of what makes a picture an input; docs/bundle-format.md has the steps' options."""

    step: str  # flatten | invert | stretch | find | fit | centre | resize | crop | normalise
    options: dict[str, Any]


class Picture(Struct):
    """The way from a picture to an input: grey or RGB, then steps in their order."""

    mode: str  # a Pillow mode: "L" or "RGB"
    steps: tuple[PictureStep, ...]


class Statistics(Struct):
    """The distribution of an input's values over the calibration samples."""

    samples: int
    mean: float
    std: float
    deciles: tuple[float, ...]  # 11 of them: the smallest value, nine deciles, the largest


class Histogram(Struct):
    """How often a figure of a sample fell into each bin, over the calibration samples.

    strop.model.profile names and measures the figures.
    """

    figure: str  # of an input: "mean", "cell 0 3"; of an output: "confidence", "class"
    edges: tuple[float, ...]  # ascending; bin i holds edges[i - 1] <= x < edges[i]; () of "class"
    counts: tuple[int, ...]  # one more than edges; of "class" one for each class


class InputSpec(Struct):
    """An input as the app gives it. A shape's first axis is the batch: None, any size."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    range: tuple[float, float] | None  # smallest and largest value it was proven on
    statistics: tuple[Statistics, ...]  # one of all values, or one for each value of a short vector
    picture: Picture | None = None
    profile: tuple[Histogram, ...] = ()  # of the samples

    OPTIONAL = ("profile",)


class OutputSpec(Struct):
    """An output as the app gets it, and what it means."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    range: tuple[float, float] | None  # smallest and largest value, where they are known
    labels: tuple[str, ...]  # of the last axis; two for one probability; () if unnamed
    kind: str  # one of KINDS
    logits: bool  # whether softmax or sigmoid is still to be applied for probabilities
    threshold: float | None  # of binary, multilabel, one-channel segmentation: above it is yes
    profile: tuple[Histogram, ...] = ()  # of Keras's answers to the samples

    OPTIONAL = ("profile",)


class FileTensor(Struct):
    """An input or output as one model file has it: real value = scale x (stored - zero_point)."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


class Golden(Struct):
    """One output proven at export for the golden inputs, and how far an engine's may differ."""

    file: str
    sha256: str
    bytes: int
    # Largest absolute difference a healthy engine may show: one, or one for each position of the
    # last axis.
    tolerance: tuple[float, ...]


class Judged(Struct):
    """The figures of one output in a proof, by its kind, and the bounds that they had to keep.

    docs/bundle-format.md names the figures of each kind. A figure is a number, a list of numbers
    (one for each column), a text, or None where it cannot be had.
    """

    figures: dict[str, Any]
    bounds: dict[str, float]


class Proof(Struct):
    """One engine on one device at export, against Keras, over all samples."""

    engine: str
    version: str
    device: str
    adapter: str  # the GPU that ran it; "" on the CPU
    samples: int
    outputs: tuple[Judged, ...]  # in the order of the manifest's outputs


class Variant(Struct):
    """One model file: a format at a precision, the devices it is made for and its proofs."""

    file: str
    sha256: str
    bytes: int
    format: str
    precision: str
    devices: tuple[str, ...]  # what it is made for; "cpu" always among them
    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    requires: dict[str, Any]  # operator versions (tflite); opset and IR version (onnx); "engines"
    rounding: str | None  # of a plan; one of ROUNDINGS
    golden: tuple[Golden, ...]  # one for each output
    proofs: tuple[Proof, ...]

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of the engines this file is proven on, on whatever device; each once."""
        return tuple(dict.fromkeys(proof.engine for proof in self.proofs))


class GoldenInputs(Struct):
    """The samples that `check` replays, and Keras's outputs for them (for information)."""

    inputs: tuple[FileRef, ...]  # one for each input
    keras: tuple[FileRef, ...]  # one for each output
    samples: int


class Manifest(Struct):
    """The whole of `manifest.json`. Engines and variants stand in order of preference."""

    schema: int
    name: str
    model_version: int
    target: str
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    structure: str  # of what predict returns; one of STRUCTURES
    self_evaluated: bool  # proven on calibration samples kept apart, for lack of others
    engines: tuple[str, ...]
    variants: tuple[Variant, ...]
    golden: GoldenInputs
    export: dict[str, Any]  # the inputs' digests, the versions used

    def files(self) -> Iterator[FileRef | Golden | Variant]:
        """Yield every member that the manifest vouches for."""
        yield from self.golden.inputs
        yield from self.golden.keras
        for variant in self.variants:
            yield variant
            yield from variant.golden

    def to_json(self) -> bytes:
        """Write this manifest in its one form: sorted keys, two spaces, a newline at the end."""
        import json  # not for who reads one

        text = json.dumps(plain(self), indent=2, sort_keys=True, allow_nan=False)
        return text.encode("ascii") + b"\n"


def is_name(text: str) -> bool:
    """Tell whether a text may be the name of a model or a target.

    A name has ASCII letters and digits, after the first character also `.`, `_` and `-`, and at
    most `MAX_NAME` characters.
    """
    letters = text.replace(".", "").replace("_", "").replace("-", "")
    return text.isascii() and letters.isalnum() and text[0].isalnum() and len(text) <= MAX_NAME


def is_printable(text: str) -> bool:
    """Tell whether a text holds nothing that a terminal would obey or choke on."""
    return (text.isascii() and text.isprintable()) or not re.search(_UNPRINTABLE, text)


def plain(value: Any) -> Any:
    """Convert structs and named tuples, and all in them, to JSON's objects, lists and scalars."""
    if hasattr(value, "_asdict"):
        optional = getattr(value, "OPTIONAL", ())
        fields = value._asdict().items()
        return {name: plain(item) for name, item in fields if item or name not in optional}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
