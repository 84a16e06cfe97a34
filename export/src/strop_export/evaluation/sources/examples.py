"""The records of TensorFlow's tf.train.Example, read by protobuf without TensorFlow.

The messages are described here as in tensorflow/core/example/example.proto and feature.proto.
TensorFlow's own classes take its whole import, many seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from strop_export.evaluation.sources.values import of_bytes

# The Arrow type of a column of each kind of feature: lists, of any number of values in each row.
TYPES = {
    "bytes_list": pa.large_list(pa.large_binary()),
    "float_list": pa.large_list(pa.float32()),
    "int64_list": pa.large_list(pa.int64()),
}
_DTYPES = {"float_list": np.float32, "int64_list": np.int64}


def parse(data: bytes) -> Any:
    """Return the features of an Example, messages by name; None if the bytes are no Example."""
    try:
        return _example().FromString(data).features.feature
    except DecodeError:
        return None


def kind_of(feature: Any) -> str | None:
    """Return the kind of a feature: a key of `TYPES`, or None if it is empty."""
    kind: str | None = feature.WhichOneof("kind")
    return kind


def column(features: Sequence[Any], kind: str) -> Any:
    """Make an Arrow array of one feature of many records.

    Args:
        features: the feature of each record; None gives null.
        kind: a key of `TYPES`, which each has.
    """
    rows = [() if each is None else getattr(each, kind).value for each in features]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    there = np.packbits([each is not None for each in features], bitorder="little")
    flat = chain.from_iterable(rows)
    if kind == "bytes_list":
        values = of_bytes(list(flat))
    else:
        numbers = np.fromiter(flat, _DTYPES[kind], offsets[-1])
        buffers = [None, pa.py_buffer(numbers)]
        values = pa.Array.from_buffers(TYPES[kind].value_type, len(numbers), buffers)
    return pa.Array.from_buffers(
        TYPES[kind], len(rows), [pa.py_buffer(there), pa.py_buffer(offsets)], children=[values]
    )


@cache
def _example() -> Any:
    """Make the class of Example in a pool of its own, apart from TensorFlow's."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="strop_export/example.proto", package="tensorflow", syntax="proto3"
    )

    def add(message: Any, name: str, number: int, kind: Any, repeated: bool = False) -> Any:
        made = message.field.add(name=name, number=number)
        made.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        if isinstance(kind, str):
            made.type, made.type_name = field.TYPE_MESSAGE, f".tensorflow.{kind}"
        else:
            made.type = kind
        return made

    lists = {
        "BytesList": field.TYPE_BYTES,
        "FloatList": field.TYPE_FLOAT,
        "Int64List": field.TYPE_INT64,
    }
    for name, kind in lists.items():
        add(file.message_type.add(name=name), "value", 1, kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(zip(TYPES, lists, strict=True), 1):
        add(feature, name, number, kind).oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    add(entry, "key", 1, field.TYPE_STRING)
    add(entry, "value", 2, "Feature")
    add(features, "feature", 1, "Features.FeatureEntry", repeated=True)
    add(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))
