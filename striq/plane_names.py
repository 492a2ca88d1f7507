"""Which names a plane may have: they become parts of file names, cells of tables and options of commands."""

from __future__ import annotations

import re

RESERVED_NAMES = ("auto", "none")  # "recognize it" as an option, and "shows no known plane" as an answer
LONGEST_NAME = 64
PATTERN = re.compile(r"\w[\w-]*")  # letters of any language, digits, underscore and hyphen
RULE = f"letters, digits, '_' and '-', at most {LONGEST_NAME}, and not {' or '.join(map(repr, RESERVED_NAMES))}"


def is_plane_name(name: object) -> bool:
    """Return whether a plane may have this name.

    Example:
        >>> [is_plane_name(name) for name in ("A4C", "fetal_head", "../x", "a b", "none", "")]
        [True, True, False, False, False, False]
    """
    return (
        isinstance(name, str)
        and len(name) <= LONGEST_NAME
        and PATTERN.fullmatch(name) is not None
        and name.lower() not in RESERVED_NAMES
    )
