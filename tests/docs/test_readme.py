"""README is a short front page; the figures are in docs/results.md, each with its command, date and commit."""

from __future__ import annotations

import re
from pathlib import Path

from documents import LINK, ROOT, marked_blocks, prose

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
PAGES = ("sonographers", "researchers", "monai-users", "hospitals")
MAX_WORDS = 700


def test_readme_is_short() -> None:
    assert len(README.split()) < MAX_WORDS


def test_readme_begins_with_a_picture_people_and_a_command() -> None:
    lines = [line for line in README.splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[1].startswith("![")
    head = README.split("\n## ", maxsplit=1)[0]
    people = [line for line in head.splitlines() if line.startswith("- **[")]
    assert len(people) == 3
    assert "striq score" in "".join(block.code for block in marked_blocks(ROOT / "README.md")[:2])


def test_readme_leads_to_every_page() -> None:
    for target in [*(f"docs/for-{name}.md" for name in PAGES), "docs/paper.md", "docs/results.md"]:
        assert f"({target})" in README, target
    reached, left = set[Path](), [ROOT / "README.md"]
    while left:
        page = left.pop()
        reached.add(page)
        targets = [target.split("#")[0] for target in LINK.findall(prose(page.read_text(encoding="utf-8")))]
        linked = {
            (page.parent / target).resolve() for target in targets if target.endswith(".md") and ":" not in target
        }
        left += [target for target in linked if target not in reached]
    assert [page.name for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if page not in reached] == []


def test_figures_in_readme_are_those_of_the_results() -> None:
    quality = README.split("## How good is it?")[1].split("\n## ")[0]
    figures = re.findall(r"\d\.\d\d \[\d\.\d\d, \d\.\d\d\]|\b0\.0\d+\b", quality.replace("*", ""))
    assert len(figures) > 5
    plain = RESULTS.replace("*", "")
    assert [figure for figure in figures if figure not in plain] == []
    assert "stand-in" in quality


def test_results_have_their_command_date_and_commit() -> None:
    parts = [part for part in RESULTS.split("\n## ")[1:] if "|---" in part]
    assert len(parts) >= 2
    for part in parts:
        title = part.splitlines()[0]
        assert re.search(r"20\d\d-\d\d-\d\d, commit [0-9a-f]{7}", part), title
        assert "\nstriq " in part.replace(prose(part), "") or "```\nstriq " in part, title
