"""The manifest of a bundle: `manifest.json` as structs.

docs/bundle-format.md describes each field, and docs/bundle.schema.json is the JSON Schema.
`strop.bundle.schema` reads the manifest. A test checks that all of these agree.
"""

import re
from collections.abc import Iterator
from typing import Any

from strop.bundle.structs import Struct

SCHEMA = 1

FORMATS = ("onnx", "tflite", "weights")
PRECISIONS = ("float32", "float16", "dynamic", "int8")
DTYPES = ("float32", "uint8", "int8")
DEVICES = ("cpu", "gpu")

MAX_NAME = 100  # characters, of a model or a target
_UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"  # controls, halves of pairs

# Their annotations are types and no strings: an app waits for these classes to be made, and for
# the manifest to be read by them, at every start (docs/decisions/0016-hot-path.md).


class FileRef(Struct):
    """A member of the bundle: its name, and the digest and size that it must have."""

    file: str
    sha256: str
    bytes: int


class ImageSpec(Struct):
    """The rules that make a picture an input: grey or RGB, the size, light on dark or as it is."""

    mode: str  # a Pillow mode: "L" or "RGB"
    width: int  # pixels
    height: int  # pixels
    background: str  # "dark": pictures with a light border are inverted; "any": never


class TensorSpec(Struct):
    """An input or output as the app sees it. A shape's first axis is the batch: None, any size."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    range: tuple[float, float] | None  # smallest and largest value, where they are known
    labels: tuple[str, ...] = ()  # of the last axis
    image: ImageSpec | None = None


class FileTensor(Struct):
    """An input or output as one model file has it: real value = scale x (stored - zero_point)."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


class Golden(Struct):
    """The outputs proven at export for the golden inputs, and how far an engine's may differ."""

    file: str
    sha256: str
    bytes: int
    tolerance: float  # largest absolute difference a healthy engine may show


class Proof(Struct):
    """The figures of one engine on one device at export, against Keras, over all samples."""

    engine: str
    version: str
    device: str
    adapter: str  # the GPU that ran it; "" on the CPU
    samples: int
    accuracy: float | None  # 0..1; None without labels
    disagreements: int  # samples whose top class is not Keras's
    top1_agreement: float  # 0..1
    max_abs_error: float
    tolerance: dict[str, float]  # the bounds it had to keep


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
    golden: Golden
    proofs: tuple[Proof, ...]

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of the engines this file is proven on, on whatever device; each once."""
        return tuple(dict.fromkeys(proof.engine for proof in self.proofs))


class GoldenInputs(Struct):
    """The samples that `check` replays, and Keras's outputs for them (for information)."""

    inputs: FileRef
    keras: FileRef
    samples: int


class Manifest(Struct):
    """The whole of `manifest.json`. Engines and variants stand in order of preference."""

    schema: int
    name: str
    model_version: int
    target: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    engines: tuple[str, ...]
    variants: tuple[Variant, ...]
    golden: GoldenInputs
    export: dict[str, Any]  # the inputs' digests, the versions used

    def files(self) -> Iterator[FileRef | Golden | Variant]:
        """Yield every member that the manifest vouches for."""
        yield self.golden.inputs
        yield self.golden.keras
        for variant in self.variants:
            yield variant
            yield variant.golden

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
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
