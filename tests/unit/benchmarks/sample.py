"""A made-up run with realistic figures: every axis, every kind of subject."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.results import PEER, STROP, UNITS, Ratio, Results, Row

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)

# loop, engine, precisions -> us of one image, us per image in large batches, MiB on the device,
# ms of a cold start, MiB of memory
_FLOAT, _HALF, _DYNAMIC, _INT8 = "float32", "float16", "dynamic", "int8"
_SUBJECTS: tuple[tuple[str, str, dict[str, tuple[float, float]], float, float, float], ...] = (
    (
        "Strop litert",
        "litert",
        {_FLOAT: (3.3, 2.4), _HALF: (3.4, 2.4), _DYNAMIC: (2.6, 1.9), _INT8: (1.95, 1.6)},
        58.0,
        110.0,
        61.0,
    ),
    (
        "LiteRT set_tensor",
        "litert",
        {_FLOAT: (2.9, 2.3), _HALF: (3.0, 2.3), _DYNAMIC: (2.2, 1.7), _INT8: (1.6, 1.5)},
        57.0,
        92.0,
        60.0,
    ),
    ("LiteRT tensor()", "litert", {_FLOAT: (4.1, 3.4), _INT8: (2.7, 2.4)}, 57.0, 92.0, 60.0),
    ("LiteRT CompiledModel", "litert", {_FLOAT: (11.0, 8.1), _INT8: (9.5, 7.7)}, 57.0, 99.0, 71.0),
    (
        "LiteRT signature runner",
        "litert",
        {_FLOAT: (24.0, 21.0), _INT8: (23.0, 20.0)},
        57.0,
        95.0,
        60.0,
    ),
    ("Strop tflite", "tflite", {_FLOAT: (4.9, 4.1), _INT8: (11.0, 9.9)}, 51.0, 83.0, 40.0),
    (
        "tflite-runtime set_tensor",
        "tflite",
        {_FLOAT: (4.5, 4.0), _INT8: (10.5, 9.8)},
        50.0,
        80.0,
        39.0,
    ),
    ("Strop onnx", "onnx", {_FLOAT: (5.2, 0.55), _INT8: (6.6, 0.39)}, 66.0, 140.0, 70.0),
    ("ONNX Runtime run", "onnx", {_FLOAT: (6.4, 0.54), _INT8: (7.9, 0.39)}, 65.0, 128.0, 69.0),
    (
        "ONNX Runtime IOBinding",
        "onnx",
        {_FLOAT: (4.7, 0.52), _INT8: (6.1, 0.38)},
        65.0,
        129.0,
        69.0,
    ),
    (
        "ONNX Runtime run_with_ort_values",
        "onnx",
        {_FLOAT: (30.7, 0.7), _INT8: (32.0, 0.6)},
        65.0,
        129.0,
        69.0,
    ),
    ("Strop reference", "reference", {_FLOAT: (13.0, 0.9)}, 36.0, 60.0, 31.0),
    ("NumPy alone", "reference", {_FLOAT: (5.7, 0.8)}, 36.0, 55.0, 30.0),
    ("Keras predict", "", {_FLOAT: (48_000.0, 14.0)}, 1900.0, 4100.0, 620.0),
    ("Keras model(x)", "", {_FLOAT: (1430.0, 1.2)}, 1900.0, 4000.0, 600.0),
    ("Keras tf.function", "", {_FLOAT: (230.0, 0.9)}, 1900.0, 4200.0, 610.0),
    ("OpenVINO infer", "", {_FLOAT: (9.2, 0.5), _INT8: (8.8, 0.31)}, 190.0, 210.0, 120.0),
    ("emx-onnx-cgen, C from Python", "", {_FLOAT: (1.9, 1.8)}, 36.0, 52.0, 30.0),
    ("emlearn, C from Python", "", {_FLOAT: (18.0, 17.5)}, 36.0, 53.0, 30.0),
    ("TFLite Micro interpreter", "", {_INT8: (160.0, 155.0)}, 45.0, 70.0, 35.0),
    ("IREE", "", {_FLOAT: (38.0, 31.0)}, 120.0, 150.0, 80.0),
    ("Strop native", "native", {_INT8: (0.4, 0.2), _FLOAT: (0.9, 0.6)}, 37.0, 58.0, 30.0),
)
_ACCURACY = {_FLOAT: 0.9880, _HALF: 0.9880, _DYNAMIC: 0.9878, _INT8: 0.9882}
_BYTES = {_FLOAT: 170_800, _HALF: 87_104, _DYNAMIC: 47_008, _INT8: 48_688}
_BUNDLE = 902_000
_FIRSTS = {  # the loop of each package whose sizes are shown
    *(
        "Strop native",
        "Strop litert",
        "Strop tflite",
        "Strop onnx",
        "Strop reference",
        "LiteRT set_tensor",
    ),
    *("LiteRT CompiledModel", "tflite-runtime set_tensor", "ONNX Runtime run", "NumPy alone"),
    *("Keras tf.function", "OpenVINO infer", "emx-onnx-cgen, C from Python", "IREE"),
    *("emlearn, C from Python", "TFLite Micro interpreter"),
}
_OPENED = {"Strop native": {"plan-float32": 170.4, "plan-int8": 46.0}}
_EXTENSIONS = {"Strop native": {"packages": 1.0, "extension": 93.3}}
_ABSENT = "has no wheel for Python 3.11 on x86-64: TVM's last is 0.11 for 3.8; build it from source"
_ENVIRONMENT = {
    "cpu": {"machine": "x86_64", "model": "Imaginary Xeon @ 2.60GHz", "cores": 2},
    "python": "3.11.2",
    "packages": {"ai-edge-litert": "2.3.0", "onnxruntime": "1.31.1", "numpy": "2.4.6"},
    "rounds": 60,
}


def results() -> Results:
    """A whole run of made-up figures, the same each time."""
    draw = np.random.default_rng(7)
    rows: list[Row] = []
    for way, engine, precisions, device, cold, memory in _SUBJECTS:
        for precision, (one_us, many_us) in precisions.items():
            rows += _rows(draw, way, engine, precision, one_us, many_us)
            subject = _Naming(way, engine, precision)
            rows.append(subject.row("accuracy", _ACCURACY[precision] - _rounding(way)))
            first = precision == next(iter(precisions))
            if way in _FIRSTS and (first or not way.startswith("Strop")):
                size = _BUNDLE if way.startswith("Strop") else _BYTES[precision]
                rows.append(subject.row("model_size", size / 1000, _OPENED.get(way)))
            if way in _FIRSTS and first:
                rows += [
                    subject.row("cold_start", cold, parts=_parts(cold)),
                    subject.row("memory", memory, parts={"over numpy": memory - 29}),
                    subject.row("device_size", device, _EXTENSIONS.get(way)),
                ]
    for who in (
        ("Strop native int8 dense", STROP, "native", _INT8),
        ("OpenVINO infer int8 dense", PEER, "", _INT8),
    ):
        rows += [Row(*who, "latency", 1, value=0.6), Row(*who, "throughput", 64, value=3e6)]
    alone = ("Strop native int8", STROP, "native", _INT8, "c_alone", 1)
    rows.append(Row(*alone, value=0.25, unit="us"))
    rows += [
        Row("Strop export", STROP, "", "", "export_time", value=41.0, unit="s"),
        Row("TFLiteConverter int8", PEER, "litert", _INT8, "export_time", value=9.3, unit="s"),
        *(
            Row(
                "IREE float32",
                PEER,
                "",
                _FLOAT,
                "throughput",
                batch,
                absent="it fails: MemoryError",
            )
            for batch in (1024, 4096)
        ),
    ]
    rows += [
        Row("TVM float32", PEER, "", _FLOAT, axis, absent=_ABSENT)
        for axis in ("accuracy", "latency", "throughput")
    ]
    rows.append(
        Row(
            *("Strop native int8", STROP, "native", _INT8, "counting"),
            batch=1,
            value=0.127,
            unit=UNITS["counting"],
            samples_us=(0.121, 0.127, 0.14),
            parts={"without": 0.49, "every": 1000, "counted": 2041},
        )
    )
    rows += growth() + convolutions()
    return Results(_ENVIRONMENT, tuple(rows), tuple(_ratios()))


def growth() -> list[Row]:
    """4 us per call and 45 multiply-accumulates per nanosecond, or 13 us and 30."""
    rows = []
    engines = (("onnx", 4.0, 45e3), ("litert", 1.3, 24e3), ("reference", 13.0, 30e3))
    for engine, floor_us, rate in engines:
        for batch in BATCHES if engine != "litert" else BATCHES[:1]:
            for width in (16, 64, 256, 1024, 4096):
                macs = batch * (784 * width + width**2 + 10 * width)
                if macs > 3e9:
                    continue
                us = floor_us + 0.02 * batch + macs / rate * (1.8 if batch == 1 else 1.0)
                rows.append(
                    Row(
                        f"Strop {engine} float32",
                        STROP,
                        engine,
                        _FLOAT,
                        "growth",
                        batch,
                        *(us, us * 1.1, us * 1.2, us),
                        UNITS["growth"],
                        (us, us * 1.1, us * 0.98),
                        {"width": width, "macs": macs},
                    )
                )
    return rows


def convolutions() -> list[Row]:
    """Three networks, on which Strop's own engine is not the fastest."""
    rows = []
    for way, engine, factor in (
        ("Strop native", "native", 1.7),
        ("Strop litert", "litert", 1.02),
        ("LiteRT set_tensor", "litert", 1.0),
        ("ONNX Runtime run", "onnx", 1.4),
        ("OpenVINO infer", "", 2.1),
        ("emx-onnx-cgen, C from Python", "", 4.3),
    ):
        for precision, cost in ((_INT8, 1.0), (_FLOAT, 1.9)):
            subject = _Naming(way, engine, precision)
            for network, us in (("LeNet", 19.0), ("DS-CNN", 95.0), ("ResNet8", 530.0)):
                for batch in (1, 64):
                    samples = us * factor * cost * batch * np.array([0.9, 1.0, 1.1])
                    row = subject.timed("convolutions", batch, samples, float(samples[1]))
                    rows.append(replace(row, network=network))
    lost = Row("OpenVINO infer int8 avx2", PEER, "", _INT8, "convolutions", 64, network="LeNet")
    return [*rows, replace(lost, absent="it fails: RuntimeError")]


