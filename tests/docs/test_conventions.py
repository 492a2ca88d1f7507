"""docs/conventions.md has the conventions of all docstrings."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "make_conventions.py"))
TEXT = TOOL["page"](ROOT / "striq")


def test_page_is_up_to_date() -> None:
    is_current = TOOL["PAGE"].read_text(encoding="utf-8") == TEXT
    assert is_current, f"docs/conventions.md is out of date. Run: {TOOL['COMMAND']}"


def test_command_of_the_message_exists() -> None:
    target = TOOL["COMMAND"].removeprefix("make ")
    assert re.search(rf"^{target}:.*\n\t.*tools/make_conventions\.py$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_convention_line_of_the_package_is_counted() -> None:
    # Counted in the text of the modules, independently of the parser.
    in_modules = sum(
        len(re.findall(r"^ *Convention:$", module.read_text(encoding="utf-8"), re.MULTILINE))
        for module in (ROOT / "striq").rglob("*.py")
    )
    sections = re.findall(r"^\*\*`", TEXT, re.MULTILINE)
    assert len(sections) == in_modules > 0


def test_section_ends_where_the_next_begins_and_becomes_markdown() -> None:
    source = '''
class Scale:
    def apply(self, x):
        """Summary.

        Convention:
            - ``x`` is in mm, see :func:`other`,
              which goes on here.
            - Second.

        Args:
            x: Not a convention.
        """
'''
    assert list(TOOL["conventions"](ast.parse(source))) == [
        ("Scale.apply", "- `x` is in mm, see `other`,\n  which goes on here.\n- Second.")
    ]


@pytest.mark.parametrize("docstring", ['"""Summary."""', '"""Convention of names: not a section."""'])
def test_docstring_without_the_section_gives_nothing(docstring: str) -> None:
    assert list(TOOL["conventions"](ast.parse(docstring))) == []
