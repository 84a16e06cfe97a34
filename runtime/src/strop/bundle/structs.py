"""Classes of fields, like `typing.NamedTuple` and dataclasses, but made in a tenth of their time.

An app waits for them at every start: docs/decisions/0016-hot-path.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, NoReturn, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> object:
        """Stand in for typing's function (Python 3.11 on), which nobody needs at run time."""
        return lambda kind: kind


@dataclass_transform(frozen_default=True)
class Struct:
    """A base class whose annotated names are the fields, and their values, if any, the defaults.

    Structs are equal and hashed by their fields, which cannot be assigned to. `_asdict` and
    `_replace` work as those of a named tuple. A struct inherits no fields from another: derive each
    from this class.

    Attributes:
        OPTIONAL: names of fields that a record in JSON leaves out if they are empty.

    Raises:
        TypeError: a field is missing, unknown, or given twice.
    """

    OPTIONAL = tuple[str, ...]()  # without an annotation: it is no field

    def __init_subclass__(cls) -> None:
        if cls.__mro__[1:] != Struct.__mro__:
            raise TypeError(f"{cls.__name__} must derive from Struct, and from nothing else")

    def __init__(self, *values: Any, **named: Any) -> None:
        if values or named.keys() != type(self).__annotations__.keys():
            named = self._filled(values, named)
        self.__dict__.update(named)

    @classmethod
    def _filled(cls, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        """Return all fields by name, with those given by place and those left to their defaults."""
        fields = cls.__annotations__
        content = dict(zip(fields, values, strict=False), **named)
        surplus = len(values) + len(named) - len(content)  # too many, or one by place and by name
        for name in fields:
            if name not in content and hasattr(cls, name):
                content[name] = getattr(cls, name)
        if surplus or content.keys() != fields.keys():
            raise TypeError(
                f"{cls.__name__} takes {', '.join(fields)}; "
                f"got {len(values)} values and {', '.join(named) or 'no names'}"
            )
        return content

    def _asdict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).__annotations__}

    def _replace(self, **changes: Any) -> Self:
        return type(self)(**{**self._asdict(), **changes})

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._asdict().values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{type(self).__name__}({fields})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted")
