"""Inputs by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from strop.errors import InputError
from strop.model.mends import wanted

if TYPE_CHECKING:
    from typing import Any

    from strop.bundle.manifest import InputSpec

_LONGEST = 100  # characters of an unknown name


def by_name(inputs: Mapping[Any, Any], specs: tuple[InputSpec, ...], name: str) -> list[Any]:
    """Return the inputs in the manifest's order.

    Args:
        inputs: an array for each input, by its name.
        specs: the model's inputs.
        name: of the model, for messages.

    Raises:
        InputError: a name is missing, or unknown.
    """
    names = [spec.name for spec in specs]
    try:
        given = dict(inputs)
    except Exception as error:  # noqa: BLE001  a mapping's own code: a file's, say
        raise not_named(
            specs, name, f"a {type(inputs).__name__} gave {type(error).__name__}"
        ) from None
    missing = [one for one in names if one not in given]
    unknown = [
        one[:_LONGEST] if isinstance(one, str) else f"a {type(one).__name__}"
        for one in given
        if not isinstance(one, str) or one not in names
    ]
    if missing or unknown:
        found = [f"no {', '.join(missing)}"] if missing else []
        found += [f"the unknown {', '.join(map(repr, unknown))}"] if unknown else []
        raise not_named(specs, name, f"got {' and '.join(found)}")
    return [given[one] for one in names]


def not_named(specs: tuple[InputSpec, ...], name: str, found: str) -> InputError:
    """Return the error to raise where the inputs are not one array each.

    Args:
        specs: the model's inputs.
        name: of the model.
        found: what was given, in the message's words.
    """
    takes = "; ".join(f"{spec.name!r}, {wanted(spec)}" for spec in specs)
    names = ", ".join(f"{spec.name!r}: ..." for spec in specs)
    how = "give them by name" if len(specs) > 1 else "give the array, or a dict by name"
    what = "1 input" if len(specs) == 1 else f"{len(specs)} inputs"
    return InputError(f"{name} takes {what}, {takes}; {found}", f"{how}, {{{names}}}")
