"""Who publishes STRIQ, and where.

A publisher changes these two lines. ``make about`` then writes them, and the version in ``pyproject.toml``, into every
file that needs them.
"""

from __future__ import annotations

PUBLISHER = "STRIQ contributors"
REPOSITORY = "https://example.org/striq"  # page of the repository, without a slash at its end
