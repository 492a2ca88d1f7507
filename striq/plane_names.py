"""Which names a plane may have: they become parts of file names, cells of tables and options of commands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

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


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return a sentence, after a space, with the known name that is probably meant; empty if there is none.

    Example:
        >>> did_you_mean("a4c", ["A4C", "synthetic_kidney"]), did_you_mean("kidney", ["A4C", "synthetic_kidney"])
        (" Did you mean 'A4C'?", " Did you mean 'synthetic_kidney'?")
        >>> did_you_mean("spleen", ["A4C", "synthetic_kidney"])
        ''
    """
    wanted = name.casefold()
    parts = [plane for plane in known if wanted and wanted in plane.casefold()]
    close = difflib.get_close_matches(wanted, [plane.casefold() for plane in known], n=1)
    found = parts or [plane for plane in known if plane.casefold() in close]
    return f" Did you mean {found[0]!r}?" if found else ""
