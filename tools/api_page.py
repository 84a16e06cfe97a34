"""The page docs/api.md: the public names of both distributions, from their docstrings.

`make docs` writes it again.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from textwrap import dedent
from typing import Any

import griffe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"

_PACKAGES = {"strop": ROOT / "runtime" / "src", "strop_export": ROOT / "export" / "src"}
# Methods that Strop and Python call, and apps do not.
_INNER = ("after_fork", "before_exit", "is_busy", "within", "without")
_WIDTH = 88  # of a signature on one line
_HEAD = """\
# Python API

<!-- `make docs` makes this page from the docstrings. -->
"""

_LISTED = {
    griffe.DocstringSectionKind.attributes: "Attributes",
    griffe.DocstringSectionKind.parameters: "Args",
    griffe.DocstringSectionKind.other_parameters: "Other args",
    griffe.DocstringSectionKind.returns: "Returns",
    griffe.DocstringSectionKind.yields: "Yields",
    griffe.DocstringSectionKind.raises: "Raises",
    griffe.DocstringSectionKind.warns: "Warns",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page, in Markdown."""
    parts = [part for package in load() if package.exports for part in _package(package)]
    titles = [part.partition(" ") for part in parts if re.match("###? ", part)]
    contents = [
        f"{'    ' * (len(level) - 2)}- [{title}](#{anchor(title)})" for level, _, title in titles
    ]
    return "\n\n".join((_HEAD.rstrip(), "\n".join(contents), *parts)) + "\n"


def load() -> list[Any]:
    """Read the packages, without importing them."""
    loader = griffe.GriffeLoader(
        search_paths=list(_PACKAGES.values()),
        docstring_parser=griffe.Parser.google,
        docstring_options={"returns_multiple_items": False},  # one value, described in many lines
        allow_inspection=False,
    )
    return [loader.load(name) for name in _PACKAGES]


