"""Short names of studies, which are identifiers of up to 64 digits or paths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

UID = re.compile(r"[0-9.]{17,}")
SHORTEST_TAIL = 8  # characters of an identifier


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return a short name for each name: the end of an identifier, the file of a path; distinct among these.

    Example:
        >>> short_names(["1.2.826.0.1.3680043.8.498.1234", "1.2.3", "/archive/a.png"])
        {'1.2.826.0.1.3680043.8.498.1234': '…498.1234', '1.2.3': '1.2.3', '/archive/a.png': 'a.png'}
    """
    distinct = list(dict.fromkeys(names))
    for length in range(SHORTEST_TAIL, 65):
        short = {name: _short(name, length) for name in distinct}
        repeated = {one for one, count in Counter(short.values()).items() if count > 1}
        if not any(UID.fullmatch(name) and short[name] in repeated for name in distinct):
            break
    return {name: name if short[name] in repeated else short[name] for name in distinct}


def _short(name: str, length: int) -> str:
    if UID.fullmatch(name):
        return name if len(name) <= length + 1 else f"…{name[-length:]}"
    return PurePath(name).name or name
