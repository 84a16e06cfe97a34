"""Requests and answers of `/v2/models/.../infer`, as bytes.

Source: the Open Inference Protocol, "Inference", with the extension for binary tensor data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, OutputSpec
from strop.errors import InputError
from strop.serve.refusals import TooLarge
from strop.serve.tensors import (
    DATATYPES,
    from_bytes,
    from_json,
    require_shape,
    to_bytes,
    to_json,
)

HEADER_LENGTH = "Inference-Header-Content-Length"  # of the JSON that bytes of tensors follow
_LONGEST_ID = 256  # characters
_JSON_BYTES = 20  # of a number in an answer, about


class Request(NamedTuple):
    """A client's request, checked.

    Attributes:
        id: the client's name for the request; None if it has none.
        inputs: (N, ...) for each input of the model, in the manifest's order.
        outputs: the place of each output to return, and whether as bytes.
    """

    id: str | None
    inputs: tuple[NDArray[Any], ...]
    outputs: tuple[tuple[int, bool], ...]


class Answer(NamedTuple):
    """The body of an answer; `header_length` is that of its JSON, None if all of it is JSON."""

    body: bytes
    header_length: int | None


def parse(
    body: bytes,
    header_length: int | None,
    inputs: Sequence[InputSpec],
    outputs: Sequence[OutputSpec],
) -> Request:
    """Read a request, and check it against what the model takes.

    Args:
        body: JSON, or JSON and the bytes of tensors after it.
        header_length: bytes of JSON; None: all.
        inputs: the model's.
        outputs: the model's.

    Raises:
        InputError: it is not such a request; a tensor is missing, unknown, given twice, or of
            another datatype, shape or size; or bytes are left over.
    """
    length = len(body) if header_length is None else header_length
    if not 0 < length <= len(body):
        raise InputError(
            f"{HEADER_LENGTH} must be 1 to {len(body)}, the body's length, got {length}"
        )
    asked = parse_object(body[:length])
    parameters = _object(asked.get("parameters", {}), "`parameters`")
    rest = memoryview(body)[length:]
    return Request(
        _id(asked.get("id")),
        _inputs(asked.get("inputs"), rest, inputs),
        _outputs(asked.get("outputs"), _flag(parameters, "binary_data_output", False), outputs),
    )


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8.

    Raises:
        InputError: it is not JSON, too deep, or no object.
    """
    try:
        return _object(orjson.loads(text), "the request")
    except orjson.JSONDecodeError as error:
        raise InputError(f"the request is not JSON: {error}") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{what} must be a JSON object, got {type(value).__name__}")
    return value


def _flag(parameters: dict[str, Any], name: str, otherwise: bool) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise InputError(f"`{name}` must be true or false, got {value!r}")
    return value


def _id(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_ID):
        raise InputError(f"`id` must be a text of at most {_LONGEST_ID} characters")
    return value


def _named(given: Any, what: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return tensors by name, in the request's order; each has another of these names."""
    if not isinstance(given, list) or not given:
        raise InputError(f"`{what}s` must be a list of {what}s, each with a `name`")
    found: dict[str, dict[str, Any]] = {}
    for entry in given:
        tensor = _object(entry, f"each of `{what}s`")
        name = tensor.get("name")
        if not isinstance(name, str) or name not in names:
            raise InputError(
                f"the model has no {what} {name!r}", f"{what}s: {', '.join(map(repr, names))}"
            )
        if name in found:
            raise InputError(f"{what} {name!r} is there twice")
        found[name] = tensor
    return found


def _inputs(given: Any, rest: memoryview, specs: Sequence[InputSpec]) -> tuple[NDArray[Any], ...]:
    by_name = {spec.name: spec for spec in specs}
    found = _named(given, "input", tuple(by_name))
    if missing := [name for name in by_name if name not in found]:
        raise InputError(f"the request lacks input {', '.join(map(repr, missing))}")
    arrays = {}
    for name, tensor in found.items():
        spec = by_name[name]
        wanted = DATATYPES[spec.dtype]
        if tensor.get("datatype") != wanted:
            raise InputError(
                f"input {name!r} has the datatype {tensor.get('datatype')!r}", f"give {wanted}"
            )
        shape = require_shape(tensor.get("shape"), spec)
        parameters = _object(tensor.get("parameters", {}), "`parameters`")
        if "shared_memory_region" in parameters:
            raise InputError("this server has no shared memory", "send the data with the request")
        if "binary_data_size" not in parameters:
            arrays[name] = from_json(tensor.get("data"), shape, spec)
            continue
        size = parameters["binary_data_size"]
        if type(size) is not int or not 0 <= size <= len(rest) or "data" in tensor:
            raise InputError(
                f"input {name!r}: `binary_data_size` must be 0 to {len(rest)}, the bytes that are "
                "left, and `data` absent"
            )
        arrays[name] = from_bytes(rest[:size], shape, spec)
        rest = rest[size:]
    if len(rest):
        raise InputError(f"{len(rest)} bytes after the last input belong to none")
    return tuple(arrays[name] for name in by_name)


def _outputs(given: Any, binary: bool, specs: Sequence[OutputSpec]) -> tuple[tuple[int, bool], ...]:
    if given is None:
        return tuple((place, binary) for place in range(len(specs)))
    names = [spec.name for spec in specs]
    asked = []
    for name, tensor in _named(given, "output", names).items():
        parameters = _object(tensor.get("parameters", {}), "`parameters`")
        for unknown in {"classification", "shared_memory_region"} & parameters.keys():
            raise InputError(f"output {name!r}: this server has no {unknown}")
        asked.append((names.index(name), _flag(parameters, "binary_data", binary)))
    return tuple(asked)


def require_room(request: Request, specs: Sequence[OutputSpec], longest: int) -> int:
    """Require that a model's outputs for a request are not too long, before it runs.

    Args:
        request: what was asked.
        specs: the model's outputs.
        longest: bytes that they may have; those of a single sample may have more.

    Returns:
        About how many bytes they will have.

    Raises:
        TooLarge: they will have more.
    """
    binary, samples = dict(request.outputs), len(request.inputs[0])
    size = samples * sum(
        math.prod(size or 1 for size in spec.shape[1:])
        * (np.dtype(spec.dtype).itemsize if binary.get(place, True) else _JSON_BYTES)
        for place, spec in enumerate(specs)
    )
    if samples > 1 and size > longest:
        raise TooLarge(
            f"the answer would have about {size} bytes, and may have {longest}",
            "send fewer samples in a request, or ask for binary data",
        )
    return size


def answer(
    request: Request,
    name: str,
    version: int,
    arrays: Sequence[NDArray[Any]],
    specs: Sequence[OutputSpec],
) -> Answer:
    """Write the answer to a request.

    Args:
        request: what was asked.
        name: of the model.
        version: of the model.
        arrays: (N, ...) of each output, in the manifest's order.
        specs: the model's outputs.

    Raises:
        InputError: an output is infinite, and asked for as JSON.
    """
    tensors, parts = [], []
    for place, binary in request.outputs:
        array, spec = arrays[place], specs[place]
        tensor: dict[str, Any] = {
            "name": spec.name,
            "datatype": DATATYPES[spec.dtype],
            "shape": list(array.shape),
        }
        if binary:
            parts.append(to_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = to_json(array, spec.name)
        tensors.append(tensor)
    said: dict[str, Any] = {"model_name": name, "model_version": str(version), "outputs": tensors}
    if request.id is not None:
        said["id"] = request.id
    head = orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY)
    return Answer(b"".join((head, *parts)), len(head) if parts else None)