class _Naming:
    """The naming fields of rows."""

    def __init__(self, way: str, engine: str, precision: str) -> None:
        kind = STROP if way.startswith("Strop") else PEER
        self._who = (f"{way} {precision}", kind, engine, precision)

    def row(self, axis: str, value: float, parts: dict[str, float] | None = None) -> Row:
        return Row(*self._who, axis, value=value, unit=UNITS[axis], parts=parts or {})

    def timed(self, axis: str, batch: int, samples: np.ndarray, value: float) -> Row:
        p50, p95, p99 = (float(p) for p in np.percentile(samples, (50, 95, 99)))
        kept = tuple(round(float(us), 3) for us in samples)
        return Row(*self._who, axis, batch, p50, p95, p99, value, UNITS[axis], kept)


def _rows(
    draw: np.random.Generator, way: str, engine: str, precision: str, one: float, many: float
) -> list[Row]:
    """Latency, and throughput by batch, with a tail."""
    subject = _Naming(way, engine, precision)
    tail = 1 + draw.gamma(0.6, 0.05, 300) + (draw.random(300) < 0.02) * draw.random(300)
    latency = one * tail
    rows = [subject.timed("latency", 1, latency, float(np.median(latency)))]
    for batch in BATCHES:
        samples = ((one - many) + many * batch) * tail[:30]
        rate = batch / float(np.median(samples)) * 1e6
        rows.append(subject.timed("throughput", batch, samples, rate))
    return rows


