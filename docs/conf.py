"""Settings of Sphinx for the documentation site: ``make docs``."""

from __future__ import annotations

import importlib.metadata
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any

from striq.about import PUBLISHER, REPOSITORY

DOCS = Path(__file__).parent
FRONT_PAGE = "index"  # shows the README of the project
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)")

project = "STRIQ"
author = PUBLISHER
release = importlib.metadata.version("striq")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
exclude_patterns = ["notebooks"]
myst_heading_anchors = 4
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_custom_sections = [("Convention", "notes_style")]
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
html_theme = "furo"
html_title = f"STRIQ {release}"
html_show_sourcelink = False


def site_link(target: str, page_folder: str) -> str:
    """Return where a link of a page leads on the site: to another page or picture, or else to the repository.

    Args:
        target: Relative path, as the page has it.
        page_folder: Folder of the page in the repository.
    """
    path = PurePosixPath(posixpath.normpath(posixpath.join(page_folder, target)))
    if path.parts[0] == DOCS.name and path.suffix in (".md", ".png", ".svg"):
        return f"/{path.relative_to(DOCS.name)}"
    return f"{REPOSITORY}/blob/main/{path}"


def _prepare_page(app: Any, page: str, source: list[str]) -> None:
    """Add the README to the front page, and change the links of a page."""
    text, folder = source[0], str(PurePosixPath(DOCS.name, page).parent)
    if page == FRONT_PAGE:
        text = _with_site_links((DOCS.parent / "README.md").read_text(encoding="utf-8"), "") + text
    elif Path(app.env.doc2path(page)).suffix == ".md":
        text = _with_site_links(text, folder)
    source[0] = text


def _with_site_links(text: str, folder: str) -> str:
    return LINK.sub(lambda match: site_link(match[1], folder), text)


def setup(app: Any) -> None:
    """Connect what Sphinx calls for each page."""
    app.connect("source-read", _prepare_page)
