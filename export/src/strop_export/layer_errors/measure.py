"""The comparison of a file with its float twin, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.errors import printable
from strop_export.formats.base import Converted
from strop_export.layer_errors.figures import MOST_DB, Comparison, Figures
from strop_export.layer_errors.matching import CARRIERS, Files, layers_of, makers_of, matched
from strop_export.layer_errors.opened import Grid, Node, Opened, Probe, Values, probe_name

_MOST_VALUES: Final = 60_000_000  # of all samples
_TENSOR: Final = 10_000  # values that take as long as the work for each tensor
_LEAST_SAMPLES: Final = 8
_ACTIVATIONS: Final = ("relu", "clip", "leakyrelu")
_MOVES: Final = (
    *("reshape", "transpose", "squeeze", "unsqueeze", "expand_dims", "flatten", "identity"),
)


class TensorError(NamedTuple):
    """The error of one tensor.

    Attributes:
        tensor: its name in the file.
        operator: the operator that computes it in the float twin; "input" for an input.
        layer: the name of the Keras layer that computes it.
        dtype: the dtype in which the file keeps it.
        is_output: it is an output of the model.
        total: the error that has come together here.
        rounding: the error of this tensor's own rounding: the float twin's values, rounded to those
            that this tensor can hold. None: it is float32.
        weights: the error of this operator's own weights: the float twin's operator with the file's
            weights. None: it has none, or they are exact.
        clipping: the part of `rounding` that comes from values outside of the tensor's range.
    """

    tensor: str
    operator: str
    layer: str
    dtype: str
    is_output: bool
    total: Figures
    rounding: Figures | None
    weights: Figures | None
    clipping: Figures | None = None


class _Pair(NamedTuple):
    twin: str
    file: str
    operator: str
    probe: Probe | None


def opened(converted: Converted, format: str) -> Opened:
    """Open a file of a format that can be quantized.

    Args:
        converted: the file.
        format: "tflite" or "onnx".
    """
    if format == "tflite":
        from strop_export.layer_errors.tflite import TFLite

        return TFLite(converted.data)
    from strop_export.layer_errors.onnx import ONNX

    return ONNX(converted.data)


def measure(
    files: Files, samples: Sequence[Sequence[NDArray[Any]]], borders: Mapping[str, str]
) -> tuple[TensorError, ...]:
    """Run a file and its float twin, and compare each tensor that both have.

    Tensors that only hold another's values in another shape are left out.

    Args:
        files: both.
        samples: an array for each input, for each sample; of a large file, some spread evenly are
            used.
        borders: name of an input or output of the files -> its Keras layer.

    Returns:
        An error for each tensor, in the order the file computes them.
    """
    pairs = list(_pairs(files))
    probes = [pair.probe for pair in pairs if pair.probe]
    size = sum(values.size + _TENSOR for values in files.twin.run(samples[0], probes).values())
    count = min(len(samples), max(_LEAST_SAMPLES, _MOST_VALUES // size))
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).astype(int))
    layers = layers_of(files, borders)
    sums: dict[tuple[str, str], Comparison] = {}
    grids: dict[str, Grid] = {}

    def add(part: str, pair: _Pair, of: str, real: NDArray[Any], found: NDArray[Any]) -> None:
        key = (part, pair.twin)
        sums.setdefault(key, Comparison(files.twin.axis(of))).add(real, found.reshape(real.shape))

    for sample in (samples[i] for i in chosen):
        real, found = files.twin.run(sample, probes), files.file.run(sample)
        for pair in pairs:
            if not _are_alike(pair, real, found):
                continue
            f, v = real[pair.twin], found[pair.file]
            add("total", pair, pair.twin, f, v)
            if grid := _grid(files.file, pair.file, v):
                grids[pair.file] = grid
                add("rounding", pair, pair.twin, f, grid.rounded(f))
                add("clipping", pair, pair.twin, f, grid.clipped(f))
            if pair.probe:
                own = pair.probe.node.outputs[0]
                add("weights", pair, own, real[own], real[probe_name(pair.probe.node)])
    errors = []
    for pair in pairs:
        total, *parts = (
            sums[part, pair.twin].figures() if (part, pair.twin) in sums else None
            for part in ("total", "rounding", "weights", "clipping")
        )
        is_exact = total is None or (pair.operator == "input" and total.sqnr_db == MOST_DB)
        if total is not None and not is_exact:
            dtype = grids[pair.file].dtype.name if pair.file in grids else "float32"
            layer = printable(layers.get(pair.twin, ""))
            is_output = pair.twin in files.twin.outputs
            about = (pair.file, pair.operator, layer, dtype, is_output)
            errors.append(TensorError(*about, total, *parts))
    return tuple(errors)


def _are_alike(pair: _Pair, real: Values, found: Values) -> bool:
    """Tell whether both files computed a tensor, as numbers of the same count."""
    if pair.twin not in real or pair.file not in found:
        return False
    return real[pair.twin].size == found[pair.file].size and real[pair.twin].dtype.kind == "f"


def _grid(file: Opened, name: str, values: NDArray[Any]) -> Grid | None:
    if values.dtype == np.float16:
        return Grid(values.dtype, np.ones(1), np.zeros(1))
    return file.grids.get(name)


def _pairs(files: Files) -> Iterator[_Pair]:
    """Yield each tensor that both files compute, in the file's order."""
    makers = makers_of(files.twin)
    twins = matched(files)
    chosen: dict[str, str] = {}  # of the twin -> of the file: a rounded one if there is one
    for name, twin in twins.items():
        if name in files.file.grids or chosen.get(twin) not in files.file.grids:
            chosen[twin] = name
    probes = dict(_probes(files, twins, makers))
    for twin, name in chosen.items():
        maker = makers[twin]
        operator = maker.operator if maker else "input"
        if twin in files.twin.outputs or operator not in (*_MOVES, *CARRIERS):
            yield _Pair(twin, name, operator, probes.get(twin))


def _probes(
    files: Files, twins: Mapping[str, str], makers: Mapping[str, Node | None]
) -> Iterator[tuple[str, Probe]]:
    """Yield a probe, by the tensor of the twin, for each operator whose constants are rounded."""
    for node in files.file.nodes:
        twin = twins.get(node.outputs[0], "")
        own = makers.get(twin)
        if node.operator in CARRIERS or own is None:
            continue
        if own.operator in _ACTIVATIONS and node.operator != own.operator:
            own = makers.get(own.inputs[0])  # the file has fused the activation
        if own is None or own.operator != node.operator or len(own.inputs) != len(node.inputs):
            continue
        changed = {
            k: files.file.constants[ours]
            for k, (ours, theirs) in enumerate(zip(node.inputs, own.inputs, strict=True))
            if _is_rounded(files.file.constants.get(ours), files.twin.constants.get(theirs))
        }
        if changed:
            yield twin, Probe(own, changed)


def _is_rounded(ours: NDArray[Any] | None, theirs: NDArray[Any] | None) -> bool:
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return False
    return theirs.dtype == np.float32 and not np.array_equal(ours, theirs)
