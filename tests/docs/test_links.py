"""Tests of the links and paths in the documents, and of the documents that comments name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, broken_links, name_of

CODE_FOLDERS = ("striq", "tests", "tools", "slicer_extension", "monailabel_app", "monai_deploy_app")
SOURCES = sorted(path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*.py"))
NAMED_PATH = re.compile(rf"`((?:{'|'.join(CODE_FOLDERS)})/[\w./-]+)`")
NAMED_DOCUMENT = re.compile(r"docs/(?:how-to|decisions)/[\w.-]+|docs/[a-z-]+\.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_named_in_a_document_exists(document: Path) -> None:
    named = NAMED_PATH.findall(document.read_text(encoding="utf-8"))
    assert [path for path in named if not any((folder / path).exists() for folder in (ROOT, document.parent))] == []


def test_every_document_named_in_the_code_exists() -> None:
    named = {name.rstrip(".") for path in SOURCES for name in NAMED_DOCUMENT.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert [name for name in sorted(named) if not list(ROOT.glob(f"{name}*"))] == []


@pytest.mark.parametrize(
    ("link", "broken"),
    [
        ("[a](other.md)", False),
        ("[a](other.md#the-second-part-10)", False),
        ("[a](#here)", False),
        ("[a](https://example.org/nowhere.md)", False),
        ("[a](missing.md)", True),
        ("[a](other.md#missing)", True),
        ("[a](#missing)", True),
        ("![a](missing.png)", True),
        ("```\n[a](missing.md)\n```", False),
    ],
)
def test_broken_links_are_found(tmp_path: Path, link: str, broken: bool) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## The second part: 1.0\n\n```\n# missing\n```\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n{link}\n")
    assert bool(broken_links(page)) == broken