def anchor(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


def _package(package: Any) -> Iterator[str]:
    """Yield a package's headings and blocks: functions, then classes, then errors."""
    yield f"## {package.name}"
    yield from _docstring(package)
    public = [package[name] for name in package.exports]
    public = [each.final_target if each.is_alias else each for each in public]
    classes = [each for each in public if each.is_class]
    errors = [each for each in classes if _is_error(each)]
    for each in public:
        if each.is_function:
            yield from _function(each, package.name, "###")
    for each in classes:
        if each not in errors:
            yield from _class(each, package.name, "###")
    if errors:
        yield f"### Errors of {package.name}"
        yield _error_table(errors)
        for each in errors:
            if _methods(each) or _attributes(each):
                yield from _class(each, package.name, "####")


def _function(function: Any, owner: str, level: str) -> Iterator[str]:
    yield f"{level} {owner}.{function.name}"
    yield f"```python\n{_signature(function, owner)}\n```"
    yield from _docstring(function)


def _class(found: Any, package: str, level: str) -> Iterator[str]:
    yield f"{level} {package}.{found.name}"
    yield from _docstring(found)
    if properties := [m for m in _public(found) if "property" in m.labels]:
        yield "**Properties**"
        yield _bullets((_typed(each), _summary(each)) for each in properties)
    for method in _methods(found):
        yield from _function(method, found.name, f"{level}#")


def _public(found: Any) -> list[Any]:
    return [m for name, m in found.members.items() if not name.startswith("_")]


def _methods(found: Any) -> list[Any]:
    return [m for m in _public(found) if m.is_function and m.name not in _INNER]


def _attributes(found: Any) -> bool:
    return any(s.kind is griffe.DocstringSectionKind.attributes for s in found.docstring.parsed)


def _is_error(found: Any) -> bool:
    """Tell whether a class is an exception or a warning."""
    own = (getattr(builtins, str(base), None) for base in found.bases)
    return any(isinstance(base, type) and issubclass(base, BaseException) for base in own) or any(
        _is_error(base) for base in found.resolved_bases
    )


def _error_table(errors: Iterable[Any]) -> str:
    rows = ["| error | base | `kind` | meaning |", "|---|---|---|---|"]
    for error in errors:
        bases = ", ".join(f"`{base}`" for base in error.bases)
        kind = error.members.get("kind")
        shown = f"`{kind.value}`".replace("'", "") if kind else ""
        rows.append(f"| `{error.name}` | {bases} | {shown} | {_plain(_summary(error))} |")
    return "\n".join(rows)


def _signature(function: Any, owner: str) -> str:
    """Write a call with its types, on a line for each parameter if it is long."""
    given = list(_parameters(function))
    returns = f" -> {function.returns}" if function.returns else ""
    short = f"{owner}.{function.name}({', '.join(given)}){returns}"
    if len(short) <= _WIDTH:
        return short
    lines = "".join(f"    {each},\n" for each in given)
    return f"{owner}.{function.name}(\n{lines}){returns}"


def _parameters(function: Any) -> Iterator[str]:
    kinds = griffe.ParameterKind
    bare = True  # the star before the first parameter that only has a name
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is kinds.keyword_only and bare:
            yield "*"
        bare = bare and parameter.kind not in (kinds.keyword_only, kinds.var_positional)
        stars = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(parameter.kind, "")
        text = f"{stars}{parameter.name}: {parameter.annotation}"
        is_optional = parameter.default is not None and not stars
        yield f"{text} = {_default(function, parameter)}" if is_optional else text


def _default(function: Any, parameter: Any) -> str:
    """Write a default value; of a constant of another module, its value."""
    value = parameter.default
    if isinstance(value, griffe.ExprAttribute):
        value = function.modules_collection[value.canonical_path].value
    return str(value).replace("'", '"')


def _docstring(described: Any) -> Iterator[str]:
    """Yield the blocks of a docstring, one for each paragraph and section."""
    for section in described.docstring.parsed if described.docstring else ():
        if title := _LISTED.get(section.kind):
            yield f"**{title}**"
            yield _listed(section)
        elif section.kind is griffe.DocstringSectionKind.text:
            yield from _paragraphs(section.value)
        elif section.kind is griffe.DocstringSectionKind.examples:
            yield "**Examples**"
            for kind, text in section.value:
                is_code = kind is griffe.DocstringSectionKind.examples
                yield from [f"```pycon\n{text}\n```"] if is_code else _paragraphs(text)
        elif section.kind is griffe.DocstringSectionKind.admonition:
            yield f"**{section.title}**"
            yield from _paragraphs(section.value.description)
        else:
            raise ValueError(f"{described.path}: the page has no form for {section.kind.value}")


def _listed(section: Any) -> str:
    """Write a section of several named things, or of one value that has no name."""
    kinds = griffe.DocstringSectionKind
    items = section.value
    if section.kind in (kinds.returns, kinds.yields):
        (item,) = items
        return _plain(f"{item.name}: {item.description}" if item.name else item.description)
    if section.kind in (kinds.raises, kinds.warns):
        return _bullets((f"`{item.annotation}`", item.description) for item in items)
    if section.kind is kinds.attributes:
        return _bullets((_typed(item), item.description) for item in items)
    return _bullets((f"`{item.name}`", item.description) for item in items)


def _typed(attribute: Any) -> str:
    """Write an attribute's name, with its type if the code says one."""
    shown = f"`{attribute.name}`"
    return f"{shown} (`{attribute.annotation}`)" if attribute.annotation else shown


def _summary(described: Any) -> str:
    """Return the text of a docstring, on one line, without its sections."""
    return " ".join(described.docstring.parsed[0].value.split())


def _bullets(items: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {_plain(text)}".replace("\n", "\n  ") for name, text in items)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs as Markdown; an indented one, or one that begins with `>>>`, is code."""
    paragraphs = re.split(r"\n{2,}", text)
    for is_indented, group in groupby(paragraphs, lambda each: each.startswith("    ")):
        if is_indented:
            code = dedent("\n\n".join(group))
            yield f"```python\n{code}\n```"
            continue
        for paragraph in group:
            is_example = paragraph.startswith(">>>")
            yield f"```pycon\n{paragraph}\n```" if is_example else _plain(paragraph)


def _plain(text: str) -> str:
    """Escape, outside of code, the characters that Markdown would take for its own."""
    return re.sub(r"(`[^`]*`)|([*<|])", lambda found: found[1] or f"\\{found[2]}", text)


if __name__ == "__main__":
    main()
