"""Tests of the links between the pages of the documentation site."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from typing import Any

import pytest
from documents import ROOT

from striq.about import REPOSITORY

SETTINGS: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "conf.py"))
site_link: Callable[[str, str], str] = SETTINGS["site_link"]


@pytest.mark.parametrize(
    ("target", "folder", "expected"),
    [
        ("docs/how-to/score.md", "", "/how-to/score.md"),
        ("score.md", "docs/how-to", "/how-to/score.md"),
        ("../glossary.md", "docs/how-to", "/glossary.md"),
        ("pictures/slicer_live.png", "docs", "/pictures/slicer_live.png"),
        (
            "../notebooks/score_and_explain.ipynb",
            "docs/how-to",
            f"{REPOSITORY}/blob/main/docs/notebooks/score_and_explain.ipynb",
        ),
        ("../../striq/types.py", "docs/how-to", f"{REPOSITORY}/blob/main/striq/types.py"),
        ("../benchmarks/README.md", "docs", f"{REPOSITORY}/blob/main/benchmarks/README.md"),
        ("CONTRIBUTING.md", "", f"{REPOSITORY}/blob/main/CONTRIBUTING.md"),
        ("docs/decisions/", "", f"{REPOSITORY}/blob/main/docs/decisions"),
    ],
)
def test_links_lead_to_pages_or_to_the_repository(target: str, folder: str, expected: str) -> None:
    assert site_link(target, folder) == expected


def test_other_addresses_and_headings_are_left_alone() -> None:
    text = "[a](https://example.org/x.md) [b](#method) [c](mailto:a@b.c) [d](results.md#speed)"
    changed = SETTINGS["_with_site_links"](text, "docs")
    assert changed == text.replace("results.md", "/results.md")


def test_front_page_lists_every_guide() -> None:
    lists = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    guides = [page.stem for page in (ROOT / "docs" / "how-to").glob("*.md") if not page.stem.startswith("add-")]
    assert [guide for guide in guides if f"how-to/{guide}\n" not in lists] == []
