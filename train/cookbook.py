"""Recipes from TOML: every key must be known and every value valid, or an error names it."""

import dataclasses
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from train.errors import RecipeError
from train.paths import RECIPES
from train.recipe import Recipe, require

T = TypeVar("T")


def names() -> list[str]:
    """List the names of the recipes that come with Strop."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load(name: str) -> Recipe:
    """Load the recipe of that name, or the one in the ``.toml`` file at that path.

    Args:
        name: one of :func:`names`, or a path that ends in ``.toml``.

    Raises:
        RecipeError: if there is none, or it is not well-formed, or a value is out of range.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        raise RecipeError(
            f"no recipe {name!r}; there are {', '.join(names())}, or give the path of a .toml file"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise RecipeError(f"recipe {name} cannot be read: {reason}") from None
    return parse(text, name)


def parse(text: str, source: str) -> Recipe:
    """Parse the recipe written in ``text``.

    Args:
        text: TOML, one table per dataclass of :mod:`train.recipe`.
        source: its name in errors.

    Raises:
        RecipeError: if it is not TOML, a key is unknown or missing, or a value does not fit.
    """
    try:
        table = tomllib.loads(text)
        return _read(Recipe, table, "")
    except (tomllib.TOMLDecodeError, RecursionError, RecipeError) as error:
        raise RecipeError(f"recipe {source}: {error}") from None


def _read(kind: type[T], table: dict[str, Any], where: str) -> T:
    """Read a dataclass from a table: no unknown keys, and all keys without a default."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise RecipeError(f"unknown key {where}{key}; known are {', '.join(fields)}")
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, field in fields.items():
        if key in table:
            values[key] = _fit(table[key], hints[key], f"{where}{key}")
        elif field.default is dataclasses.MISSING:
            raise RecipeError(f"{where}{key} is missing")
    return kind(**values)


def _fit(value: Any, hint: Any, key: str) -> Any:
    """Check a value against its annotation; convert only list to tuple, and int to float."""
    if get_origin(hint) is UnionType:  # of a table and None, the default
        hint = get_args(hint)[0]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, dict):
            return _read(hint, value, f"{key}.")
        raise RecipeError(f"{key} is {value!r}; it must be a table")
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        require(value in choices, key, value, " or ".join(map(str, choices)))
        return value
    if get_origin(hint) is tuple:
        require(isinstance(value, list), key, value, "a list")
        return tuple(_fit(item, get_args(hint)[0], key) for item in value)
    wanted, name = {
        float: (int | float, "a number"),
        int: (int, "a whole number"),
        bool: (bool, "true or false"),
        str: (str, "a text"),
    }[hint]
    fits = isinstance(value, wanted) and isinstance(value, bool) == (hint is bool)
    require(fits, key, value, name)
    return float(value) if hint is float else value
