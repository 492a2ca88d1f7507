"""Each equation listed in docs/architecture.md stands on exactly one line of the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (?P<name>[^|]+) \| [^|]+ \| `(?P<file>[^`]+)` \| `(?P<mark># [^`]+)` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
SOURCES = {path: path.read_text(encoding="utf-8").splitlines() for path in (ROOT / "striq").rglob("*.py")}


def lines_ending_with(mark: str) -> list[Path]:
    return [path for path, lines in SOURCES.items() for line in lines if line.rstrip().endswith(mark)]


@pytest.mark.parametrize(("name", "file", "mark"), ROWS, ids=[row[0] for row in ROWS])
def test_equation_stands_on_exactly_one_line_of_the_named_file(name: str, file: str, mark: str) -> None:
    assert lines_ending_with(mark) == [ROOT / file], name


def test_every_numbered_equation_in_the_code_is_listed() -> None:
    text = "\n".join(line for lines in SOURCES.values() for line in lines)
    assert set(re.findall(r"# Eq\. \((\d)\)", text)) == {name for name, _, _ in ROWS if name.isdigit()}
