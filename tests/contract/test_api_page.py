"""The page docs/api.md is made from the docstrings, and has every public name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe
import pytest

import strop
import strop_export
from tools import api_page

EXAMPLE = '''
"""Sharpen.

Say which tool:

    import shed

    shed.sharpen("axe")
"""

__all__ = ["Blunt", "Result", "sharpen"]


class Blunt(ValueError):
    """The edge cannot be
    sharpened."""

    kind = "blunt"


class Result:
    """An edge.

    Attributes:
        angle: degrees, 0 < angle < 90.
    """

    def __init__(self) -> None:
        self.angle = 20

    @property
    def sharp(self) -> bool:
        """Whether it cuts."""
        return True


def sharpen(
    tool: str, *stones: str, passes: int = 3, strokes: tuple[int, ...] = (1, 2), **others: str
) -> Result:
    """Sharpen a tool.

    >>> sharpen("axe")
    Result()

    Args:
        tool: a name, or
            a path.

    Returns:
        The result: an edge.

    Raises:
        Blunt: it *stays* blunt.

    Example:
        >>> sharpen("awl").sharp
        True
    """
'''

SIGNATURE = """\
```python
shed.sharpen(
    tool: str,
    *stones: str,
    passes: int = 3,
    strokes: tuple[int, ...] = (1, 2),
    **others: str,
) -> Result
```
"""


def _text() -> str:
    return api_page.PAGE.read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    assert _text() == api_page.page(), "docs/api.md is older than the docstrings; run `make docs`"


@pytest.mark.parametrize("package", [strop, strop_export])
def test_every_public_name_is_on_it(package: object) -> None:
    name = package.__name__  # type: ignore[attr-defined]
    for public in getattr(package, "__all__", ()):
        assert re.search(rf"^### {name}\.{public}$|^\| `{public}` \|", _text(), re.MULTILINE), (
            public
        )


def test_the_links_of_its_contents_lead_to_headings() -> None:
    anchors = {api_page.anchor(title) for title in re.findall(r"^#+ (.+)$", _text(), re.MULTILINE)}
    links = re.findall(r"^ *- \[.+\]\(#(.+)\)$", _text(), re.MULTILINE)
    assert len(links) == len(set(links)) > len(strop.__all__) // 2
    assert set(links) <= anchors


def _public_functions() -> list[Any]:
    """The public functions of both packages, and the methods of their public classes."""
    named = (package[name] for package in api_page.load() for name in package.exports)
    public = [each.final_target if each.is_alias else each for each in named]
    methods = (method for each in public if each.is_class for method in api_page._methods(each))
    return [*(each for each in public if each.is_function), *methods]


@pytest.mark.parametrize("function", _public_functions(), ids=lambda function: function.path)
def test_a_function_describes_its_arguments_and_what_it_returns(function: Any) -> None:
    kinds = griffe.DocstringSectionKind
    sections = {section.kind: section.value for section in function.docstring.parsed}
    described = [each.name for each in sections.get(kinds.parameters, ())]
    assert described == [each.name for each in function.parameters if each.name != "self"]
    says = kinds.returns in sections or sections[kinds.text].startswith("Return ")
    assert says or str(function.returns) == "None"


def test_a_model_describes_all_its_attributes() -> None:
    model = api_page.load()[0]["Model"].final_target
    assigned = {name for name, each in model.members.items() if each.is_attribute}
    (described,) = (
        section.value
        for section in model.docstring.parsed
        if section.kind is griffe.DocstringSectionKind.attributes
    )
    assert [each.name for each in described] == [
        n for n in model.members if n in assigned and n[0] != "_"
    ]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "shed.py").write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.setattr(api_page, "_PACKAGES", {"shed": tmp_path})
    return api_page.page()


@pytest.mark.parametrize(
    "part",
    [
        "## shed\n\nSharpen.\n\nSay which tool:\n\n```python\nimport shed\n\n",
        SIGNATURE,
        'Sharpen a tool.\n\n```pycon\n>>> sharpen("axe")\nResult()\n```\n',
        "**Args**\n\n- `tool`: a name, or\n  a path.\n",
        "**Returns**\n\nThe result: an edge.\n",
        "**Raises**\n\n- `Blunt`: it \\*stays\\* blunt.\n",
        '```pycon\n>>> sharpen("awl").sharp\nTrue\n```\n',
        "**Attributes**\n\n- `angle`: degrees, 0 \\< angle \\< 90.\n",
        "**Properties**\n\n- `sharp` (`bool`): Whether it cuts.\n",
        "| `Blunt` | `ValueError` | `blunt` | The edge cannot be sharpened. |\n",
        "    - [shed.sharpen](#shedsharpen)\n    - [shed.Result](#shedresult)\n",
    ],
)
def test_each_form_of_a_docstring_is_markdown(example: str, part: str) -> None:
    assert part in example


def test_a_package_without_public_names_has_no_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bare.py").write_text('"""Nothing yet."""\n', encoding="utf-8")
    monkeypatch.setattr(api_page, "_PACKAGES", {"bare": tmp_path})
    assert "bare" not in api_page.page()