def _parts(cold_ms: float) -> dict[str, float]:
    shares = {"interpreter": 0.12, "numpy": 0.4, "open": 0.44, "first answer": 0.04}
    return {name: share * cold_ms for name, share in shares.items()}


def _rounding(way: str) -> float:
    """The accuracy that a package's rounding loses."""
    return 0.0004 if way.startswith("emlearn") else 0.0


def _ratios() -> list[Ratio]:
    pairs = (
        ("litert int8", "litert", 1.21, 0.33, "LiteRT set_tensor int8"),
        ("litert float32", "litert", 1.13, 0.38, "LiteRT set_tensor float32"),
        ("onnx float32", "onnx", 1.08, 0.41, "ONNX Runtime IOBinding float32"),
        ("tflite float32", "tflite", 1.09, 0.4, "tflite-runtime set_tensor float32"),
    )
    ratios = []
    for name, engine, ratio, us, against in pairs:
        spread = (ratio * 0.97, ratio * 1.05)
        ratios += [
            Ratio(name, engine, "latency", 1, ratio, *spread, us, against),
            Ratio(f"{name} p99", engine, "latency", 1, ratio * 1.1, *spread, us * 1.5, against),
            Ratio(name, engine, "throughput", 1024, 0.99, 0.96, 1.02, 0.004, against),
        ]
    return [
        *ratios,
        Ratio("litert int8", "litert", "cold_start", None, 1.16, 1.1, 1.2, 15.2, pairs[0][4]),
        Ratio(
            "native int8", "native", "convolutions", 1, 1.7, 1.6, 1.8, 13.3, pairs[0][4], "LeNet"
        ),
        Ratio(
            "native int8", "native", "convolutions", 64, 1.6, 1.5, 1.7, 730, pairs[0][4], "LeNet"
        ),
        Ratio("litert int8", "litert", "memory", None, 1.02, 1.0, 1.03, 1.1, pairs[0][4]),
    ]
