"""The documents of the project, and what they contain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "benchmarks", "monai_bundle", "monai_deploy_app", "monailabel_app", "slicer_extension")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
ANY_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]+?) -->\n\Z")
PROGRAMS = ("striq", "python", "pip", "make", "bash", "torchrun", "rm", "source", "curl", "monailabel", "unzip")


def name_of(path: Path) -> str:
    """Return the path of a document within the repository."""
    return path.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """Return a document without its code blocks."""
    return ANY_FENCE.sub("", text)


def code_blocks(text: str, language: str = "") -> list[str]:
    """Return the code blocks marked with a language; those without a mark by default."""
    return [match["code"] for match in FENCE.finditer(text) if match["language"] == language]


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(text)):
        words = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        repeats = sum(other == words or re.fullmatch(rf"{re.escape(words)}-\d+", other) is not None for other in found)
        found.add(f"{words}-{repeats}" if repeats else words)
    return found


def broken_links(document: Path) -> list[str]:
    """Return the relative links of a document that lead to no file, or to no heading of that file."""
    broken: list[str] = []
    for target in LINK.findall(prose(document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):  # another site
            continue
        path, _, anchor = target.partition("#")
        page = (document.parent / path).resolve() if path else document
        if not page.exists() or (anchor and anchor not in anchors(page.read_text(encoding="utf-8"))):
            broken.append(target)
    return broken


@dataclass(frozen=True)
class Block:
    """A block of code in a document, and why it is not run, if it is not."""

    language: str
    code: str
    reason: str

    @property
    def is_program(self) -> bool:
        """Whether it is something to run, rather than a file, a diagram or an output."""
        lines = self.code.splitlines()
        return self.language == "python" or (not self.language and bool(lines) and lines[0].split(" ")[0] in PROGRAMS)


def marked_blocks(document: Path) -> list[Block]:
    """Return the blocks of a document in order."""
    text = document.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in FENCE.finditer(text):
        marked = NOT_RUN.search(text[: match.start()])
        found.append(Block(match["language"], match["code"], marked["reason"] if marked else ""))
    return found
