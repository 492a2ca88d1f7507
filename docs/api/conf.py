"""Settings of Sphinx for the page of the Python interface: ``make docs``."""

from __future__ import annotations

import importlib.metadata

from striq.about import PUBLISHER

project = "STRIQ"
author = PUBLISHER
release = importlib.metadata.version("striq")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_custom_sections = [("Convention", "notes_style")]
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
html_theme = "alabaster"
html_theme_options = {
    "description": "Quality control of ultrasound planes without quality labels",
    "page_width": "1100px",
}
html_show_sourcelink = False
